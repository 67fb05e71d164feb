"""Clauses made of clauses."""

from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents.guard.faults import Fault
from imweb.incidents.guard.values import Params
from imweb.incidents.guard.walk import Json, Walk, clause


@clause("bool")
def _bool(walk: Walk, value: Any, path: str, depth: int) -> Json:
    params = Params(value, path)
    body: Json = {}
    for occurrence in ("must", "filter", "should", "must_not"):
        if occurrence not in params.left:
            continue
        given, where = params.take(occurrence), params.at(occurrence)
        if isinstance(given, list):
            built = [walk.build(inner, f"{where}[{index}]", depth + 1) for index, inner in enumerate(given)]
        else:
            built = [walk.build(given, where, depth + 1)]
        if built:
            body[occurrence] = built
    minimum = params.minimum()
    if minimum is not None:
        body["minimum_should_match"] = minimum
    # Kept by saved searches of dashboards; without effect since clauses of pure negation match by complement.
    params.flag("adjust_pure_negative", True)
    params.done()
    return {"bool": body}


@clause("constant_score")
def _constant_score(walk: Walk, value: Any, path: str, depth: int) -> Json:
    params = Params(value, path)
    inner = params.take("filter")
    params.done()
    if inner is None:
        raise Fault(path, _('needs a "filter"'))
    return {"constant_score": {"filter": walk.build(inner, params.at("filter"), depth + 1)}}


@clause("dis_max")
def _dis_max(walk: Walk, value: Any, path: str, depth: int) -> Json:
    params = Params(value, path)
    queries = params.take("queries")
    params.done()
    where = params.at("queries")
    if not isinstance(queries, list) or not queries:
        raise Fault(where, _("must be an array of query clauses"))
    built = [walk.build(inner, f"{where}[{index}]", depth + 1) for index, inner in enumerate(queries)]
    return {"dis_max": {"queries": built}}


@clause("boosting")
def _boosting(walk: Walk, value: Any, path: str, depth: int) -> Json:
    """What `negative` matches is only scored lower, never left out: the set is that of `positive`."""
    params = Params(value, path)
    positive, negative = params.take("positive"), params.take("negative")
    params.done()
    if positive is None or negative is None:
        raise Fault(path, _('needs a "positive" and a "negative"'))
    walk.build(negative, params.at("negative"), depth + 1)
    return walk.build(positive, params.at("positive"), depth + 1)


@clause("match_all", "match_none")
def _match_all(_walk: Walk, value: Any, path: str, _depth: int) -> Json:
    Params(value, path).done()
    return {path.rpartition(".")[2]: {}}

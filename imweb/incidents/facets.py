"""Facets: the values of a field under a list's filters, each with how many rows it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from imweb.accounts.actor import Actor
from imweb.incidents import dsl
from imweb.incidents.fields import FieldDef
from imweb.incidents.params import FieldFilter, Filters
from imweb.incidents.resultset import result_set

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet and how many documents have it; `share` is against the largest, from 0 to 1."""

    value: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a field under all filters but its own."""

    field: FieldDef
    values: list[FacetValue]
    missing: int
    others: int


def facets(
    actor: Actor,
    filters: Filters,
    pit: str | None,
    fields: Sequence[FieldDef],
    *,
    size: int = 8,
    include: dict[str, Sequence[str]] | None = None,
) -> list[Facet]:
    """Return the facets of several fields; a value that is filtered by is always among them.

    `include` limits a field to some of its values (ATT&CK tactics among all ids). One search serves all of them, two
    where groups stand for their incidents and a facet is filtered by: which incidents a group hides depends on the
    filters, so what is in the list is counted there, and only what another choice would add is counted beside it.
    """
    fields = [field for field in fields if field.name not in actor.hidden]
    if not fields:
        return []
    names = {field.name for field in fields}
    own = [item for item in filters.fields if item.field.name in names]
    rest = replace(filters, fields=tuple(item for item in filters.fields if item.field.name not in names))
    bodies = {f"f{number}": _facet_body(field, own, size, include) for number, field in enumerate(fields)}
    answer = _aggregate(actor, rest, pit, bodies)
    if own and filters.collapse_grouped:
        _put(answer, _aggregate(actor, filters, pit, _listed_bodies(fields, own, size, include)))
    return [_facet(field, answer[f"f{number}"], own) for number, field in enumerate(fields)]


def _aggregate(actor: Actor, filters: Filters, pit: str | None, aggs: Json) -> Json:
    if not aggs:
        return {}
    with result_set(actor, filters, pit, snapshot=False) as found:
        answer: Json = found.reader.aggregate(aggs)
    return answer


def _listed_bodies(
    fields: Sequence[FieldDef], own: Sequence[FieldFilter], size: int, include: dict[str, Sequence[str]] | None
) -> Json:
    """Return what is counted in the list itself: whole facets, or the values alone that are filtered by."""
    narrowed = {item.field.name for item in own}
    bodies: Json = {}
    for number, field in enumerate(fields):
        if field.name not in narrowed:
            bodies[f"f{number}"] = _facet_body(field, (), size, include)
        elif values := _chosen(field, own):
            bodies[f"f{number}"] = {"terms": _terms_among(field, values)}
    return bodies


def _put(answer: Json, listed: Json) -> None:
    """Put the list's own numbers in the place of others."""
    for name, part in listed.items():
        if "buckets" not in part:
            answer[name] = part
            continue
        counts = {_key(bucket): int(bucket["doc_count"]) for bucket in part["buckets"]}
        for bucket in [*answer[name]["values"]["buckets"], *answer[name].get("chosen", {}).get("buckets", ())]:
            bucket["doc_count"] = counts.get(_key(bucket), bucket["doc_count"])


def values_of(
    actor: Actor, filters: Filters, pit: str | None, fields: Sequence[FieldDef], *, size: int = 5
) -> dict[str, Facet]:
    """Return, by the field's name, the values that stand in exactly this set."""
    fields = [field for field in fields if field.name not in actor.hidden]
    if not fields:
        return {}
    bodies = {f"f{number}": _facet_body(field, (), size, None) for number, field in enumerate(fields)}
    answer = _aggregate(actor, filters, pit, bodies)
    return {field.name: _facet(field, answer[f"f{number}"], ()) for number, field in enumerate(fields)}


def values_beginning(actor: Actor, field: FieldDef, pattern: str, size: int) -> list[FacetValue]:
    """Return the most frequent values, among all documents, that match a Lucene regular expression."""
    if field.name in actor.hidden:
        return []
    terms = {"field": field.exact, "size": size, "include": pattern}
    buckets = _aggregate(actor, Filters(), None, {"values": {"terms": terms}})["values"]["buckets"]
    return [FacetValue(_key(bucket), int(bucket["doc_count"]), 0.0) for bucket in buckets]


def _facet_body(
    field: FieldDef, own: Sequence[FieldFilter], size: int, include: dict[str, Sequence[str]] | None
) -> Json:
    must, must_not = dsl.split([item for item in own if item.field.name != field.name])
    terms: Json = {"field": field.exact, "size": size}
    if include and field.name in include:
        terms["include"] = list(include[field.name])
    chosen = _chosen(field, own)
    inner: Json = {"values": {"terms": terms}, "missing": {"missing": {"field": field.exact}}}
    if chosen:
        inner["chosen"] = {"terms": _terms_among(field, chosen)}
    return {"filter": {"bool": {"filter": must, "must_not": must_not}}, "aggs": inner}


def _chosen(field: FieldDef, own: Sequence[FieldFilter]) -> list[str]:
    return [str(v) for item in own if item.field.name == field.name and item.operator == "is" for v in item.values]


def _terms_among(field: FieldDef, values: Sequence[str]) -> Json:
    return {"field": field.exact, "size": len(values), "include": list(values), "min_doc_count": 1}


def _facet(field: FieldDef, answer: Json, own: Sequence[FieldFilter]) -> Facet:
    counts = {_key(bucket): int(bucket["doc_count"]) for bucket in answer["values"]["buckets"]}
    for bucket in answer.get("chosen", {}).get("buckets", []):
        counts.setdefault(_key(bucket), int(bucket["doc_count"]))
    for item in own:
        if item.field.name == field.name and item.operator == "is":
            for value in item.values:
                counts.setdefault(str(value), 0)
    highest = max(counts.values(), default=0) or 1
    values = [FacetValue(value, count, count / highest) for value, count in counts.items()]
    return Facet(field, values, int(answer["missing"]["doc_count"]), int(answer["values"]["sum_other_doc_count"]))


def _key(bucket: Json) -> str:
    return str(bucket.get("key_as_string", bucket["key"]))

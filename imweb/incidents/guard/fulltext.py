"""The match family, and `simple_query_string`: clauses whose text OpenSearch analyses before it compares."""

from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents.fields import Kind
from imweb.incidents.guard.faults import Fault
from imweb.incidents.guard.leaves import equals, fuzzy_options, one_field, options
from imweb.incidents.guard.values import Params, to_text
from imweb.incidents.guard.walk import MATCH_NONE, SEARCH_ALL, Json, Target, Walk, any_of, clause
from imweb.incidents.mappings import SEARCHED

MAX_TEXT = 1_000  # Of a match: some five hundred words, half of what a bool query of OpenSearch holds.
MAX_BRACKETS = 50  # `simple_query_string` is read recursively on the node.
_FLAGS = frozenset(
    [
        "ALL",
        "NONE",
        "AND",
        "NOT",
        "OR",
        "PREFIX",
        "PHRASE",
        "PRECEDENCE",
        "ESCAPE",
        "WHITESPACE",
        "FUZZY",
        "NEAR",
        "SLOP",
    ]
)
EVERYTHING = Target(SEARCH_ALL, Kind.TEXT)


@clause("match", "match_phrase", "match_phrase_prefix", "match_bool_prefix")
def _match(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    kind = path.rpartition(".")[2]
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    params = options(inner, where, "query")
    query = params.take("query")
    body = _options(params, kind)
    lenient = params.flag("lenient", False)
    params.done()
    return analysed(walk, walk.target(name, where), kind, query, body, where, lenient=lenient)


def analysed(
    walk: Walk, target: Target, kind: str, query: Any, body: Json, path: str, *, lenient: bool = False
) -> Json:
    """Return one clause of the match family; what is no text is compared whole, as OpenSearch does."""
    if not target.is_text:
        try:
            return equals(walk, target, query, path)
        except Fault:
            if lenient:
                return MATCH_NONE
            raise
    text = to_text(query)
    if text is None:
        raise Fault(path, _("must be a text"))
    if len(text) > MAX_TEXT:
        raise Fault(path, _("text may have at most %(most)d characters") % {"most": MAX_TEXT})
    if target.kind is Kind.KEYWORD and kind in ("match_phrase_prefix", "match_bool_prefix"):
        # A whole value is one word, and OpenSearch refuses phrases of prefixes on it.
        return {"prefix": {target.path: {"value": text}}}
    return {kind: {target.path: {"query": text, **body}}}


def _options(params: Params, kind: str) -> Json:
    """Take the options that the clause kind knows."""
    body: Json = {}
    if kind in ("match", "match_bool_prefix"):
        body["operator"] = params.choice("operator", ("or", "and"), "or")
        minimum, fuzziness = params.minimum(), params.fuzziness()
        if minimum is not None:
            body["minimum_should_match"] = minimum
        if fuzziness is not None:
            body["fuzziness"] = fuzziness
        body |= fuzzy_options(params) | strict_order(params)
        params.flag("auto_generate_synonyms_phrase_query", True)
    else:
        slop = params.whole("slop", None, 0, 100)
        if slop is not None:
            body["slop"] = slop
        if kind == "match_phrase_prefix":
            expansions = params.whole("max_expansions", None, 1, 1_000)
            if expansions is not None:
                body["max_expansions"] = expansions
    if kind in ("match", "match_phrase", "match_phrase_prefix"):
        none = params.choice("zero_terms_query", ("none", "all"), "none")
        if none != "none":
            body["zero_terms_query"] = none
    return body


def strict_order(params: Params) -> Json:
    """Return that two letters in the wrong order count as two faults, when that was asked for."""
    return {} if params.flag("fuzzy_transpositions", True) else {"fuzzy_transpositions": False}


_MULTI = {
    "best_fields": "match",
    "most_fields": "match",
    "phrase": "match_phrase",
    "phrase_prefix": "match_phrase_prefix",
    "bool_prefix": "match_bool_prefix",
}


@clause("multi_match")
def _multi_match(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    """The same as its match in any of the fields; how a score is put together does not matter here."""
    params = Params(value, path)
    query = params.take("query")
    kind = _MULTI[params.choice("type", tuple(_MULTI), "best_fields")]
    targets = named_fields(walk, params)
    body = _options(params, kind)
    lenient = params.flag("lenient", False)
    params.done()
    walk.spend(path, len(targets))
    return any_of(
        [analysed(walk, target, kind, query, body, path, lenient=lenient or wide) for target, wide in targets]
    )


def named_fields(walk: Walk, params: Params) -> list[tuple[Target, bool]]:
    """Take `fields`: each with whether a pattern brought it along, so that its type need not fit the text."""
    given, where = params.take("fields"), params.at("fields")
    if given is None or given in ([], ["*"], "*"):
        return _searched(walk) if walk.resolver.partial else [(EVERYTHING, False)]
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > 100:
        raise Fault(where, _("must be an array of at most a hundred field names"))
    found: dict[str, tuple[Target, bool]] = {}
    for index, name in enumerate(names):
        plain, _caret, boost = name.partition("^")
        if boost and to_float(boost) is None:
            raise Fault(f"{where}[{index}]", _("the weight after ^ must be a number"))
        for target in walk.expand(plain, f"{where}[{index}]"):
            found.setdefault(target.path, (target, "*" in plain))
    return list(found.values())


def _searched(walk: Walk) -> list[tuple[Target, bool]]:
    """Return the fields to look into when none is named, for whom some are hidden."""
    known = walk.resolver.fields
    found = [(Target(known[name].name, known[name].kind), True) for name in SEARCHED if name in known]
    return found or [(Target("title", Kind.TEXT), True)]


def to_float(text: str) -> float | None:
    """Return a weight, None when the text is none."""
    try:
        return float(text) if len(text) < 20 else None
    except ValueError:
        return None


@clause("simple_query_string")
def _simple_query_string(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    """Its text cannot name fields, so it is sent as it is, over fields that are resolved here."""
    params = Params(value, path)
    query = params.text("query", None, most=MAX_TEXT)
    if query.count("(") > MAX_BRACKETS:
        raise Fault(params.at("query"), _("may hold at most %(most)d brackets") % {"most": MAX_BRACKETS})
    targets = named_fields(walk, params)
    walk.spend(path, len(targets))
    body: Json = {
        "query": query,
        # Dates would be read by OpenSearch's own clock and zone.
        "fields": [target.path for target, _wide in targets if target.kind is not Kind.DATE],
        "default_operator": params.choice("default_operator", ("or", "and"), "or"),
        "lenient": True,
    }
    minimum = params.minimum()
    if minimum is not None:
        body["minimum_should_match"] = minimum
    body |= fuzzy_options(params, "fuzzy_") | strict_order(params)
    if params.flag("analyze_wildcard", False):
        body["analyze_wildcard"] = True
    for name in ("lenient", "auto_generate_synonyms_phrase_query"):
        params.flag(name, True)
    flags = [part.strip().upper() for part in params.text("flags").split("|") if part.strip()]
    if not _FLAGS.issuperset(flags):
        raise Fault(params.at("flags"), _("must be names such as OR|AND|PREFIX"))
    if flags:
        body["flags"] = "|".join(flags)
    params.done()
    return {"simple_query_string": body} if body["fields"] else MATCH_NONE

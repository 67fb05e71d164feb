"""Clauses that compare the exact values of one field: term, terms, range, patterns, exists, ids."""

from datetime import tzinfo
from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents import patterns, times
from imweb.incidents.clauses import date_range
from imweb.incidents.fields import Kind
from imweb.incidents.guard.faults import Fault
from imweb.incidents.guard.values import Params, to_boolean, to_number, to_text
from imweb.incidents.guard.walk import Json, Target, Walk, any_of, clause

_ROUNDS_UP = {"gte": False, "gt": True, "lte": True, "lt": False}
# The formats dashboards send; each part of a `||` list is tried in turn, as OpenSearch does.
_TEXT_FORMATS: tuple[str, ...] = (
    "strict_date_optional_time",
    "date_optional_time",
    "strict_date_time",
    "date_time",
    "iso8601",
)
_TEXT_FORMATS += ("strict_date_optional_time_nanos", "yyyy-MM-dd", "strict_date", "date", "yyyy-MM-dd'T'HH:mm:ss.SSSZ")
_NUMBER_FORMATS = {"epoch_millis": 1, "epoch_second": 1_000}
DEFAULT_FORMAT = "strict_date_optional_time||epoch_millis"


def one_field(value: Any, path: str, *others: str) -> tuple[str, Any, Params]:
    """Take apart `{"field": …, options beside it}`; `others` are the options that may stand beside the field."""
    params = Params(value, path)
    beside = Params({name: params.left.pop(name) for name in others if name in params.left}, path)
    if len(params.left) != 1:
        raise Fault(path, _("must name exactly one field"))
    [(name, inner)] = params.left.items()
    return name, inner, beside


def options(inner: Any, path: str, key: str) -> Params:
    """Return the parameters of a field's clause, `{"field": value}` counting as `{"field": {key: value}}`."""
    return Params(inner if isinstance(inner, dict) else {key: inner}, path)


def instant(walk: Walk, value: Any, path: str, *, up: bool, tz: tzinfo | None = None, form: str = "") -> int:
    """Return epoch milliseconds as OpenSearch reads a date in a query; raises Fault."""
    reasons = []
    for part in (form or DEFAULT_FORMAT).split("||"):
        try:
            if part in _NUMBER_FORMATS and (number := to_number(value)) is not None:
                return times.parse_instant(int(number * _NUMBER_FORMATS[part]), now_ms=walk.now_ms, tz=tz or walk.tz)
            text = to_text(value)
            if text is None:
                raise times.BadInstant(_("a time is a text or a number"))
            return times.parse_instant(text, now_ms=walk.now_ms, tz=tz or walk.tz, round_up=up)
        except times.BadInstant as error:
            reasons.append(error.reason)
    raise Fault(path, reasons[0])


def scalar(target: Target, value: Any, path: str) -> Any:
    """Return a value as the field compares it; raises Fault when its type does not fit. Dates are not for here."""
    if target.kind is Kind.NUMBER:
        fitting: Any = to_number(value)
        expected = _("is no number; the field holds numbers")
    elif target.kind is Kind.BOOLEAN:
        fitting = to_boolean(value)
        expected = _("must be true or false")
    else:
        fitting = to_text(value)
        expected = _("must be a text")
        if fitting is not None and len(fitting) > 8_191:
            raise Fault(path, _("text may have at most %(most)d characters") % {"most": 8_191})
    if fitting is None:
        raise Fault(path, expected)
    return fitting


def equals(walk: Walk, target: Target, value: Any, path: str, *, ignore_case: bool = False) -> Json:
    """Return the clause for one exact value; a date stands for the whole period that it names."""
    if target.kind is Kind.DATE:
        start = instant(walk, value, path, up=False)
        end = max(start, instant(walk, value, path, up=True))
        return date_range(target.path, {"gte": start, "lte": end})
    fitting = scalar(target, value, path)
    if ignore_case and target.is_text:
        return {"term": {target.path: {"value": fitting, "case_insensitive": True}}}
    return {"term": {target.path: {"value": fitting}}}


def strings_only(target: Target, path: str, kind: str) -> None:
    """Refuse patterns on numbers, booleans and dates, as OpenSearch would."""
    if not target.is_text:
        reason = _("%(kind)s works on text and keyword fields; this one holds values of the type %(type)s")
        raise Fault(path, reason % {"kind": kind, "type": target.kind.value})


@clause("term")
def _term(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    params = options(inner, where, "value")
    given, ignore_case = params.take("value"), params.flag("case_insensitive", False)
    params.done()
    return equals(walk, walk.target(name, where), given, where, ignore_case=ignore_case)


@clause("terms")
def _terms(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name", "value_type")
    if beside.take("value_type") not in (None, "default"):
        raise Fault(beside.at("value_type"), _("is not allowed; give the values themselves"))
    beside.done()
    where = f"{path}.{name[:64]}"
    if isinstance(inner, dict):
        raise Fault(where, _("must be an array of values; terms are not looked up in other documents"))
    if not isinstance(inner, list):
        raise Fault(where, _("must be an array of values"))
    if len(inner) > walk.limits.terms:
        raise Fault(where, _("may hold at most %(most)d values") % {"most": walk.limits.terms})
    target = walk.target(name, where)
    if target.kind is Kind.DATE:
        walk.spend(where, len(inner))
        return any_of([equals(walk, target, item, f"{where}[{index}]") for index, item in enumerate(inner)])
    return {"terms": {target.path: [scalar(target, item, f"{where}[{index}]") for index, item in enumerate(inner)]}}


@clause("range")
def _range(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    if not isinstance(inner, dict):
        raise Fault(where, _('must be an object with bounds such as {"gte": 5, "lt": 10}'))
    params = Params(inner, where)
    bounds = _bounds(params)
    zone = params.text("time_zone")
    form = _format(params)
    params.done()
    return between(walk, walk.target(name, where), bounds, where, zone=zone, form=form)


def between(walk: Walk, target: Target, bounds: dict[str, Any], path: str, *, zone: str = "", form: str = "") -> Json:
    """Return the range clause of `gte`, `gt`, `lte`, `lt`; without any it asks for a value, as OpenSearch's does."""
    if not bounds:
        return {"exists": {"field": target.path}}
    if target.kind is not Kind.DATE:
        return {"range": {target.path: {key: scalar(target, item, f"{path}.{key}") for key, item in bounds.items()}}}
    try:
        tz = times.parse_zone(zone) if zone else walk.tz
    except times.BadInstant as error:
        raise Fault(f"{path}.time_zone", error.reason) from error
    fixed = {
        key: instant(walk, item, f"{path}.{key}", up=_ROUNDS_UP[key], tz=tz, form=form) for key, item in bounds.items()
    }
    return date_range(target.path, fixed)


def _bounds(params: Params) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    ends = (("gte", "gt", "from", "include_lower"), ("lte", "lt", "to", "include_upper"))
    for inclusive, exclusive, old, flag in ends:
        named = {name: params.take(name) for name in (inclusive, exclusive, old)}
        includes = params.flag(flag, True)
        given = {name: value for name, value in named.items() if value is not None}
        if len(given) > 1:
            raise Fault(params.path, _("%(names)s exclude each other") % {"names": " / ".join(given)})
        for name, value in given.items():
            key = inclusive if name == old and includes else exclusive if name == old else name
            bounds[key] = value
    return bounds


def _format(params: Params) -> str:
    form = params.text("format")
    for part in form.split("||") if form else ():
        if part not in _TEXT_FORMATS and part not in _NUMBER_FORMATS:
            known = ", ".join((*_TEXT_FORMATS[:2], *_NUMBER_FORMATS))
            raise Fault(params.at("format"), _("must be one of %(known)s, or several with ||") % {"known": known})
    return form


@clause("prefix")
def _prefix(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    return _pattern(walk, value, path, "prefix")


@clause("wildcard")
def _wildcard(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    return _pattern(walk, value, path, "wildcard")


def _pattern(walk: Walk, value: Any, path: str, kind: str) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    params = options(inner, where, "value")
    if kind == "wildcard" and "wildcard" in params.left:
        params.left.setdefault("value", params.take("wildcard"))
    # Nothing in its place would be a prefix of everything.
    text, ignore_case = params.text("value", None, most=1_000), params.flag("case_insensitive", False)
    params.done()
    target = walk.target(name, where)
    strings_only(target, where, kind)
    if kind == "wildcard":
        try:
            patterns.check_wildcard(text)
        except patterns.BadPattern as error:
            raise Fault(where, error.reason) from error
    return {kind: {target.path: {"value": text, **({"case_insensitive": True} if ignore_case else {})}}}


@clause("regexp")
def _regexp(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    params = options(inner, where, "value")
    text, ignore_case = params.text("value", None, most=1_000), params.flag("case_insensitive", False)
    flags = params.text("flags")
    params.whole("max_determinized_states", None, 1, 10_000)
    params.done()
    if flags.upper() not in ("", "ALL", "NONE"):
        raise Fault(params.at("flags"), _("must be one of %(allowed)s") % {"allowed": "ALL, NONE"})
    return regexp(walk.target(name, where), text, where, ignore_case=ignore_case, operators=flags.upper() != "NONE")


def regexp(target: Target, text: str, path: str, *, ignore_case: bool = False, operators: bool = True) -> Json:
    """Return the clause for a regular expression that is cheap enough, special operators switched off."""
    strings_only(target, path, "regexp")
    try:
        patterns.check_regexp(text, operators=operators)
    except patterns.BadPattern as error:
        raise Fault(path, error.reason) from error
    body: Json = {"value": text, "flags": "NONE", "max_determinized_states": 10_000}
    return {"regexp": {target.path: {**body, **({"case_insensitive": True} if ignore_case else {})}}}


@clause("fuzzy")
def _fuzzy(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    name, inner, beside = one_field(value, path, "boost", "_name")
    beside.done()
    where = f"{path}.{name[:64]}"
    params = options(inner, where, "value")
    body: Json = {"value": params.text("value", None, most=1_000)}
    fuzziness = params.fuzziness()
    body |= fuzzy_options(params)
    if "transpositions" in params.left:
        body["transpositions"] = params.flag("transpositions", True)
    params.done()
    target = walk.target(name, where)
    strings_only(target, where, "fuzzy")
    return {"fuzzy": {target.path: {**body, **({} if fuzziness is None else {"fuzziness": fuzziness})}}}


def fuzzy_options(params: Params, names: str = "") -> Json:
    """Return the bounds of a fuzzy expansion that were given; `names` begins those of a whole query text."""
    found = {
        f"{names}prefix_length": params.whole(f"{names}prefix_length", None, 0, 100),
        f"{names}max_expansions": params.whole(f"{names}max_expansions", None, 1, 1_000),
    }
    return {key: value for key, value in found.items() if value is not None}


@clause("exists")
def _exists(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    params = Params(value, path)
    name = params.text("field")
    params.done()
    if not name:
        raise Fault(params.at("field"), _("must name a field"))
    return exists(walk, name, params.at("field"))


def exists(walk: Walk, name: str, path: str) -> Json:
    """Return the clause for a value in a field, in any field inside an object, or in any that a pattern names."""
    found = walk.find(name)
    targets = [found] if found else walk.below(name) or walk.expand(name, path)
    walk.spend(path, len(targets) - 1)
    return any_of([{"exists": {"field": target.path}} for target in targets])


@clause("ids")
def _ids(walk: Walk, value: Any, path: str, _depth: int) -> Json:
    params = Params(value, path)
    values = params.take("values")
    params.done()
    where = params.at("values")
    given = values if isinstance(values, list) else [values]
    if len(given) > walk.limits.terms:
        raise Fault(where, _("may hold at most %(most)d values") % {"most": walk.limits.terms})
    if not all(isinstance(item, str) and len(item) <= 512 for item in given):
        raise Fault(where, _("must be an array of ids"))
    return {"ids": {"values": list(given)}}

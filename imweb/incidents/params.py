"""What a caller may ask for, checked as a whole: every fault of a request is found before any is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from imweb.errors import Detail, QueryRejected, ValidationFailed
from imweb.incidents import guard, querylang, times
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.severities import severities

Json = dict[str, Any]
MAX_SIZE = 10_000
DEFAULT_SIZE = 25
DEFAULT_FIELD_SIZE = 1_000
MAX_VALUE = 1_024
MAX_VALUES = 1_000
MAX_FROM = 2**53
# As long as the longest that we give out ourselves: a lease over 64 shards; a place behind a value of 8,191 characters.
MAX_TOKEN = 32_768
MAX_CURSOR = 49_152
M = TypeVar("M", bound=BaseModel)

Instant = Annotated[str, Field(max_length=128)] | int
SortDirection = Literal["asc", "desc"]


class AdditionalField(BaseModel):
    """One custom filter (API: Additional Fields); `exclude` is ours."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=128)
    type: Literal["number", "text", "select", "multiselect"]
    value: Any
    exclude: bool = False


class FilterParams(BaseModel):
    """The filters that the list and its statistics share."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    pit: str | None = Field(None, max_length=MAX_TOKEN)
    search_query: str | Json | None = None
    query_string: str | None = Field(None, max_length=20_000)
    additional_fields: list[AdditionalField] = Field(default_factory=list, max_length=100)
    start_time: Instant | None = "now-1d"
    end_time: Instant | None = "now"
    is_show_aggs: bool | None = None
    collapse_grouped: bool = False
    time_zone: str | None = Field(None, max_length=64)


class ListingParams(FilterParams):
    """The parameters of `incidents_full_types` (API: Retrieving Incidents and Aggregation Results)."""

    from_: int = Field(0, alias="from", ge=0, le=MAX_FROM)
    size: int = Field(DEFAULT_SIZE, ge=0, le=MAX_SIZE)
    with_total_docs: bool = False
    sort: list[dict[str, SortDirection | dict[Literal["order"], SortDirection]]] | None = Field(None, max_length=2)
    search_after: str | None = Field(None, max_length=MAX_CURSOR)
    next: str | None = Field(None, max_length=MAX_CURSOR)


class StatisticsParams(FilterParams):
    """The parameters of `stats/severity`; list parameters are taken and change nothing."""

    interval: str | None = Field(None, max_length=16)


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A filter by one field: any of the `values` (bounds for a range), or none of them."""

    field: FieldDef
    operator: Literal["is", "pattern", "range"]
    values: tuple[Any, ...]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """A numeric range; None is open; `gte`/`lte` are inclusive, `gt`/`lt` are not."""

    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None

    def as_json(self) -> dict[str, float]:
        """Return the bounds as a range clause takes them."""
        pairs = (("gte", self.gte), ("gt", self.gt), ("lte", self.lte), ("lt", self.lt))
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Sort:
    """The order asked for: one field, and the direction of time among its equals."""

    field: str = "@timestamp"
    descending: bool = True
    newest_first: bool = True

    @property
    def signature(self) -> str:
        """Return the text that ties a cursor to its order."""
        return f"{self.field}:{'desc' if self.descending else 'asc'}:{'desc' if self.newest_first else 'asc'}"


@dataclass(frozen=True, slots=True)
class Filters:
    """What both faces filter by; times are still as given, since only a point in time fixes `now`."""

    search_query: Json | None = None
    query_string: str = ""
    fields: tuple[FieldFilter, ...] = ()
    start_time: str | int | None = None
    end_time: str | int | None = None
    with_aggregations: bool | None = None
    collapse_grouped: bool = False
    zone: str = "UTC"

    @property
    def tz(self) -> tzinfo:
        """Return the time zone for rounding, local times and buckets."""
        return times.parse_zone(self.zone)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page of a list: filters, order, place."""

    filters: Filters
    pit: str | None = None
    offset: int = 0
    size: int = DEFAULT_SIZE
    sort: Sort = field(default_factory=Sort)
    cursor: str | None = None
    with_total: bool = False


@dataclass(frozen=True, slots=True)
class StatisticsQuery:
    """The severity statistics of a set of filters; `interval` asks for a histogram."""

    filters: Filters
    pit: str | None = None
    interval: str | None = None


def parse_listing(raw: Mapping[str, Any], *, registry: Registry, zone: str, lenient: bool = False) -> ListQuery:
    """Return the page that a request asks for; raises `ValidationFailed` with every fault.

    `lenient` reads texts of a query string as numbers and booleans; `zone` is the user's time zone.
    """
    faults: list[Detail] = []
    params = validated(ListingParams, raw, faults, lenient=lenient)
    filters = _filters(params, registry, zone, faults)
    sort = _sort(params.sort, registry, faults)
    cursor = params.search_after or params.next
    if params.search_after and params.next and params.search_after != params.next:
        faults.append(Detail("next", "given together with another 'search_after'; send one of them"))
    if cursor and params.from_:
        faults.append(Detail("from", "0 or left out when 'search_after' is given"))
    _raise(faults)
    return ListQuery(filters, params.pit, params.from_, params.size, sort, cursor, params.with_total_docs)


def parse_statistics(
    raw: Mapping[str, Any], *, registry: Registry, zone: str, lenient: bool = False
) -> StatisticsQuery:
    """Return the statistics that a request asks for; the list's own parameters are accepted beside the filters."""
    faults: list[Detail] = []
    ignored = {"from", "size", "with_total_docs", "sort", "search_after", "next"}
    # They are checked as on the list ("the parameters are similar"), so that a wrong one is not silently dropped.
    shared = {name: value for name, value in raw.items() if name in ignored}
    validated(ListingParams, shared, faults, lenient=lenient)
    rest = {name: value for name, value in raw.items() if name not in ignored}
    params = validated(StatisticsParams, rest, faults, lenient=lenient)
    filters = _filters(params, registry, zone, faults)
    if params.interval is not None and params.interval not in INTERVALS:
        faults.append(Detail("interval", f"one of {', '.join(INTERVALS)}"))
    _raise(faults)
    return StatisticsQuery(filters, params.pit, params.interval)


# Bucket widths of a histogram, in milliseconds; those of a day and more follow the calendar of the time zone.
INTERVALS: dict[str, int] = {
    "auto": 0,
    "1s": 1_000,
    "5s": 5_000,
    "10s": 10_000,
    "30s": 30_000,
    "1m": 60_000,
    "5m": 300_000,
    "10m": 600_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "3h": 10_800_000,
    "6h": 21_600_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "1w": 604_800_000,
    "1M": 2_629_800_000,
    "1y": 31_557_600_000,
}
LISTING_NAMES = frozenset(
    ["pit", "from", "size", "sort", "search_after", "next", "start_time", "end_time", "time_zone", "with_total_docs"]
)


def parse_field_listing(parameters: Mapping[str, Sequence[str]], *, registry: Registry, zone: str) -> ListQuery:
    """Return the page that `GET /_im/incidents` asks for: every parameter that is not ours filters a field."""
    faults: list[Detail] = []
    scalars: Json = {}
    filters: list[FieldFilter] = []
    for name, values in parameters.items():
        if name in LISTING_NAMES:
            if len(set(values)) > 1:
                faults.append(Detail(name, "given more than once with different values"))
            scalars[name] = values[0]
        else:
            found = registry.get(name)
            if found is None:
                faults.append(Detail(name, _unknown(name, registry)))
            elif len(values) > MAX_VALUES:
                faults.append(Detail(name, f"at most {MAX_VALUES} values"))
            else:
                converted = [_typed(found, value, name, faults, zone) for value in values]
                filters.append(FieldFilter(found, "is", tuple(v for v in converted if v is not None)))
    if isinstance(scalars.get("sort"), str):
        scalars["sort"] = sort_entries(str(scalars["sort"]), faults)
    scalars = {"size": str(DEFAULT_FIELD_SIZE), "start_time": None, "end_time": None, **scalars}
    params = validated(ListingParams, scalars, faults, lenient=True)
    base = _filters(params, registry, zone, faults)
    sort = _sort(params.sort, registry, faults)
    cursor = params.search_after or params.next
    if cursor and params.from_:
        faults.append(Detail("from", "0 or left out when 'search_after' is given"))
    _raise(faults)
    narrowed = Filters(
        fields=tuple(filters),
        start_time=base.start_time,
        end_time=base.end_time,
        with_aggregations=False,
        zone=base.zone,
    )
    return ListQuery(narrowed, params.pit, params.from_, params.size, sort, cursor, params.with_total_docs)


def validated(model: type[M], raw: Mapping[str, Any], faults: list[Detail], *, lenient: bool) -> M:
    """Return the model, adding each fault; what is wrong takes its default, so that the rest is checked too."""
    values = dict(raw)
    wrong: set[str] = set()
    for _attempt in range(len(values) + 1):
        try:
            return model.model_validate(values, strict=None if not lenient else False)
        except ValidationError as error:
            before = len(values)
            for found in error.errors(include_url=False):
                name = str(found["loc"][0]) if found["loc"] else ""
                # What was taken out for being wrong is not missing besides.
                if found["type"] != "missing" or len(found["loc"]) > 1 or name not in wrong:
                    faults.append(Detail(_path(found), _sentence(found, model)))
                if name in values:
                    del values[name]
                    wrong.add(name)
            if len(values) == before:
                break
    # A required one is missing: the caller reports the faults and never looks at the values.
    return model.model_construct()


def _filters(params: FilterParams, registry: Registry, zone: str, faults: list[Detail]) -> Filters:
    chosen = zone if params.time_zone is None else params.time_zone
    try:
        times.parse_zone(chosen)
    except times.BadInstant as error:
        faults.append(Detail("time_zone", error.reason))
        chosen = "UTC"
    for name in ("start_time", "end_time"):
        value = getattr(params, name)
        if value is not None:
            try:
                times.parse_instant(value, now_ms=0, tz=times.parse_zone(chosen))
            except times.BadInstant as error:
                faults.append(Detail(name, error.reason))
    query = params.search_query
    if isinstance(query, str):
        query = _clause(query, faults)
    if query is not None:
        refused = guard.faults_of(query, registry, tz=times.parse_zone(chosen))
        faults += [_Rejected(fault.field, fault.reason, fault.extra) for fault in refused]
    try:
        text_clause(params.query_string or "", registry, now_ms=0, tz=times.parse_zone(chosen))
    except ValidationFailed as error:
        faults += error.details
    return Filters(
        search_query=query,
        query_string=(params.query_string or "").strip(),
        fields=tuple(
            found
            for number, item in enumerate(params.additional_fields)
            if (found := additional_field(item, registry, f"additional_fields[{number}]", faults))
        ),
        start_time=params.start_time,
        end_time=params.end_time,
        with_aggregations=params.is_show_aggs,
        collapse_grouped=params.collapse_grouped,
        zone=chosen,
    )


def text_clause(text: str, registry: Registry, *, now_ms: int, tz: tzinfo) -> Json | None:
    """Return the clause of a search text, None for an empty one; raises `ValidationFailed` with every fault."""
    if not text.strip():
        return None
    ranks = {level.name: level.rank for level in severities()}
    return querylang.compile_query(querylang.parse(text), registry, now_ms=now_ms, tz=tz, severity_ranks=ranks)


def _clause(text: str, faults: list[Detail]) -> Json | None:
    if not text.strip():
        return None
    try:
        clause = guard.read(text, "search_query", guard.Limits())
    except guard.Fault as fault:
        faults.append(Detail(fault.path, f"a JSON text holding one query clause; this {fault.reason}"))
        return None
    if not isinstance(clause, dict):
        faults.append(Detail("search_query", 'a JSON text holding one query clause, for example {"match_all":{}}'))
        return None
    return clause


def additional_field(item: AdditionalField, registry: Registry, path: str, faults: list[Detail]) -> FieldFilter | None:
    """Return one custom filter as the query holds it, or add what is wrong with it."""
    found = registry.get(item.name)
    if found is None:
        faults.append(Detail(f"{path}.name", _unknown(item.name, registry)))
        return None
    allowed = {
        "number": (Kind.NUMBER,),
        "text": (Kind.KEYWORD, Kind.TEXT),
        "select": (Kind.KEYWORD, Kind.TEXT),
        "multiselect": (Kind.KEYWORD, Kind.TEXT),
    }[item.type]
    if found.kind not in allowed:
        faults.append(
            Detail(f"{path}.type", f"'{item.name}' holds {found.kind} values and takes no filter of type {item.type}")
        )
        return None
    where = f"{path}.value"
    match item.type:
        case "number":
            return _number_filter(found, item, where, faults)
        case "multiselect":
            if not isinstance(item.value, list) or not item.value:
                faults.append(Detail(where, "a list of one or more texts"))
                return None
            if len(item.value) > MAX_VALUES:
                faults.append(Detail(where, f"at most {MAX_VALUES} values"))
                return None
            values = [_text(value, f"{where}[{n}]", faults) for n, value in enumerate(item.value)]
            return FieldFilter(found, "is", tuple(v for v in values if v is not None), item.exclude)
        case _:
            text = _text(item.value, where, faults)
            if text is None:
                return None
            return FieldFilter(found, "pattern" if item.type == "text" else "is", (text,), item.exclude)


def _number_filter(found: FieldDef, item: AdditionalField, where: str, faults: list[Detail]) -> FieldFilter | None:
    try:
        bounds = number_bounds(item.value)
    except ValueError as error:
        faults.append(Detail(where, str(error)))
        return None
    if isinstance(bounds, Bounds):
        return FieldFilter(found, "range", (bounds,), item.exclude)
    return FieldFilter(found, "is", (bounds,), item.exclude)


def number_bounds(value: Any) -> float | Bounds:
    """Return a number, or the bounds of ">=5", ">5", "<=5", "<5" and "5..10" (each end optional); else `ValueError`."""
    expected = 'a number, or a range such as ">=5" or "5..10"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(expected)
    if isinstance(value, int | float):
        return _finite(value, expected)
    text = value.strip()
    if len(text) > 100:
        raise ValueError(expected)
    for operator, name in ((">=", "gte"), ("<=", "lte"), (">", "gt"), ("<", "lt")):
        if text.startswith(operator):
            return Bounds(**{name: _finite(text[len(operator) :], expected)})
    low, dots, high = text.partition("..")
    if dots:
        if not low.strip() and not high.strip():
            raise ValueError(expected)
        bounds = Bounds(
            gte=_finite(low, expected) if low.strip() else None, lte=_finite(high, expected) if high.strip() else None
        )
        if bounds.gte is not None and bounds.lte is not None and bounds.gte > bounds.lte:
            raise ValueError(f"a range from low to high; {text} is the other way round")
        return bounds
    return _finite(text, expected)


def _finite(value: float | str, expected: str) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(expected) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(expected)
    return number


def _text(value: Any, where: str, faults: list[Detail]) -> str | None:
    if not isinstance(value, str):
        faults.append(Detail(where, "a text"))
        return None
    if len(value) > MAX_VALUE:
        faults.append(Detail(where, f"at most {MAX_VALUE} characters"))
        return None
    return value


def _typed(found: FieldDef, value: str, name: str, faults: list[Detail], zone: str) -> Any:
    match found.kind:
        case Kind.NUMBER:
            try:
                return _finite(value, "a number")
            except ValueError as error:
                faults.append(Detail(name, str(error)))
                return None
        case Kind.BOOLEAN:
            if value not in ("true", "false"):
                faults.append(Detail(name, "true or false"))
                return None
            return value == "true"
        case Kind.DATE:
            try:
                return (
                    times.parse_instant(value, now_ms=0, tz=times.parse_zone(zone))
                    if not times.is_relative(value)
                    else _no_math(name, faults)
                )
            except times.BadInstant as error:
                faults.append(Detail(name, error.reason))
                return None
        case _:
            return _text(value, name, faults)


def _no_math(name: str, faults: list[Detail]) -> None:
    faults.append(Detail(name, "an absolute time; use start_time and end_time for relative ones"))


def _sort(entries: Sequence[Mapping[str, Any]] | None, registry: Registry, faults: list[Detail]) -> Sort:
    if not entries:
        return Sort()
    pairs: list[tuple[str, bool]] = []
    for number, entry in enumerate(entries):
        where = f"sort[{number}]"
        if len(entry) != 1:
            faults.append(Detail(where, 'one field and its direction, for example {"severity": "desc"}'))
            return Sort()
        ((name, order),) = entry.items()
        direction = order.get("order", "asc") if isinstance(order, Mapping) else order
        found = registry.get(name)
        if found is None:
            faults.append(Detail(where, _unknown(name, registry)))
        elif not found.sortable:
            why = "may hold several values" if found.multi else "cannot be sorted by"
            faults.append(Detail(where, f"'{name}' {why}; choose another field"))
        pairs.append((name, direction == "desc"))
    if len(pairs) == 2 and (pairs[1][0] != "@timestamp" or pairs[0][0] == "@timestamp"):
        faults.append(Detail("sort", "one field, and behind it only @timestamp"))
        return Sort()
    name, descending = pairs[0]
    newest = descending if name == "@timestamp" else pairs[1][1] if len(pairs) == 2 else True
    return Sort(name, descending, newest)


def parse_sort(text: str, registry: Registry) -> Sort:
    """Return the order written as `severity:desc`; raises `ValidationFailed`."""
    faults: list[Detail] = []
    sort = _sort(sort_entries(text, faults), registry, faults)
    _raise(faults)
    return sort


def sort_entries(text: str, faults: list[Detail]) -> list[dict[str, Any]] | None:
    """Return the order written as `severity:desc` or as JSON in the form that a body has; adds what is wrong."""
    if text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            faults.append(Detail("sort", "no JSON; write for example severity:desc"))
            return None
        return value if isinstance(value, list) else [value]
    entries = []
    for part in text.split(","):
        name, _, direction = part.strip().rpartition(":")
        if not name or direction not in ("asc", "desc"):
            faults.append(Detail("sort", "a field and its direction, for example severity:desc"))
            return None
        entries.append({name: direction})
    return entries


def _unknown(name: str, registry: Registry) -> str:
    near = registry.nearest(name)
    shown = name if len(name) <= 64 else f"{name[:64]}…"
    return f"'{shown}' is no field" + (f"; did you mean '{near}'?" if near else "")


def _path(error: ErrorDetails) -> str:
    path = ""
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in ("str", "int", "dict[str,any]", "literal['asc','desc']") and not str(part).startswith(
            ("constrained", "dict[", "function", "literal[", "list[", "nullable")
        ):
            path += f".{part}" if path else str(part)
    return path


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            import difflib

            names = [f.alias or name for name, f in model.model_fields.items()]
            near = difflib.get_close_matches(str(error["loc"][-1]), names, n=1)
            return "unknown parameter" + (f"; did you mean '{near[0]}'?" if near else "")
        case "missing":
            return "is required"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return "a whole number"
        case "bool_type" | "bool_parsing":
            return "true or false"
        case "string_type":
            return "a text"
        case "list_type":
            return "a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "an object"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "string_too_long" | "too_long":
            unit = "characters" if error["type"] == "string_too_long" else "entries"
            return f"at most {context['max_length']} {unit}"
        case "string_too_short":
            return "not empty"
        case "literal_error":
            return f"one of {context['expected']}"
        case _:
            return error["msg"]


class _Rejected(Detail):
    """A fault of a query clause that could be read: a refusal, unless something else is wrong besides."""


def _raise(faults: list[Detail]) -> None:
    if faults:
        unique = list({(fault.field, fault.reason): fault for fault in faults}.values())
        if all(isinstance(fault, _Rejected) for fault in unique):
            raise QueryRejected(ValidationFailed.of(unique).reason, unique)
        raise ValidationFailed.of(unique)

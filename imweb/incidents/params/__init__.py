"""What a caller may ask for, checked as a whole: every fault of a request is found before any is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from imweb.errors import Detail, QueryRejected, ValidationFailed
from imweb.incidents import guard, querylang, times
from imweb.incidents.fields import PARAMETERS, Registry
from imweb.incidents.params.asked import (
    DEFAULT_SIZE,
    INTERVALS,
    Bounds,
    FieldFilter,
    Filters,
    ListQuery,
    Sort,
    StatisticsQuery,
)
from imweb.incidents.params.bodies import (
    MAX_CURSOR,
    MAX_FROM,
    MAX_SIZE,
    MAX_TOKEN,
    AdditionalField,
    FilterParams,
    Instant,
    ListingParams,
    SortDirection,
    StatisticsParams,
    validated,
)
from imweb.incidents.params.ordering import parse_sort, sort_entries, sort_of
from imweb.incidents.params.values import MAX_VALUE, MAX_VALUES, additional_field, number_bounds, typed, unknown
from imweb.incidents.severities import severities

__all__ = [
    "DEFAULT_FIELD_SIZE",
    "DEFAULT_SIZE",
    "INTERVALS",
    "LISTING_NAMES",
    "MAX_CURSOR",
    "MAX_FROM",
    "MAX_SIZE",
    "MAX_TOKEN",
    "MAX_VALUE",
    "MAX_VALUES",
    "AdditionalField",
    "Bounds",
    "FieldFilter",
    "FilterParams",
    "Filters",
    "Instant",
    "ListQuery",
    "ListingParams",
    "Sort",
    "SortDirection",
    "StatisticsParams",
    "StatisticsQuery",
    "additional_field",
    "number_bounds",
    "parse_field_listing",
    "parse_listing",
    "parse_sort",
    "parse_statistics",
    "sort_entries",
    "sort_of",
    "text_clause",
    "typed",
    "unknown",
    "validated",
]

Json = dict[str, Any]
DEFAULT_FIELD_SIZE = 1_000
LISTING_NAMES = PARAMETERS


def parse_listing(raw: Mapping[str, Any], *, registry: Registry, zone: str, lenient: bool = False) -> ListQuery:
    """Return the page that a request asks for; raises `ValidationFailed` with every fault.

    `lenient` reads texts of a query string as numbers and booleans; `zone` is the user's time zone.
    """
    faults: list[Detail] = []
    params = validated(ListingParams, raw, faults, lenient=lenient)
    filters = _filters(params, registry, zone, faults)
    sort = sort_of(params.sort, registry, faults)
    cursor = params.search_after or params.next
    _place(params, faults)
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
    listed = validated(ListingParams, shared, faults, lenient=lenient)
    sort_of(listed.sort, registry, faults)
    rest = {name: value for name, value in raw.items() if name not in ignored}
    params = validated(StatisticsParams, rest, faults, lenient=lenient)
    filters = _filters(params, registry, zone, faults)
    if params.interval is not None and params.interval not in INTERVALS:
        faults.append(Detail("interval", f"one of {', '.join(INTERVALS)}"))
    _raise(faults)
    return StatisticsQuery(filters, params.pit, params.interval)


def parse_field_listing(parameters: Mapping[str, Sequence[str]], *, registry: Registry, zone: str) -> ListQuery:
    """Return the page that `GET /_im/incidents` asks for: every parameter that is not ours filters a field."""
    faults: list[Detail] = []
    scalars: Json = {}
    for name, values in parameters.items():
        if name not in LISTING_NAMES:
            continue
        if len(set(values)) > 1:
            faults.append(Detail(name, "given more than once with different values"))
        scalars[name] = values[0]
    if isinstance(scalars.get("sort"), str):
        scalars["sort"] = sort_entries(str(scalars["sort"]), faults)
    scalars = {"size": str(DEFAULT_FIELD_SIZE), "start_time": None, "end_time": None, **scalars}
    params = validated(ListingParams, scalars, faults, lenient=True)
    base = _filters(params, registry, zone, faults)
    others = {name: values for name, values in parameters.items() if name not in LISTING_NAMES}
    fields = _field_filters(others, registry, base.zone, faults)
    sort = sort_of(params.sort, registry, faults)
    cursor = params.search_after or params.next
    _place(params, faults)
    _raise(faults)
    narrowed = Filters(
        fields=fields,
        start_time=base.start_time,
        end_time=base.end_time,
        with_aggregations=False,
        zone=base.zone,
    )
    return ListQuery(narrowed, params.pit, params.from_, params.size, sort, cursor, params.with_total_docs)


def _field_filters(
    parameters: Mapping[str, Sequence[str]], registry: Registry, zone: str, faults: list[Detail]
) -> tuple[FieldFilter, ...]:
    filters: list[FieldFilter] = []
    for name, values in parameters.items():
        found = registry.get(name)
        if found is None:
            faults.append(Detail(name, unknown(name, registry)))
        elif len(values) > MAX_VALUES:
            faults.append(Detail(name, f"at most {MAX_VALUES} values"))
        else:
            converted = [typed(found, value, name, faults, zone) for value in values]
            filters.append(FieldFilter(found, "is", tuple(v for v in converted if v is not None)))
    return tuple(filters)


def _place(params: ListingParams, faults: list[Detail]) -> None:
    """Add what contradicts itself in where a page begins."""
    if params.search_after and params.next and params.search_after != params.next:
        faults.append(Detail("next", "given together with another 'search_after'; send one of them"))
    if (params.search_after or params.next) and params.from_:
        faults.append(Detail("from", "0 or left out when 'search_after' is given"))


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
        faults.append(Detail(fault.path, f"a JSON text holding one query clause, but: {fault.reason}"))
        return None
    if not isinstance(clause, dict):
        faults.append(Detail("search_query", 'a JSON text holding one query clause, for example {"match_all":{}}'))
        return None
    return clause


class _Rejected(Detail):
    """A fault of a query clause that could be read: a refusal, unless something else is wrong besides."""


def _raise(faults: list[Detail]) -> None:
    if faults:
        unique = list({(fault.field, fault.reason): fault for fault in faults}.values())
        if all(isinstance(fault, _Rejected) for fault in unique):
            raise QueryRejected(ValidationFailed.of(unique).reason, unique)
        raise ValidationFailed.of(unique)

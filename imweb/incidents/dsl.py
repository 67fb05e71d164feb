"""Query objects become OpenSearch clauses here; pure, so that a test compares whole dictionaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from imweb.errors import Detail, ValidationFailed
from imweb.incidents import times
from imweb.incidents.clauses import any_of, text_clause
from imweb.incidents.clauses import date_range as date_range
from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.params import INTERVALS, Bounds, FieldFilter, Filters

Json = dict[str, Any]
# A tombstone is a document being deleted; no read shows it.
NOT_DELETED: Json = {"term": {"deleted": True}}
IS_AGGREGATION: Json = {"exists": {"field": "group_number"}}
HISTOGRAM_BUCKETS = 60
MAX_BUCKETS = 2_000


@dataclass(frozen=True, slots=True)
class Clauses:
    """A set of documents: all of `must`, none of `must_not`; the times are for histograms."""

    must: tuple[Json, ...] = ()
    must_not: tuple[Json, ...] = (NOT_DELETED,)
    start_ms: int | None = None
    end_ms: int | None = None

    def query(self, *extra: Json, without: Sequence[Json] = ()) -> Json:
        """Return the query, narrowed by further clauses; everything is filter context, nothing is scored."""
        body: Json = {"filter": [*self.must, *extra]} if self.must or extra else {}
        body["must_not"] = [*self.must_not, *without]
        return {"bool": body}

    def narrowed(self, *extra: Json, without: Sequence[Json] = ()) -> Clauses:
        """Return the set narrowed by further clauses."""
        return Clauses((*self.must, *extra), (*self.must_not, *without), self.start_ms, self.end_ms)


def time_bounds(filters: Filters, now_ms: int) -> tuple[int | None, int | None]:
    """Return the absolute window in milliseconds, both ends in it; raises `ValidationFailed` when it is none."""
    faults: list[Detail] = []
    found: list[int | None] = []
    for name, value, up in (("start_time", filters.start_time, False), ("end_time", filters.end_time, True)):
        try:
            bound = None if value is None else times.parse_instant(value, now_ms=now_ms, tz=filters.tz, round_up=up)
            found.append(bound)
        except times.BadInstant as error:
            faults.append(Detail(name, error.reason))
            found.append(None)
    start, end = found
    if start is not None and end is not None and start > end:
        faults.append(Detail("start_time", "is after end_time; swap them or widen the range"))
    if faults:
        raise ValidationFailed.of(faults)
    return start, end


def time_clause(start_ms: int | None, end_ms: int | None) -> list[Json]:
    """Return the range clause over the time, none when it is unbounded."""
    bounds: dict[str, int] = {}
    if start_ms is not None:
        bounds["gte"] = start_ms
    if end_ms is not None:
        bounds["lte"] = end_ms
    return [date_range("@timestamp", bounds)] if bounds else []


def field_clause(item: FieldFilter) -> Json:
    """Return the clause of one field filter, without its negation."""
    path = item.field.exact
    match item.operator:
        case "range":
            bounds = [value.as_json() for value in item.values if isinstance(value, Bounds)]
            return any_of([{"range": {path: bound}} for bound in bounds])
        case "pattern":
            return any_of([text_clause(path, str(value)) for value in item.values])
        case _:
            if item.field.kind is Kind.DATE:
                return any_of([date_range(path, {"gte": v, "lte": v}) for v in item.values])
            values = [value for value in item.values if value is not None]
            if item.field.kind is Kind.NUMBER and 0 in values:
                # For OpenSearch minus zero is another term.
                values.append(-0.0)
            named = {"terms": {path: values}}
            if None not in item.values:
                return named
            return any_of([missing(item.field)] if len(item.values) == 1 else [missing(item.field), named])


def split(filters: Sequence[FieldFilter]) -> tuple[list[Json], list[Json]]:
    """Return the clauses of field filters: those that must match, and those that must not."""
    must = [field_clause(item) for item in filters if not item.exclude]
    must_not = [field_clause(item) for item in filters if item.exclude]
    return must, must_not


def sort_of(path: str, order: str, kind: Kind) -> Json:
    """Return one sort entry; an index that does not know the field must not make the search fail."""
    unmapped = {Kind.NUMBER: "double", Kind.DATE: "date", Kind.BOOLEAN: "boolean"}.get(kind, "keyword")
    return {path: {"order": order, "unmapped_type": unmapped, "missing": "_last"}}


def time_sort(newest_first: bool) -> list[Json]:
    """Return the order by time; newest first is the order of the index itself."""
    order = "desc" if newest_first else "asc"
    return [
        {"@timestamp": {"order": order, "unmapped_type": "date"}},
        {"key": {"order": "asc", "unmapped_type": "keyword"}},
    ]


def missing(field: FieldDef) -> Json:
    """Return the clause for documents without a value in the field."""
    return {"bool": {"must_not": [{"exists": {"field": field.exact}}]}}


def auto_interval(start_ms: int, end_ms: int, *, buckets: int = HISTOGRAM_BUCKETS) -> str:
    """Return the narrowest interval that needs no more buckets than asked for."""
    span = max(1, end_ms - start_ms)
    for name, width in INTERVALS.items():
        if width and span / width <= buckets:
            return name
    return "1y"


def histogram(interval: str, start_ms: int, end_ms: int, tz: tzinfo, zone: str, *, empty: bool = True) -> Json:
    """Return a date histogram over the window, `empty` buckets too; raises `ValidationFailed`.

    It goes below what parts the documents, never above: where a date histogram has aggregations of its own OpenSearch 3
    may fail with `array_index_out_of_bounds_exception` (its issue 22342), and the setting that prevents it is the whole
    cluster's.
    """
    width = INTERVALS[interval]
    if (end_ms - start_ms) / width > MAX_BUCKETS:
        wider = auto_interval(start_ms, end_ms, buckets=MAX_BUCKETS)
        raise ValidationFailed.field(
            "interval",
            f"needs {math.ceil((end_ms - start_ms) / width)} buckets, the limit is {MAX_BUCKETS}; use {wider} or auto",
        )
    calendar = width >= INTERVALS["1d"]
    body: Json = {
        "field": "@timestamp",
        ("calendar_interval" if calendar else "fixed_interval"): interval,
        "min_doc_count": 0 if empty else 1,
        "format": "epoch_millis",
    }
    offset = 0 if calendar else _half_hour_offset(start_ms, tz, width)
    if calendar:
        body["time_zone"] = zone
    elif offset:
        # Buckets of hours begin on the local hour also where the zone is off by thirty minutes.
        body["offset"] = f"{offset}ms"
    if empty:
        # OpenSearch rounds the bounds down first and adds the offset then: the first bucket would be missing.
        body["extended_bounds"] = {"min": start_ms - offset, "max": end_ms - offset}
    return {"date_histogram": body}


def _half_hour_offset(at_ms: int, tz: tzinfo, width: int) -> int:
    delta = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(tz).utcoffset()
    shift = int(delta.total_seconds() * 1000) if delta else 0
    return -shift % width if width > 60_000 else 0

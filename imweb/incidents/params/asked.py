"""What a request asks for, once it is checked: frozen, and the same for both faces."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Literal

from imweb.incidents import times
from imweb.incidents.fields import FieldDef

Json = dict[str, Any]
DEFAULT_SIZE = 25
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


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A filter by one field: any of the `values` (bounds for a range, None for "has none"), or none of them."""

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
    # Applied to what the others leave: a part of a list, in which no member of a group comes out that the list hides.
    narrow: tuple[FieldFilter, ...] = ()

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

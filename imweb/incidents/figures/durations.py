"""How long it took to respond and to close: exact medians and ninetieth percentiles, in whole seconds.

A percentile is the nearest rank: the smallest duration that at least so many of a hundred do not exceed. OpenSearch's
own `percentiles` estimate, so ranks are found by counting: ranges first, then ever narrower buckets within one.
Durations are not stored; a script of ours, with no text from outside, takes the difference of two dates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from imweb.incidents.paging import Reader

Json = dict[str, Any]
MINUTE, HOUR, DAY = 60, 3_600, 86_400
EDGES = [
    *(0, 10, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR),
    *(DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY),
]
LONGEST = 1_000 * 365 * DAY
SHOWN = (15 * MINUTE, HOUR, 4 * HOUR, DAY, 3 * DAY, 7 * DAY)
BUCKETS = 2_000
BEGIN = "created_at"
MEASURES = {"response": "responded_at", "close": "closed_at"}
QUANTILES = (0.5, 0.9)
_TOOK = (
    "long took = doc[params.end].value.toInstant().toEpochMilli() - doc[params.begin].value.toInstant().toEpochMilli();"
    " took = took < 0L ? 0L : took / 1000L;"
)
_SECONDS = f"{_TOOK} return took"
# Which bucket of which span, -1 for none: the scripts are what costs, so one looks into all spans of a group at once.
_PLACE = (
    f"{_TOOK} for (int i = 0; i < params.lows.length; ++i)"
    " { if (took >= params.lows[i] && took < params.highs[i])"
    " { return i * params.stride + (took - params.lows[i]) / params.widths[i]; } } return -1L"
)


@dataclass(frozen=True, slots=True)
class Took:
    """How long it took in `count` cases, in seconds; None where there were none."""

    count: int
    median: int | None = None
    p90: int | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Per measure (`response`, `close`): by group (an empty name is all of them), and how all spread over `SHOWN`."""

    took: Mapping[str, Mapping[str, Took]]
    spread: Mapping[str, Sequence[int]]


@dataclass(slots=True)
class _Search:
    """A rank that is looked for: the duration lies in [low, high), `rank` counts from 1 within it."""

    group: str
    measure: str
    quantile: float
    low: int
    high: int
    rank: int

    def narrow(self, counts: Mapping[int, int], first: int) -> None:
        """Go into the bucket with the rank; `counts` by bucket, this span's from `first` on."""
        width = _width(self.low, self.high)
        for place in range(math.ceil((self.high - self.low) / width)):
            inside = counts.get(first + place, 0)
            if self.rank <= inside:
                low = self.low + place * width
                self.low, self.high = low, min(low + width, self.high)
                return
            self.rank -= inside
        raise AssertionError("a point in time does not change while it is counted")


def durations(reader: Reader, groups: Mapping[str, Json]) -> Durations:
    """Return the durations of a set, and of each group of it, given by name and clause."""
    every = {"": {"match_all": {}}, **groups}
    order = list(every)
    ranges = [{"from": low, "to": high} for low, high in pairwise(EDGES)] + [{"from": EDGES[-1]}]
    inner = {
        name: {
            "filter": _has(name),
            "aggs": {"ranges": {"range": {"script": _script(_SECONDS, name), "ranges": ranges}}},
        }
        for name in MEASURES
    }
    filters = {f"g{number}": every[group] for number, group in enumerate(order)}
    answer = reader.aggregate({"groups": {"filters": {"filters": filters}, "aggs": inner}})["groups"]["buckets"]
    searches = [
        search
        for number, group in enumerate(order)
        for name in MEASURES
        for quantile in QUANTILES
        if (search := _first(group, name, quantile, answer[f"g{number}"][name]))
    ]
    _narrow(reader, searches, every)
    values = {(search.measure, search.group, search.quantile): search.low for search in searches}
    took = {
        name: {
            group: Took(
                int(answer[f"g{number}"][name]["doc_count"]),
                values.get((name, group, 0.5)),
                values.get((name, group, 0.9)),
            )
            for number, group in enumerate(order)
        }
        for name in MEASURES
    }
    spread = {name: _spread(answer["g0"][name]["ranges"]["buckets"]) for name in MEASURES}
    return Durations(took, spread)


def _has(measure: str) -> Json:
    exists = [{"exists": {"field": field}} for field in (BEGIN, MEASURES[measure])]
    return {"bool": {"filter": exists}}


def _script(source: str, measure: str, **more: Any) -> Json:
    return {"lang": "painless", "source": source, "params": {"begin": BEGIN, "end": MEASURES[measure], **more}}


def _first(group: str, measure: str, quantile: float, answer: Json) -> _Search | None:
    count = int(answer["doc_count"])
    if not count:
        return None
    rank = math.ceil(quantile * count)
    for bucket in answer["ranges"]["buckets"]:
        inside = int(bucket["doc_count"])
        if rank <= inside:
            high = int(bucket.get("to", LONGEST))
            return _Search(group, measure, quantile, int(bucket["from"]), high, rank)
        rank -= inside
    return None


def _narrow(reader: Reader, searches: Sequence[_Search], groups: Mapping[str, Json]) -> None:
    """Narrow each search until its duration is known to the second."""
    while left := [search for search in searches if search.high - search.low > 1]:
        together: dict[tuple[str, str], list[_Search]] = defaultdict(list)
        for search in left:
            together[search.group, search.measure].append(search)
        order = list(together)
        # Spans of one group are the same or apart: each is one of the same ranges, or a part of one.
        spans = [sorted({(search.low, search.high) for search in together[key]}) for key in order]
        aggs = {f"s{n}": _within(groups[key[0]], key[1], spans[n]) for n, key in enumerate(order)}
        answer = reader.aggregate(aggs)
        for number, key in enumerate(order):
            counts = {int(part["key"]): int(part["doc_count"]) for part in answer[f"s{number}"]["at"]["buckets"]}
            for search in together[key]:
                search.narrow(counts, spans[number].index((search.low, search.high)) * (BUCKETS + 1))


def _width(low: int, high: int) -> int:
    return max(1, math.ceil((high - low) / BUCKETS))


def _within(group: Json, measure: str, spans: Sequence[tuple[int, int]]) -> Json:
    lows, highs = [low for low, _high in spans], [high for _low, high in spans]
    widths = [_width(low, high) for low, high in spans]
    histogram = {
        "script": _script(_PLACE, measure, lows=lows, highs=highs, widths=widths, stride=BUCKETS + 1),
        "interval": 1,
        "hard_bounds": {"min": 0, "max": len(spans) * (BUCKETS + 1)},
        "min_doc_count": 1,
    }
    return {"filter": {"bool": {"filter": [group, _has(measure)]}}, "aggs": {"at": {"histogram": histogram}}}


def _spread(buckets: Sequence[Json]) -> list[int]:
    """Return how many took less than each of `SHOWN` (and no less than the one before), and longer than all."""
    found = [0] * (len(SHOWN) + 1)
    for bucket in buckets:
        at = next((n for n, edge in enumerate(SHOWN) if float(bucket["from"]) < edge), len(SHOWN))
        found[at] += int(bucket["doc_count"])
    return found

"""Pages in the order of a field with many values: numbers, dates, and texts of which there are too many to list."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from imweb.incidents.dsl import date_range, sort_of, time_sort
from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.paging.by_time import DIRECT, ByTime
from imweb.incidents.paging.reader import Reader

Json = dict[str, Any]
Place = tuple[str | int | float, int, str]
RANGES = 128
VALUES_A_STEP = 10_000


@dataclass(frozen=True, slots=True)
class ByField:
    """The total order (value, then time, then key) of the documents that have a value."""

    field: FieldDef
    descending: bool
    newest_first: bool = True

    def after(self, reader: Reader, place: Place, size: int, *, source: bool = True) -> list[Json]:
        """Return the documents behind a place; the range beside the cursor keeps the cost of every depth alike."""
        bound = "lte" if self.descending else "gte"
        return reader.hits(self._sort(), size, after=place, extra=[self._range({bound: place[0]})], source=source)

    def at(self, reader: Reader, offset: int, size: int, *, source: bool = True) -> list[Json]:
        """Return the documents at an offset, whatever its depth."""
        if offset + size <= VALUES_A_STEP and offset <= DIRECT:
            return reader.hits(self._sort(), size, offset=offset, source=source)
        find = self._among_values if self.field.kind in (Kind.KEYWORD, Kind.TEXT) else self._among_numbers
        before = find(reader, offset - 1)
        return self.after(reader, before, size, source=source) if before else []

    def _sort(self) -> list[Json]:
        order = "desc" if self.descending else "asc"
        return [sort_of(self.field.exact, order, self.field.kind), *time_sort(self.newest_first)]

    def _range(self, bounds: Json) -> Json:
        if self.field.kind is Kind.DATE:
            return date_range(self.field.exact, bounds)
        return {"range": {self.field.exact: dict(bounds)}}

    def _tie(self, reader: Reader, value: str | int | float, rest: int) -> Place | None:
        same = reader.narrowed(self._range({"gte": value, "lte": value}))
        hits = ByTime(self.newest_first).at(same, rest, 1, source=False)
        return (value, int(hits[0]["sort"][0]), str(hits[0]["sort"][1])) if hits else None

    def _among_numbers(self, reader: Reader, rest: int) -> Place | None:
        """Return the place of document number `rest`: narrow the range of values until few are left before it."""
        path = self.field.exact
        ends = {"low": {"min": {"field": path}}, "high": {"max": {"field": path}}}
        whole = reader.aggregate(ends)
        if whole["low"]["value"] is None:
            return None
        low, high = self._number(whole["low"]["value"]), self._number(whole["high"]["value"])
        while low < high:
            bounds = self._bounds(low, high)
            ranges = [{"from": a, "to": b} for a, b in pairwise(bounds)] + [{"from": bounds[-1]}]
            kind = "date_range" if self.field.kind is Kind.DATE else "range"
            extra = {"format": "epoch_millis"} if self.field.kind is Kind.DATE else {}
            within = self._range({"gte": low, "lte": high})
            answer = reader.aggregate(
                {"part": {kind: {"field": path, "ranges": ranges, **extra}, "aggs": ends}}, within
            )
            buckets = sorted(
                answer["part"]["buckets"], key=lambda bucket: float(bucket["from"]), reverse=self.descending
            )
            for bucket in buckets:
                if rest < bucket["doc_count"]:
                    break
                rest -= bucket["doc_count"]
            else:
                return None
            low, high = self._number(bucket["low"]["value"]), self._number(bucket["high"]["value"])
            if rest <= DIRECT:
                begin = {"lte": high} if self.descending else {"gte": low}
                hits = reader.hits(self._sort(), 1, offset=rest, extra=[self._range(begin)], source=False)
                return _place(hits)
        return self._tie(reader, low, rest)

    def _bounds(self, low: float, high: float) -> list[Any]:
        if self.field.kind is Kind.DATE:
            step = max(1, -(-int(high - low) // RANGES))
            return list(range(int(low), int(high) + 1, step))
        # Halves are added, since high - low may overflow; equal neighbours fall away where doubles run out.
        marks = {low * (1 - n / RANGES) + high * (n / RANGES) for n in range(1, RANGES)}
        return sorted({low, *(m for m in marks if low < m <= high), high})

    def _number(self, value: float) -> int | float:
        # Aggregations answer in doubles; dates are written as whole milliseconds.
        return int(value) if self.field.kind is Kind.DATE else value

    def _among_values(self, reader: Reader, rest: int) -> Place | None:
        """Return the place of document number `rest`, by walking over the distinct values in order."""
        order = "desc" if self.descending else "asc"
        after: Json | None = None
        while True:
            source: Json = {"value": {"terms": {"field": self.field.exact, "order": order}}}
            body: Json = {"size": VALUES_A_STEP, "sources": [source], **({"after": after} if after else {})}
            answer = reader.aggregate({"values": {"composite": body}})["values"]
            for bucket in answer["buckets"]:
                if rest < bucket["doc_count"]:
                    return self._tie(reader, bucket["key"]["value"], rest)
                rest -= bucket["doc_count"]
            after = answer.get("after_key")
            if not after or not answer["buckets"]:
                return None


def _place(hits: list[Json]) -> Place | None:
    return (hits[0]["sort"][0], int(hits[0]["sort"][1]), str(hits[0]["sort"][2])) if hits else None

"""Orders: a result set as parts behind one another, each of them in an order that OpenSearch reads cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imweb.errors import ValidationFailed
from imweb.incidents.dsl import missing
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.paging.by_field import ByField
from imweb.incidents.paging.by_time import WINDOW, ByTime
from imweb.incidents.paging.cursor import Cursor, decode, encode
from imweb.incidents.paging.reader import Reader
from imweb.incidents.params import Sort

Json = dict[str, Any]
# With more distinct values than this a field is sorted by OpenSearch itself.
LISTED_VALUES = 5_000
VALUED, UNKNOWN, MISSING = range(3)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of the order: its documents, how many they are, and their order among themselves."""

    segment: int
    reader: Reader
    count: int
    inner: ByTime | ByField
    value: str | None = None

    def cursor(self, hit: Json) -> Cursor:
        """Return the place behind a hit of this part."""
        values = tuple(hit["sort"])
        return Cursor(self.segment, (self.value, *values) if self.value is not None else values)


@dataclass(frozen=True, slots=True)
class Slice:
    """Hits in order, and the cursor behind the last one when there are more."""

    hits: list[Json]
    next: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """A total order over a result set: the field's values, then time, then key; missing values come last."""

    sort: Sort
    field: FieldDef
    ranked: tuple[str, ...] = ()  # the values of a ranked field (severity), in the order asked for

    def at(self, reader: Reader, offset: int, size: int) -> Slice:
        """Return the documents at an offset, exactly, at any depth."""
        parts = self._parts(reader)
        collected: list[tuple[Part, Json]] = []
        wanted = _with_lookahead(size)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            if len(parts) > 1 and offset >= part.count:
                offset -= part.count
                continue
            if len(collected) == wanted:
                break
            found = part.inner.at(part.reader, offset, wanted - len(collected)) if size else []
            collected += [(part, hit) for hit in found]
            offset = 0
            if last or not size:
                break
        return self._slice(collected, size)

    def after(self, reader: Reader, text: str, size: int) -> Slice:
        """Return the documents behind a cursor; raises `ValidationFailed` for one that is not of this order."""
        cursor = decode(text, self.sort.signature)
        parts = self._parts(reader)
        first, inside = self._resume(parts, cursor)
        collected: list[tuple[Part, Json]] = []
        wanted = _with_lookahead(size)
        for part in parts[first:]:
            if not size or len(collected) == wanted:
                break
            rest = wanted - len(collected)
            if inside:
                found = _after(part.inner, part.reader, cursor, rest)
                inside = False
            else:
                found = part.inner.at(part.reader, 0, rest)
            collected += [(part, hit) for hit in found]
        return self._slice(collected, size)

    def _slice(self, collected: Sequence[tuple[Part, Json]], size: int) -> Slice:
        more = size and (len(collected) > size or (len(collected) == size and _with_lookahead(size) == size))
        page = collected[:size]
        following = encode(page[-1][0].cursor(page[-1][1]), self.sort.signature) if more and page else None
        return Slice([hit for _part, hit in page], following)

    def _parts(self, reader: Reader) -> list[Part]:
        by_time = ByTime(self.sort.newest_first)
        if self.field.name == "@timestamp":
            return [Part(VALUED, reader, -1, by_time)]
        path = self.field.exact
        if self.field.kind in (Kind.KEYWORD, Kind.TEXT):
            values = {"terms": {"field": path, "size": LISTED_VALUES, "order": {"_key": "asc"}}}
            answer = reader.aggregate({"values": values, "missing": {"missing": {"field": path}}})
            if not answer["values"]["sum_other_doc_count"]:
                counts = {bucket["key"]: bucket["doc_count"] for bucket in answer["values"]["buckets"]}
                return self._by_value(reader, counts, answer["missing"]["doc_count"], by_time)
        else:
            answer = reader.aggregate({"missing": {"missing": {"field": path}}, "n": {"value_count": {"field": path}}})
        valued = reader.narrowed({"exists": {"field": path}})
        nothing = reader.narrowed(missing(self.field))
        inner = ByField(self.field, self.sort.descending, self.sort.newest_first)
        count = valued.count()
        return [Part(VALUED, valued, count, inner), Part(MISSING, nothing, answer["missing"]["doc_count"], by_time)]

    def _by_value(self, reader: Reader, counts: dict[str, int], without: int, by_time: ByTime) -> list[Part]:
        path = self.field.exact
        names = [*self.ranked] if self.ranked else sorted(counts, key=_code_points, reverse=self.sort.descending)
        parts = [
            Part(VALUED, reader.narrowed({"term": {path: name}}), counts[name], by_time, name)
            for name in names
            if counts.get(name)
        ]
        unknown = sum(count for name, count in counts.items() if name not in names)
        if unknown:
            strangers = reader.narrowed({"exists": {"field": path}}, without=[{"terms": {path: names}}])
            parts.append(Part(UNKNOWN, strangers, unknown, by_time))
        if without:
            parts.append(Part(MISSING, reader.narrowed(missing(self.field)), without, by_time))
        return parts

    def _resume(self, parts: Sequence[Part], cursor: Cursor) -> tuple[int, bool]:
        """Return the part to go on in, and whether the cursor's place lies inside it."""
        self._check(cursor)
        for number, part in enumerate(parts):
            if part.segment != cursor.segment:
                if part.segment > cursor.segment:
                    return number, False
                continue
            if part.value is None or part.value == cursor.values[0]:
                return number, True
            if self._rank(part.value) > self._rank(str(cursor.values[0])):
                return number, False
        return len(parts), False

    def _rank(self, value: str) -> Any:
        if self.ranked:
            return self.ranked.index(value) if value in self.ranked else len(self.ranked)
        code = _code_points(value)
        return (*(-c for c in code), 1) if self.sort.descending else code

    def _check(self, cursor: Cursor) -> None:
        timed = self.field.name == "@timestamp" or cursor.segment != VALUED
        fits = cursor.segment <= MISSING and len(cursor.values) == (2 if timed else 3)
        if fits and not timed:
            kinds = {Kind.NUMBER: (int, float), Kind.DATE: (int,)}.get(self.field.kind, (str,))
            fits = isinstance(cursor.values[0], kinds)
        if not fits:
            raise ValidationFailed.field("search_after", "the 'next' of an earlier answer, unchanged; this is none")


def _after(inner: ByTime | ByField, reader: Reader, cursor: Cursor, size: int) -> list[Json]:
    place: Any = cursor.values
    return inner.after(reader, place[-2:] if isinstance(inner, ByTime) else place, size)


def _code_points(value: str) -> tuple[int, ...]:
    # OpenSearch compares keywords by their UTF-8 bytes, which is the order of code points.
    return tuple(map(ord, value))


def _with_lookahead(size: int) -> int:
    """Return how many to read so that "there are more" is known; a full window leaves no room for it."""
    return min(size + 1, WINDOW) if size else 0


def order_for(sort: Sort, registry: Registry, severity_names: Sequence[str]) -> Order:
    """Return the order asked for; `severity_names` are the levels by rank, the worst first."""
    field = registry.get(sort.field)
    if field is None or not field.sortable:
        raise ValidationFailed.field("sort", f"'{sort.field}' cannot be sorted by; choose another field")
    if sort.field == "severity":
        names = severity_names if sort.descending else list(reversed(severity_names))
        return Order(sort, field, tuple(names))
    return Order(sort, field)

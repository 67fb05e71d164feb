"""A list folded by the values of a field: how many rows each value has, and what decides whether to look closer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import ValidationFailed
from imweb.incidents import access, dsl
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.figures.walking import walk
from imweb.incidents.paging import Reader
from imweb.incidents.params import Filters, unknown
from imweb.incidents.resultset import result_set

Json = dict[str, Any]
# Up to this many values are counted in one search; more are walked over, so that the order by count stays exact.
LISTED = 10_000
WALKED = 200_000
_SEVERITIES = 100


@dataclass(frozen=True, slots=True)
class Group:
    """The rows that have one value; None for those without any. Times in epoch milliseconds."""

    value: str | None
    count: int
    severity: str = ""
    first_ms: int | None = None
    last_ms: int | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Folding:
    """One page of groups, the largest first. `total` counts all groups, the one without a value too.

    `complete` is false where there are more values than are counted: the largest are shown and `total` is a lower
    bound.
    """

    groups: list[Group]
    total: int
    complete: bool = True


def groupable(registry: Registry) -> list[FieldDef]:
    """Return the fields by which a list may be folded: those whose whole values are indexed."""
    kinds = (Kind.KEYWORD, Kind.NUMBER, Kind.BOOLEAN)
    return [item for item in registry.fields.values() if item.kind in kinds or item.name == "title"]


def field_to_fold(name: str, registry: Registry) -> FieldDef:
    """Return the field of a name or of its alias in the search bar; raises `ValidationFailed`."""
    found = registry.resolve(name)
    if found is None:
        raise ValidationFailed.field("group_by", unknown(name, registry))
    if found not in groupable(registry):
        raise ValidationFailed.field("group_by", f"'{found.name}' holds texts or times and cannot be grouped by")
    return found


def fold(
    actor: Actor,
    filters: Filters,
    pit: str | None,
    field: FieldDef,
    levels: Sequence[str],
    *,
    offset: int,
    size: int,
) -> Folding:
    """Return a page of the groups of a result set; `levels` are the severities, the worst first.

    A row with several values stands in the group of each of them. Raises what `result_set` raises, and
    `ValidationFailed` for a field that the actor may not see.
    """
    if field.name in actor.hidden:
        raise ValidationFailed.field("group_by", unknown(field.name, access.registry_of(actor)))
    with result_set(actor, filters, pit, snapshot=True) as found:
        counted, complete = _counted(found.reader, field)
        if not counted:
            return Folding([], 0)
        offset = min(offset, (len(counted) - 1) // size * size)
        page = counted[offset : offset + size]
        details = _details(found.reader, field, [value for value, _count in page], actor)
    groups = [_group(value, count, details.get(value), levels) for value, count in page]
    return Folding(groups, len(counted), complete)


def _counted(reader: Reader, field: FieldDef) -> tuple[list[tuple[str | None, int]], bool]:
    """Return all values with their counts, the largest first, and whether they are all."""
    terms = {"field": field.exact, "size": LISTED, "shard_size": LISTED}
    answer = reader.aggregate({"values": {"terms": terms}, "missing": {"missing": {"field": field.exact}}})
    listed = answer["values"]
    counts: Counter[str | None] = Counter()
    for bucket in listed["buckets"]:
        counts[_text(field, bucket)] += int(bucket["doc_count"])
    complete = True
    if listed["sum_other_doc_count"] or listed["doc_count_error_upper_bound"]:
        walked: Counter[str | None] = Counter()
        for number, ((value,), count) in enumerate(walk(reader, [field.exact])):
            if number == WALKED:
                complete = False
                break
            walked[_as_text(field, value)] += count
        counts = walked if complete else counts
    if missing := int(answer["missing"]["doc_count"]):
        counts[None] = missing
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] is None, item[0] or "")), complete


def _text(field: FieldDef, bucket: Json) -> str:
    return _as_text(field, bucket.get("key_as_string", bucket["key"]))


def _as_text(field: FieldDef, value: Any) -> str:
    if field.kind is not Kind.NUMBER:
        return str(value)
    number = float(value)
    # Minus zero, another term of the index, is zero.
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _details(reader: Reader, field: FieldDef, values: Sequence[str | None], actor: Actor) -> dict[str | None, Json]:
    inside: Json = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
    if "severity" not in actor.hidden:
        inside["severity"] = {"terms": {"field": "severity", "size": _SEVERITIES}}
    if "title" not in actor.hidden:
        newest = {"size": 1, "sort": dsl.time_sort(True), "_source": ["title"]}
        inside["newest"] = {"top_hits": newest}
    named: list[Any] = [float(v) if field.kind is Kind.NUMBER else v for v in values if v is not None]
    if field.kind is Kind.NUMBER and 0 in named:
        named.append(-0.0)
    aggs: Json = {}
    if named:
        terms: Json = {"field": field.exact, "size": len(named)}
        if field.kind is not Kind.BOOLEAN:
            terms["include"] = named
        aggs["values"] = {"terms": terms, "aggs": inside}
    if None in values:
        aggs["missing"] = {"filter": dsl.missing(field), "aggs": inside}
    answer = reader.aggregate(aggs)
    found: dict[str | None, Json] = {
        _text(field, bucket): bucket for bucket in answer.get("values", {}).get("buckets", [])
    }
    if None in values:
        found[None] = answer["missing"]
    return found


def _group(value: str | None, count: int, details: Json | None, levels: Sequence[str]) -> Group:
    if not details:
        return Group(value, count)
    present = [str(bucket["key"]) for bucket in details.get("severity", {}).get("buckets", [])]
    worst = min(present, key=lambda name: levels.index(name) if name in levels else len(levels), default="")
    hits = details.get("newest", {}).get("hits", {}).get("hits", [])
    title = hits[0].get("_source", {}).get("title") if hits else ""
    first, last = details["first"]["value"], details["last"]["value"]
    return Group(
        value,
        count,
        worst,
        None if first is None else int(first),
        None if last is None else int(last),
        str((title[0] if title else "") if isinstance(title, list) else title or ""),
    )

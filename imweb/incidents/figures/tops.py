"""The most frequent values of fields, exactly: what stands beside them is counted, not guessed."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imweb.incidents import dsl
from imweb.incidents.fields import FieldDef
from imweb.incidents.figures.walking import walk
from imweb.incidents.paging import Reader

Json = dict[str, Any]
# With this many values from each shard the order is exact in nearly every set; `is_exact` says when it is not.
SHARD_SIZE = 10_000
MAX_VALUES = 200_000
FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True)
class Value:
    """A value and how many documents have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many incidents of a value were given a verdict, and how many of those were false positives."""

    decided: int
    false_positives: int


@dataclass(frozen=True, slots=True)
class Top:
    """The most frequent values of a field; `others` have values but none of these, `missing` have none.

    `verdicts` are by value, where asked for. `complete` is false where there were too many values to order them.
    """

    field: FieldDef
    values: Sequence[Value]
    others: int
    missing: int
    verdicts: Mapping[str, Verdicts]
    complete: bool = True

    def names(self) -> list[str]:
        """Return the values."""
        return [item.value for item in self.values]


def tops(
    reader: Reader,
    fields: Sequence[FieldDef],
    size: int,
    *,
    include: Mapping[str, Sequence[str]] | None = None,
    with_verdicts: Sequence[str] = (),
) -> dict[str, Top]:
    """Return the most frequent values by the fields' names; `include` limits a field to some of its values."""
    if not fields:
        return {}
    include = include or {}
    answer = reader.aggregate({f"t{n}": _terms(item, size, include) for n, item in enumerate(fields)})
    values = {}
    complete = {}
    for number, item in enumerate(fields):
        found = answer[f"t{number}"]
        complete[item.name] = True
        if is_exact(found):
            values[item.name] = [Value(str(part["key"]), int(part["doc_count"])) for part in found["buckets"]]
        else:
            values[item.name], complete[item.name] = _walked(reader, item, size, include.get(item.name))
    beside = reader.aggregate(
        {f"t{n}": _beside(item, values[item.name], item.name in with_verdicts) for n, item in enumerate(fields)}
    )
    return {
        item.name: _top(item, values[item.name], beside[f"t{n}"], complete[item.name]) for n, item in enumerate(fields)
    }


def is_exact(terms: Json) -> bool:
    """Return whether an answer of a terms aggregation has the right values with the right counts."""
    return int(terms["doc_count_error_upper_bound"]) == 0


def _terms(item: FieldDef, size: int, include: Mapping[str, Sequence[str]]) -> Json:
    terms: Json = {"field": item.exact, "size": size, "shard_size": SHARD_SIZE}
    if item.name in include:
        terms["include"] = list(include[item.name])
    return {"terms": terms}


def _walked(reader: Reader, item: FieldDef, size: int, only: Sequence[str] | None) -> tuple[list[Value], bool]:
    wanted = set(only) if only is not None else None
    found: list[Value] = []
    for number, ((value,), count) in enumerate(walk(reader, [item.exact])):
        if number >= MAX_VALUES:
            return [], False
        if wanted is None or value in wanted:
            found.append(Value(value, count))
    return heapq.nsmallest(size, found, key=lambda one: (-one.count, one.value)), True


def _beside(item: FieldDef, values: Sequence[Value], with_verdicts: bool) -> Json:
    names = [one.value for one in values]
    exists = {"exists": {"field": item.exact}}
    inner: Json = {
        "others": {"filter": {"bool": {"filter": [exists], "must_not": [{"terms": {item.exact: names}}]}}},
        "missing": {"filter": dsl.missing(item)},
    }
    if with_verdicts and names:
        verdicts = {
            "decided": {"filter": {"exists": {"field": "resolution"}}},
            "false": {"filter": {"term": {"resolution": FALSE_POSITIVE}}},
        }
        terms = {"field": item.exact, "size": len(names), "include": names}
        inner["verdicts"] = {"terms": terms, "aggs": verdicts}
    return {"filter": {"match_all": {}}, "aggs": inner}


def _top(item: FieldDef, values: Sequence[Value], beside: Json, complete: bool) -> Top:
    verdicts = {
        str(part["key"]): Verdicts(int(part["decided"]["doc_count"]), int(part["false"]["doc_count"]))
        for part in beside.get("verdicts", {}).get("buckets", [])
    }
    others, missing = int(beside["others"]["doc_count"]), int(beside["missing"]["doc_count"])
    return Top(item, values, others, missing, verdicts, complete)

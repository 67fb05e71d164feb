"""Small clauses that every builder of queries shares; nothing here knows requests or fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def date_range(path: str, bounds: Mapping[str, int]) -> Json:
    """Return the range clause over a date, its bounds in epoch milliseconds.

    OpenSearch takes a negative `lte` or `gt` for the millisecond before (measured on 3.8), so times before 1970 are
    bounded from the other side.
    """
    other = {"lte": "lt", "gt": "gte"}
    shifted = {
        (other[name] if ms < 0 and name in other else name): ms + (ms < 0 and name in other)
        for name, ms in bounds.items()
    }
    return {"range": {path: {**shifted, "format": "epoch_millis"}}}


def text_clause(path: str, value: str) -> Json:
    """Return a whole-value comparison that ignores case; `*` and `?` stand for any characters, `\\` takes that away."""
    if any(character in value for character in "*?\\"):
        return {"wildcard": {path: {"value": value, "case_insensitive": True}}}
    return {"term": {path: {"value": value, "case_insensitive": True}}}


def any_of(clauses: Sequence[Json]) -> Json:
    """Return the clause that matches when one of several does."""
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}

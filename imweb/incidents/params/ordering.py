"""The order that a list is asked for in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imweb.errors import Detail, ValidationFailed
from imweb.incidents.fields import Registry
from imweb.incidents.params.asked import Sort
from imweb.incidents.params.values import unknown


def sort_of(entries: Sequence[Mapping[str, Any]] | None, registry: Registry, faults: list[Detail]) -> Sort:
    """Return the order asked for, or add what is wrong with it."""
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
            faults.append(Detail(where, unknown(name, registry)))
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
    sort = sort_of(sort_entries(text, faults), registry, faults)
    if faults:
        raise ValidationFailed.of(faults)
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

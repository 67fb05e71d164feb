"""What an incident has in common with its group: key, span and the ids that follow from them; pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from imweb.grouping.rules import TOKEN, GroupingRule

NAMESPACE = uuid.UUID("6f0bd2b5-9f4f-5d1e-9a44-6c1f2b0b7a10")
Key = tuple[tuple[Any, ...], ...]
Partition = tuple[tuple[str, tuple[str, ...]], ...]


def values_of(source: Mapping[str, Any], path: str) -> list[Any]:
    """Return the values at a dotted path, none when the document lacks it."""
    found: Any = source
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None or found == "":
        return []
    return [item for item in found if item not in (None, "")] if isinstance(found, list) else [found]


def key_of(comparison: Sequence[str], source: Mapping[str, Any]) -> Key | None:
    """Return what is compared: the set of values of each field; None when a field has none."""
    key = []
    for path in comparison:
        values = {json.dumps(value, sort_keys=True): value for value in values_of(source, path)}
        if not values:
            return None
        key.append(tuple(values[name] for name in sorted(values)))
    return tuple(key)


def span_of(rule: GroupingRule, timestamp_ms: int) -> int | None:
    """Return the start of the fixed span that a moment lies in, in milliseconds; None for an open window."""
    if rule.window.kind == "open":
        return None
    width = rule.window.minutes * 60_000
    return timestamp_ms // width * width


def base_id(rule: GroupingRule, key: Key, partition: Partition, span_ms: int | None) -> str:
    """Return what all generations of a group share; a rule that compares otherwise makes other groups."""
    width = rule.window.minutes if rule.window.kind == "fixed" else None
    parts = [rule.name, rule.comparison, key, partition, width, span_ms]
    return str(uuid.uuid5(NAMESPACE, json.dumps(parts, sort_keys=True, ensure_ascii=True)))


@lru_cache(maxsize=8_192)
def result_id(base: str, generation: int) -> str:
    """Return the id of a group: the same for everybody who works it out, so that a group is made once."""
    return f"a{uuid.uuid5(NAMESPACE, f'{base}/{generation}')}"


def partition_of(access_fields: Sequence[str], source: Mapping[str, Any]) -> Partition:
    """Return the values of the access fields, in which all incidents of a group agree."""
    return tuple((path, tuple(sorted(str(value) for value in values_of(source, path)))) for path in access_fields)


def fill(template: str, tokens: Mapping[str, Any], limit: int) -> str:
    """Return a title or description with its tokens filled in, at most `limit` characters."""

    def value(token: str) -> str:
        found = tokens.get(token)
        if isinstance(found, list | tuple):
            shown = ", ".join(str(item) for item in found[:3])
            return f"{shown}, …" if len(found) > 3 else shown
        if isinstance(found, float) and found.is_integer():
            return str(int(found))
        return "–" if found is None else str(found)

    text = TOKEN.sub(lambda match: value(match[1]), template)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def tokens_of(
    rule: GroupingRule, key: Key, functions: Mapping[str, Any], *, count: int, first_seen: str, last_seen: str
) -> dict[str, Any]:
    """Return the values of everything that may stand in braces."""
    found: dict[str, Any] = {
        "incidents_count": count,
        "rule.name": rule.title,
        "first_seen": first_seen,
        "last_seen": last_seen,
    }
    for path, values in zip(rule.comparison, key, strict=True):
        found[f"comparison.{path}"] = found[f"comparison.{path.rpartition('.')[2]}"] = list(values)
    return found | {f"function.{name}": value for name, value in functions.items()}

"""JSON as callers send it, with the key that an object holds twice: the last would count, and the other be lost."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]
# Logged by others, and kept as it is.
_AS_IT_CAME = "event"


def loads(text: str | bytes) -> tuple[Any, str | None]:
    """Return what a text holds, and a key that stands twice in one object with different values; raises `ValueError`.

    Raw events are left as they are.
    """
    repeated: dict[int, tuple[Json, str]] = {}

    def one(pairs: list[tuple[str, Any]]) -> Json:
        found = dict(pairs)
        if len(found) < len(pairs):
            # Held, so that no other object gets its number.
            keys = [key for key, value in pairs if found[key] != value]
            if keys:
                repeated[id(found)] = found, keys[0]
        return found

    value = json.loads(text, object_pairs_hook=one)
    return value, _first(value, repeated) if repeated else None


def _first(value: Any, repeated: dict[int, tuple[Json, str]]) -> str | None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in repeated:
            return repeated[id(item)][1]
        if isinstance(item, dict):
            waiting.extend(inner for key, inner in item.items() if key != _AS_IT_CAME)
        elif isinstance(item, list):
            waiting.extend(item)
    return None

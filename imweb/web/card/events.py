"""The raw event as lines of a tree: path, depth and value of each leaf."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_LEAVES = 2_000
MAX_JSON = 200_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of the event under its dotted path."""

    path: str
    value: str


def leaves(event: Any) -> list[Leaf]:
    """Return the event's values by path, at most 2,000 of them."""
    found: list[Leaf] = []
    for leaf in _walk(event, ""):
        if len(found) == MAX_LEAVES:
            break
        found.append(leaf)
    return found


def _walk(value: Any, path: str) -> Iterator[Leaf]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _walk(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        if all(not isinstance(part, dict | list) for part in value):
            yield Leaf(path, ", ".join(scalar(part) for part in value))
        else:
            for number, part in enumerate(value):
                yield from _walk(part, f"{path}[{number}]")
    else:
        yield Leaf(path, scalar(value))


def scalar(value: Any) -> str:
    """Return a JSON value as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def as_json(event: Any) -> str:
    """Return the event as indented JSON, cut where no page should go on."""
    return json.dumps(event, ensure_ascii=False, indent=2)[:MAX_JSON]

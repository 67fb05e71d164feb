"""Taking hidden fields out of what is shown: documents and the edits of a history entry; pure.

The raw event repeats what fields were made of, and the figures of a group are worked out over them under names of
their own, so both go as soon as anything is hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
_REPEATS = ("event", "function_fields")
_BY_PATH = ("comparison_fields", "additional_fields")


def shown(source: Mapping[str, Any], hidden: Collection[str]) -> Json:
    """Return a document's source without the hidden fields."""
    if not hidden:
        return dict(source)
    found = {name: value for name, value in source.items() if name not in hidden and name not in _REPEATS}
    for name in _BY_PATH:
        if isinstance(found.get(name), Mapping):
            found[name] = {path: value for path, value in found[name].items() if not _means(path, hidden)}
    for path in hidden:
        head, dot, rest = path.partition(".")
        if dot and isinstance(found.get(head), Mapping):
            found[head] = {name: value for name, value in found[head].items() if name != rest}
            if not found[head]:
                del found[head]
    return found


def edits(lines: Sequence[Json], hidden: Collection[str]) -> tuple[Json, ...]:
    """Return the edits of an entry without those of hidden fields."""
    if not hidden:
        return tuple(lines)
    found = []
    for line in lines:
        name = str(line.get("fieldName", ""))
        old, new = (shown({name: line.get(part)}, hidden).get(name) for part in ("oldValue", "newValue"))
        # What was left of an object may be the same before and after.
        if old != new:
            found.append({**line, "oldValue": old, "newValue": new})
    return tuple(found)


def kept(wanted: Mapping[str, Any], stored: Mapping[str, Any], hidden: Collection[str]) -> Json:
    """Return a change that leaves the hidden parts of an object as they stand: its sender does not know them."""
    found = dict(wanted)
    for path in hidden:
        head, dot, rest = path.partition(".")
        held = stored.get(head)
        if dot and head in found and isinstance(held, Mapping) and rest in held:
            given = found[head] if isinstance(found[head], Mapping) else {}
            found[head] = {**given, rest: held[rest]}
    return found


def refused(names: Collection[str], hidden: Collection[str]) -> list[str]:
    """Return the names that may not be written: hidden ones, and the raw event where anything is hidden."""
    return sorted(name for name in names if name in hidden or (hidden and name == "event"))


def _means(path: str, hidden: Collection[str]) -> bool:
    return any(path in (name, name.rpartition(".")[2]) for name in hidden)

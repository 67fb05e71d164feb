"""Lines of `bulkUpdate`: OpenSearch's `_bulk` pairs, or single lines that carry their `_meta`; pure, streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_ACTIONS = ("update", "create", "index", "delete")
_ACTION_KEYS = frozenset({"_id", "_index", "_type", "routing", "retry_on_conflict", "require_alias"})
_DOC_KEYS = frozenset({"doc", "detect_noop", "_source"})


@dataclass(frozen=True, slots=True)
class Item:
    """One change asked for; `fault` says why it cannot be read."""

    action: str
    id: Any
    fields: Any = None
    fault: str = ""


def items(lines: bytes) -> Iterator[Item]:
    """Yield the items of a body in order; a line that cannot be read is an item of its own."""
    pending: Item | None = None
    unreadable = False
    for value in _values(lines):
        action = _action(value)
        if pending is not None:
            if action is not None:
                yield _lost(pending)
            else:
                yield _with_fields(pending, value)
            pending = None
            if action is None:
                continue
        if action is not None:
            unreadable = False
            if action.fault:
                yield action
            else:
                pending = action
        elif isinstance(value, dict) and isinstance(value.get("_meta"), dict):
            unreadable = False
            yield Item("update", value["_meta"].get("id"), value)
        elif unreadable:
            # The fields of the action that could not be read: it was answered already.
            unreadable = False
        else:
            unreadable = value is _UNREADABLE
            yield Item("update", None, fault="is neither an action line nor fields with their _meta")
    if pending is not None:
        yield _lost(pending)


_UNREADABLE = object()


def _values(lines: bytes) -> Iterator[Any]:
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start)
        end = len(lines) if end < 0 else end
        line = lines[start:end].strip()
        start = end + 1
        if line:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield _UNREADABLE


def _action(value: Any) -> Item | None:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    name, target = next(iter(value.items()))
    if name not in _ACTIONS or not isinstance(target, dict) or not target.keys() <= _ACTION_KEYS:
        return None
    if name == "delete":
        return Item("update", target.get("_id"), fault="'delete' is not done in bulk; send update or create")
    return Item(name, target.get("_id"))


def _lost(pending: Item) -> Item:
    return Item(_shown(pending.action), pending.id, fault="the line with its fields is missing")


def _shown(action: str) -> str:
    return "create" if action == "create" else "update"


def _with_fields(pending: Item, value: Any) -> Item:
    if pending.action == "index":
        return Item("update", pending.id, fault="'index' would overwrite; send update or create")
    if not isinstance(value, dict):
        return Item(pending.action, pending.id, fault="the line with its fields is no JSON object")
    if pending.action == "update" and isinstance(value.get("doc"), dict) and value.keys() <= _DOC_KEYS | {"_meta"}:
        value = {**value["doc"], **({"_meta": value["_meta"]} if "_meta" in value else {})}
    return Item(pending.action, pending.id, value)

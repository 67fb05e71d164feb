"""Lines of `bulkUpdate`: OpenSearch's `_bulk` pairs, or single lines that carry their `_meta`; pure, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from imweb.incidents import repeated

Json = dict[str, Any]
_ACTIONS = ("update", "create", "index", "delete")
_ACTION_KEYS = frozenset({"_id", "_index", "_type", "routing", "retry_on_conflict", "require_alias"})
_DOC_KEYS = frozenset({"doc", "detect_noop", "_source", "_meta"})


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
            if action.action == "delete":
                # The one action without a line of fields.
                yield replace(action, action="update")
            else:
                pending = action
        elif isinstance(value, dict) and isinstance(value.get("_meta"), dict):
            unreadable = False
            yield Item("update", value["_meta"].get("id"), value)
        elif unreadable:
            # The fields of the action that could not be read: it was answered already.
            unreadable = False
        else:
            unreadable = isinstance(value, _Unreadable)
            fault = str(value) if isinstance(value, _Unreadable) else ""
            yield Item("update", None, fault=fault or "is neither an action line nor fields with their _meta")
    if pending is not None:
        yield _lost(pending)


class _Unreadable(str):
    """In the place of a line that cannot be read: why."""


def _values(lines: bytes) -> Iterator[Any]:
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start)
        end = len(lines) if end < 0 else end
        line = lines[start:end].strip()
        start = end + 1
        if line:
            try:
                value, key = repeated.loads(line.decode())
            except UnicodeDecodeError:
                yield _Unreadable("is not UTF-8")
            except (ValueError, RecursionError):
                yield _Unreadable("is no JSON")
            else:
                yield (
                    value
                    if key is None
                    else _Unreadable(f'holds the key "{key[:64]}" more than once with different values')
                )


def _action(value: Any) -> Item | None:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    name, target = next(iter(value.items()))
    if name not in _ACTIONS or not isinstance(target, dict):
        return None
    if unknown := [str(key) for key in target if key not in _ACTION_KEYS]:
        # With its fields: what else would they be an item of.
        return Item(name, target.get("_id"), fault=f"'{unknown[0][:64]}' is not taken in an action; leave it out")
    if name == "delete":
        return Item(name, target.get("_id"), fault="'delete' is not done in bulk; send update or create")
    return Item(name, target.get("_id"))


def _lost(pending: Item) -> Item:
    return Item(_shown(pending.action), pending.id, fault="the line with its fields is missing")


def _shown(action: str) -> str:
    return "create" if action == "create" else "update"


def _with_fields(pending: Item, value: Any) -> Item:
    if pending.fault:
        return Item(_shown(pending.action), pending.id, fault=pending.fault)
    if pending.action == "index":
        return Item("update", pending.id, fault="'index' would overwrite; send update or create")
    if isinstance(value, _Unreadable):
        return Item(pending.action, pending.id, fault=f"the line with its fields {value}")
    if not isinstance(value, dict):
        return Item(pending.action, pending.id, fault="the line with its fields is no JSON object")
    if pending.action == "update" and isinstance(value.get("doc"), dict):
        if others := [str(key) for key in value if key not in _DOC_KEYS]:
            fault = f"'{others[0][:64]}' is not taken beside 'doc'; send the changed fields alone"
            return Item("update", pending.id, fault=fault)
        value = {**value["doc"], **({"_meta": value["_meta"]} if "_meta" in value else {})}
    return Item(pending.action, pending.id, value)

"""The lock of an aggregation result, `op` in its document: whoever joins incidents to it or spreads a change; pure.

It is written under the sequence number that was read, so that one alone has it. What a joining is about stands in it:
who finds it expired finishes the joining first, so that a process that wakes up late has nothing left to write. A
spreading is fenced instead: its change of the group is made only while the lock is still its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
# A joining has at most 500 incidents and takes a second or two; a spreading only freezes its list under the lock.
HOLD_MS = 10_000


def op_of(source: Mapping[str, Any]) -> Json | None:
    """Return the lock of a stored aggregation result, None when nobody has it."""
    found = source.get("op")
    return found if isinstance(found, dict) and found.get("owner") else None


def owner_of(source: Mapping[str, Any]) -> str:
    """Return who has the lock, an empty text when nobody has."""
    op = op_of(source)
    return str(op["owner"]) if op else ""


def expired(op: Mapping[str, Any], now_ms: int) -> bool:
    """Return whether a lock was held for longer than anybody needs."""
    return now_ms > int(op.get("until", 0))


def joining_op(owner: str, now_ms: int, incidents: Sequence[str]) -> Json:
    """Return the lock of a joining of these incidents."""
    return {"kind": "join", "owner": owner, "until": now_ms + HOLD_MS, "incidents": list(incidents)}


def spreading_op(owner: str, now_ms: int) -> Json:
    """Return the lock of a change that is to go to all incidents."""
    return {"kind": "spread", "owner": owner, "until": now_ms + HOLD_MS}


def without(source: Json) -> Json:
    """Return an aggregation result that nobody has locked."""
    return {name: value for name, value in source.items() if name != "op"}

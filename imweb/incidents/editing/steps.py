"""What one change of one document is made of: the wish, who has it, and the history entry that it leaves; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import ImError
from imweb.incidents import access
from imweb.incidents.documents import Document
from imweb.incidents.editing.rules import Rules

Json = dict[str, Any]


@dataclass(slots=True)
class Step:
    """One change that somebody wants, and what became of it: `error`, or `result` with the document after it."""

    action: str  # create, update, undo, group
    fields: Json
    rev: int | None
    change: str
    result: str = ""
    document: Document | None = None
    rev_after: int | None = None
    error: ImError | None = None
    # Whose lock the document must carry for the step to be made.
    fence: str | None = None
    # Made by a change of the settings: what follows a group's incidents goes on doing so.
    settings: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Who changes, by which rules, and when (ISO 8601)."""

    actor: Actor
    rules: Rules
    time: str
    now_ms: int


def change_id(operation: str, line: int | str, key: str) -> str:
    """Return the id of a change and of its history entry; the same operation repeated gives the same."""
    return hashlib.sha256(f"{operation}/{line}/{key}".encode()).hexdigest()[:32]


def known_changes(source: Mapping[str, Any]) -> set[str]:
    """Return the changes that a stored document itself remembers."""
    touched = {mark.get("change", "") for mark in (source.get("touched") or {}).values()}
    return touched | {entry.get("change", "") for entry in source.get("pending") or ()}


def following(source: Json, name: str, kind: str, step: Step) -> Json:
    """Return what a mark says of whether a group's value still follows its incidents, as none does that is set by hand.

    `follows`: it does; `first`: it did before this change, and does again when that is taken back.
    """
    if not str(source.get("key", "")).startswith("aggregation/"):
        return {}
    before = (source.get("touched") or {}).get(name) or {"follows": True}
    if kind == "undo" or step.settings:
        return {"follows": True} if before.get("follows") or (kind == "undo" and before.get("first")) else {}
    return {"first": True} if before.get("follows") else {}


def tombstone(source: Json, step: Step, context: Context) -> Json:
    """Return a document that is being deleted: no read shows it, its history entry is still to be copied."""
    rev = int(source.get("rev", 0)) + 1
    new = {**source, "deleted": True, "rev": rev, "updated_at": context.time, "updated_by": context.actor.username}
    enter(new, "delete", [], None, step, context)
    return new


def enter(new: Json, kind: str, edited: list[Json], comment: str | None, step: Step, context: Context) -> None:
    """Put the history entry of a change into the document that it made."""
    doc_kind, _, doc_id = new["key"].partition("/")
    entry: Json = {
        "time": context.time,
        "key": new["key"],
        "objectId": doc_id,
        "objectType": doc_kind,
        "type": kind,
        "user": context.actor.username,
        "rev": new["rev"],
        "change": step.change,
    }
    if edited:
        entry["edited"] = edited
    if comment is not None:
        entry["comment"] = comment
    if context.rules.access:
        entry["access"] = access.carried(new, context.rules.access)
    new["pending"] = [*(new.get("pending") or ()), entry]
    new["has_pending"] = True

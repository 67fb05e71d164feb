"""Taking one change of one document back, where nobody has touched its fields since."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import NotFound, VersionConflict
from imweb.incidents import hiding, history, times
from imweb.incidents.documents import DocKind, key_of
from imweb.incidents.editing import batch
from imweb.incidents.editing.single import Outcome, context_of
from imweb.incidents.editing.steps import Step, change_id
from imweb.incidents.services import get_document
from imweb.opensearch import gateway, schema

UNDO = timedelta(minutes=10)


def change_of(operation: str, kind: DocKind, doc_id: str) -> str:
    """Return the id under which an update with this `operation` is remembered."""
    return change_id(operation, 0, key_of(kind, doc_id))


def may_take_back(actor: Actor, entry: history.Entry) -> bool:
    """Return whether an entry is a change that the actor made within the last ten minutes."""
    made_ms = times.parse_instant(entry.time, now_ms=0, tz=UTC)
    return entry.user == actor.username and entry.type == "edit" and not _is_over(made_ms)


def _is_over(made_ms: int) -> bool:
    return time.time_ns() // 1_000_000 - made_ms > UNDO.total_seconds() * 1000


def take_back(actor: Actor, kind: DocKind, doc_id: str, change: str) -> Outcome:
    """Restore all that one of the actor's own changes did within the last ten minutes, or nothing of it.

    A comment leaves the document; that it was made, and taken back, stays in the history. Raises `NotFound`, and
    `VersionConflict` where somebody has changed one of its fields since (`details` says who and when) or it is too old.
    """
    get_document(actor, kind, doc_id)
    key = key_of(kind, doc_id)
    entry = _entry(gateway().get(schema.alias_of(kind), doc_id), change)
    # Another's change is as unknown as one that was never made.
    mine = entry is not None and entry.get("key") == key and entry.get("user") == actor.username
    if entry is None or not mine or entry.get("type") in ("create", "delete"):
        raise NotFound("There is no change of yours here that could be taken back.")
    made_ms = times.parse_instant(entry["time"], now_ms=0, tz=UTC)
    if _is_over(made_ms):
        raise VersionConflict("It was changed more than ten minutes ago and cannot be taken back any more.")
    names = [str(item["fieldName"]) for item in entry.get("edited") or ()]
    if entry.get("comment") is not None and "comment" not in names:
        names.append("comment")
    step = Step("undo", {"change": change, "whole": names}, None, change_id(uuid.uuid4().hex, 0, key))
    batch.write([batch.Target(kind, doc_id, [step])], context_of(actor))
    if step.error is not None:
        raise step.error
    return Outcome(step.result, get_document(actor, kind, doc_id), undone=_done(entry, actor))


def _done(entry: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """Return the fields that a change had set, without what is hidden from the actor."""
    edited = hiding.edits(entry.get("edited") or (), actor.hidden)
    found = {str(item["fieldName"]): item.get("newValue") for item in edited}
    if entry.get("comment") is not None and "comment" not in actor.hidden:
        found["comment"] = entry["comment"]
    return found


def _entry(stored: Any, change: str) -> Mapping[str, Any] | None:
    """Return the history entry of a change, read in real time: from the document, or from where it was copied to."""
    pending = (stored.source.get("pending") or ()) if stored else ()
    return next((item for item in pending if item.get("change") == change), None) or history.stored_entry(change)

"""One document at a time: create, update, delete."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.dispatch import Signal

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, NotFound, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.incidents import access, history
from imweb.incidents.documents import DocKind, Document, document, id_fault, iso, key_of, new_id
from imweb.incidents.editing import batch
from imweb.incidents.editing.bodies import checked
from imweb.incidents.editing.rules import Rules
from imweb.incidents.editing.steps import Context, Step, change_id, known_changes, tombstone
from imweb.incidents.pits import note_write
from imweb.incidents.services import get_document
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
# An incident was deleted: `source` as it was and `doc_id`. What it belonged to is somebody else's to bring up to date.
deleted = Signal()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an update: `updated` or `noop`, and the document; for a spread its counts and its task.

    `undone` is what a change that was taken back had set, as far as its reader may see it.
    """

    result: str
    document: Document
    sync: Json | None = None
    task: str | None = None
    finished: bool = True
    extra: Json = field(default_factory=dict)
    undone: Json = field(default_factory=dict)


def context_of(actor: Actor, at_ms: int | None = None) -> Context:
    """Return the context of changes made now, or at a given time in epoch milliseconds."""
    now_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    return Context(actor, Rules.load(), iso(now_ms), now_ms)


def create(actor: Actor, doc_id: str | None, body: Any) -> Document:
    """Create an incident, its id made here when None; `VersionConflict` for an id that exists."""
    actor.require(permissions.CREATE)
    if doc_id is not None and (fault := id_fault(doc_id)):
        raise ValidationFailed.of([Detail("id", fault)])
    if doc_id is not None:
        access.require_no_id(actor)
    context = context_of(actor)
    fields = checked(body, context.rules, actor, doc_id=doc_id, kind="incident", creating=True).fields
    doc_id = doc_id or new_id("incident")
    return _one(context, "incident", doc_id, "create", fields, None, uuid.uuid4().hex).document


def update(
    actor: Actor,
    kind: DocKind,
    doc_id: str,
    changes: Mapping[str, Any],
    *,
    rev: int | None = None,
    at_ms: int | None = None,
    operation: str | None = None,
    fence: str | None = None,
) -> Outcome:
    """Change fields of one document; `rev` is the revision that the caller saw (also in `_meta.rev`).

    Raises `ValidationFailed`, `PermissionDenied`, `NotFound`, `VersionConflict` (the same field changed since).
    `operation` names what may be repeated without being done twice, `fence` who must hold the document's lock.
    """
    # Who may not know of it learns nothing about its fields either.
    get_document(actor, kind, doc_id)
    context = context_of(actor, at_ms)
    body = checked(changes, context.rules, actor, doc_id=doc_id, kind=kind)
    if rev is not None and body.rev is not None and rev != body.rev:
        raise ValidationFailed.field("_meta.rev", "is not the revision given beside it")
    seen = body.rev if rev is None else rev
    return _one(context, kind, doc_id, "update", body.fields, seen, operation or uuid.uuid4().hex, fence)


def _one(
    context: Context,
    kind: DocKind,
    doc_id: str,
    action: str,
    fields: Json,
    rev: int | None,
    operation: str,
    fence: str | None = None,
) -> Outcome:
    step = Step(action, fields, rev, change_id(operation, 0, key_of(kind, doc_id)), fence=fence)
    batch.write([batch.Target(kind, doc_id, [step])], context)
    if step.error is not None:
        raise step.error
    if step.document is None:
        return Outcome(step.result, get_document(context.actor, kind, doc_id))
    return Outcome(step.result, access.shown(context.actor, step.document))


def delete(actor: Actor, doc_id: str) -> Document | None:
    """Delete an incident and keep its history; returns it as it last was, raises `NotFound`."""
    actor.require(permissions.DELETE)
    context = context_of(actor)
    step = Step("delete", {}, None, change_id(uuid.uuid4().hex, 0, key_of("incident", doc_id)))
    alias = schema.incidents_alias()
    deadline = time.monotonic() + batch.PATIENCE
    lost = False
    last: Document | None = None
    while time.monotonic() < deadline:
        stored = gateway().get(alias, doc_id)
        if lost and (stored is None or step.change in known_changes(stored.source)):
            note_write(actor.user_id)
            if stored is not None:
                history.settle([stored])
            if last is not None:
                deleted.send(sender=None, source=last.source, doc_id=doc_id)
            return last
        if stored is None or stored.source.get("deleted") or not access.visible(actor, stored.source):
            raise NotFound("There is no incident with this id.")
        last = access.shown(actor, document(stored.index, doc_id, stored.source))
        grave = tombstone(stored.source, step, context)
        try:
            answer = gateway().index(
                stored.index, doc_id, grave, seq_no=stored.seq_no, primary_term=stored.primary_term
            )
        except VersionConflict:
            continue
        except SearchUnavailable:
            lost = True
            continue
        note_write(actor.user_id)
        history.settle([Stored(stored.index, doc_id, grave, answer["_seq_no"], answer["_primary_term"])])
        deleted.send(sender=None, source=stored.source, doc_id=doc_id)
        # Once more: the tombstone is gone for points in time opened from now on.
        note_write(actor.user_id)
        return last
    raise VersionConflict("Too many others are changing this just now; nothing was deleted. Try again.")

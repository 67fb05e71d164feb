"""Many documents in one request: `bulkUpdate`."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.audit.trail import record
from imweb.errors import Detail, ImError, PayloadTooLarge, SearchUnavailable, ValidationFailed
from imweb.incidents import access
from imweb.incidents.documents import id_fault, new_id
from imweb.incidents.editing import batch, ndjson
from imweb.incidents.editing.batch import Target
from imweb.incidents.editing.bodies import checked
from imweb.incidents.editing.single import context_of
from imweb.incidents.editing.steps import Step, change_id
from imweb.incidents.registry import registry

Json = dict[str, Any]
MAX_ITEMS = 10_000
SMALL = 500


@dataclass(frozen=True, slots=True)
class BulkResult:
    """One item a line, in order, in OpenSearch's shape; `took` in milliseconds."""

    took: int
    items: list[Json]

    @property
    def errors(self) -> bool:
        """Return whether any line failed."""
        return any("error" in next(iter(item.values())) for item in self.items)

    def as_json(self) -> Json:
        """Return the result in the API's shape."""
        return {"took": self.took, "errors": self.errors, "items": self.items}


def bulk(actor: Actor, lines: bytes, *, key: str | None = None) -> BulkResult:
    """Make the changes of NDJSON lines; a bad line fails alone, in its place.

    The same lines sent again with the same `key` go on where they ended: what was done then is not done again.
    Raises `PayloadTooLarge` over 10,000 items, `PermissionDenied`, `ValidationFailed` for no item at all.
    """
    started = time.perf_counter()
    read = []
    for item in ndjson.items(lines):
        read.append(item)
        if len(read) > MAX_ITEMS:
            raise PayloadTooLarge(f"A bulk has at most {MAX_ITEMS:,} items; send the rest in another.")
    if not read:
        raise ValidationFailed.field("", "the body holds no line; send NDJSON as described")
    if not (actor.may(permissions.BULK) and len(read) <= SMALL):
        actor.require(permissions.BULK_UNLIMITED)
    context = context_of(actor)
    operation = uuid.uuid4().hex if key is None else _operation(actor, key, lines)
    known = registry()
    targets: dict[str, Target] = {}
    steps: list[tuple[str, Any, Step | ImError]] = []
    for number, item in enumerate(read):
        doc_id = item.id
        if item.action == "create" and doc_id is None and not item.fault:
            doc_id = (
                new_id("incident") if key is None else f"i{uuid.uuid5(uuid.NAMESPACE_OID, f'{operation}/{number}')}"
            )
        try:
            _check(item.fault, doc_id)
            if item.action == "create" and item.id is not None:
                access.require_no_id(actor)
            body = checked(
                item.fields,
                context.rules,
                actor,
                doc_id=doc_id,
                kind="incident" if item.action == "create" else None,
                creating=item.action == "create",
                known=known,
            )
        except ImError as error:
            steps.append((item.action, _plain(doc_id), error))
            continue
        if body.new:
            known = registry()
        step = Step(item.action, body.fields, body.rev, change_id(operation, number, doc_id))
        steps.append((item.action, doc_id, step))
        target = targets.setdefault(doc_id, Target(None, doc_id, [], suspect=key is not None))
        if item.action == "create" and not target.steps:
            target.kind = "incident"
        target.steps.append(step)
    named = sorted({name for _action, _id, step in steps if isinstance(step, Step) for name in step.fields})
    details = {"what": "bulkUpdate", "items": len(read), "documents": len(targets), "fields": named[:100]}
    record("bulk", user=actor.username, details=details)
    _write(list(targets.values()), context)
    items = [{action: _answer(doc_id, step)} for action, doc_id, step in steps]
    return BulkResult(round((time.perf_counter() - started) * 1000), items)


def _operation(actor: Actor, key: str, lines: bytes) -> str:
    """Return the same name for the same lines of the same user under one key, and another for others."""
    return hashlib.sha256(f"{actor.user_id}/{key}/".encode() + hashlib.sha256(lines).digest()).hexdigest()


def _write(targets: list[Target], context: Any) -> None:
    """Write chunk by chunk; once OpenSearch is gone the rest says so, each line for itself."""
    try:
        batch.write(targets, context)
    except ImError as error:
        for target in targets:
            if not target.done:
                target.fail(error)


def _check(fault: str, doc_id: Any) -> None:
    if fault:
        raise ValidationFailed.field("", fault)
    if not isinstance(doc_id, str):
        raise ValidationFailed.of([Detail("_id", "the id of a document, a text")])
    if reason := id_fault(doc_id):
        raise ValidationFailed.of([Detail("_id", reason)])


def _plain(doc_id: Any) -> Any:
    if isinstance(doc_id, str):
        return doc_id.encode(errors="replace").decode()[:600]
    return None


def _answer(doc_id: Any, step: Step | ImError) -> Json:
    error = step if isinstance(step, ImError) else step.error
    if error is not None:
        return {"_id": doc_id, "status": error.status, "error": error.as_json()["error"]}
    if isinstance(step, Step) and step.result:
        rev = step.document.rev if step.document else step.rev_after
        return {"_id": doc_id, "status": 201 if step.result == "created" else 200, "result": step.result, "rev": rev}
    lost = SearchUnavailable("OpenSearch did not answer; nothing of this line was changed. Send it again.")
    return {"_id": doc_id, "status": lost.status, "error": lost.as_json()["error"]}

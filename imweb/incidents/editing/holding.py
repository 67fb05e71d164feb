"""Taking, finishing and letting go of the lock of aggregation results (`locking` says what it is for)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, ImError, NotFound, VersionConflict
from imweb.incidents.documents import iso, key_of
from imweb.incidents.editing import batch, locking
from imweb.incidents.editing.joining import join_step, texts
from imweb.incidents.editing.rules import Rules
from imweb.incidents.editing.steps import Context
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
# Joining is the program's own doing; it stands under this name in history and in `updated_by`.
ENGINE = Actor(0, "grouping", permissions.ALL)
PATIENCE = 30.0  # seconds
Membership = tuple[str, str, int]  # grouping, id of the result, its number


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def engine_context() -> Context:
    """Return the context of what the grouping engine changes."""
    at = now_ms()
    return Context(ENGINE, Rules.load(), iso(at), at)


def membership_of(stored: Stored) -> Membership:
    """Return what the incidents of a stored aggregation result take in."""
    groupings = texts(stored.source, "incident_aggregation_id")
    return groupings[0], stored.id, int(stored.source["group_number"])


def join(
    wanted: Mapping[str, Sequence[Membership]],
    context: Context,
    settle: Callable[[list[Stored]], object] | None = None,
) -> list[ImError]:
    """Have incidents, by id, join groups whose locks are held; those that are gone stay away, other faults return.

    `settle` is that of `batch.write`.
    """
    targets = [
        batch.Target("incident", doc_id, [join_step(*one, key_of("incident", doc_id)) for one in groups])
        for doc_id, groups in wanted.items()
    ]
    batch.write(targets, context, settle)
    faults = [step.error for target in targets for step in target.steps if step.error is not None]
    return [error for error in faults if not isinstance(error, NotFound)]


def take(wanted: Sequence[tuple[Stored, Json]]) -> list[Stored | None]:
    """Take the locks of aggregation results as they were read; None for one that somebody changed meanwhile."""
    lines: list[Json] = []
    for stored, op in wanted:
        lines += [_index(stored), {**stored.source, "op": op}]
    found: list[Stored | None] = []
    for (stored, op), item in zip(wanted, gateway().bulk(lines), strict=True):
        answer = item["index"]
        taken = answer["status"] in (200, 201)
        source = {**stored.source, "op": op}
        found.append(
            Stored(stored.index, stored.id, source, answer["_seq_no"], answer["_primary_term"]) if taken else None
        )
    return found


def finish(stored: Stored, context: Context) -> None:
    """Do what stands in an expired lock, so that it can be taken over; raises when it could not be done."""
    op = locking.op_of(stored.source)
    if op and op.get("kind") == "join":
        mine = [membership_of(stored)]
        for fault in join(dict.fromkeys(op.get("incidents", ()), mine), context):
            raise fault


def release(owner: str, held: Sequence[Stored]) -> None:
    """Let go of locks that are still this owner's; what cannot be done now expires by itself.

    They are given as they were when they were taken: only what somebody has changed since is read anew.
    """
    deadline = time.monotonic() + PATIENCE
    while held and time.monotonic() < deadline:
        try:
            lines: list[Json] = []
            for stored in held:
                lines += [_index(stored), locking.without(stored.source)]
            answers = [item["index"] for item in gateway().bulk(lines)]
            left = [stored.id for stored, answer in zip(held, answers, strict=True) if answer["status"] == 409]
            read = gateway().mget([(schema.aggregations_alias(), one) for one in left])
        except ImError:
            return
        held = [stored for stored in read if stored and locking.owner_of(stored.source) == owner]


@contextmanager
def spreading(result_id: str, owner: str) -> Iterator[None]:
    """Hold the lock of a group while its incidents are listed and the group itself is changed.

    Raises `NotFound`, and `VersionConflict` when others do not let go of it.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        stored = gateway().get(schema.aggregations_alias(), result_id)
        if stored is None or stored.source.get("deleted"):
            raise NotFound("There is no incident or aggregation result with this id.")
        op = locking.op_of(stored.source)
        if op is None or locking.expired(op, now_ms()):
            finish(stored, engine_context())
            held = take([(stored, locking.spreading_op(owner, now_ms()))])[0]
            if held is not None:
                break
        if time.monotonic() > deadline:
            raise VersionConflict(
                "Incidents are joining this group just now; nothing was changed. Try again in a moment.",
                [Detail("incident_aggregation_result_id", "is locked")],
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        release(owner, [held])


def _index(stored: Stored) -> Json:
    action = {"_index": stored.index, "_id": stored.id}
    return {"index": {**action, "if_seq_no": stored.seq_no, "if_primary_term": stored.primary_term}}

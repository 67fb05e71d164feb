"""Writing documents with their history: one engine for one edit and for ten thousand.

A write reads in real time, applies its steps, and writes under the sequence number that it read; who finds it changed
reads again. The entry is in the document with the change (`pending`), then copied to the history index, and only when
the copy is acknowledged does it leave the document. A process that dies in between leaves it there for the next writer
or the sweep. An answer that never came is settled by reading: the document or the history knows our change id.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from imweb.errors import ImError, SearchTimeout, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.incidents import history
from imweb.incidents.documents import DocKind, document
from imweb.incidents.editing.change import apply
from imweb.incidents.editing.steps import Context, Step, known_changes
from imweb.incidents.pits import note_write
from imweb.opensearch import Stored, gateway, schema
from imweb.opensearch.errors import classify

Json = dict[str, Any]
# A hundred writers of one incident all get through well within this.
PATIENCE = 30.0  # seconds
CHUNK = 500


@dataclass(slots=True)
class Target:
    """One document and the steps wanted on it, in order; `suspect`: they may have been made already."""

    kind: DocKind | None
    id: str
    steps: list[Step]
    suspect: bool = False
    done: bool = False
    # The revision in a job's frozen list: what still stands there cannot have our change yet.
    frozen: int | None = None
    stored: Stored | None = field(default=None, repr=False)

    def fail(self, error: ImError) -> None:
        """Fail every step that has no answer yet."""
        for step in self.steps:
            if step.error is None:
                step.error, step.result = error, ""
        self.done = True


class Settling:
    """Copies the entries of what was written while the next is read and written; waits for the rest when it ends."""

    def __init__(self) -> None:
        self._copying = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Settling:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._copying.shutdown()
        for copy in self._waiting:
            copy.result()

    def __call__(self, written: list[Stored]) -> None:
        """Copy these soon; no more than two chunks are held at once."""
        self._waiting.append(self._copying.submit(history.settle, written))
        while len(self._waiting) > 1:
            self._waiting.popleft().result()


def write(targets: Sequence[Target], context: Context, settle: Callable[[list[Stored]], object] | None = None) -> None:
    """Make the steps of every target; each step carries its outcome afterwards.

    Who writes in several calls gives them one `Settling`; else all is settled when this returns.
    """
    try:
        if settle is not None:
            _write_all(targets, context, settle)
        elif len(targets) <= CHUNK:
            _write_all(targets, context, history.settle)
        else:
            with Settling() as own:
                _write_all(targets, context, own)
    finally:
        note_write(context.actor.user_id)


def _write_all(targets: Sequence[Target], context: Context, settle: Callable[[list[Stored]], object]) -> None:
    for start in range(0, len(targets), CHUNK):
        part = targets[start : start + CHUNK]
        _write_chunk(part, context, settle)
        if len(targets) > 1:
            _shed(part)


def _shed(targets: Sequence[Target]) -> None:
    """Drop the sources of what is done: ten thousand of them would be held until the answer."""
    for target in targets:
        target.stored = None
        for step in target.steps:
            step.rev_after = step.document.rev if step.document else None
            step.document = None


def _write_chunk(targets: Sequence[Target], context: Context, settle: Callable[[list[Stored]], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    attempt = 0
    while open_ := [target for target in targets if not target.done]:
        if attempt:
            # Writers of one document draw apart instead of meeting again.
            time.sleep(random.uniform(0, min(0.2, 0.01 * 2**attempt)))  # noqa: S311 - not a secret
        if time.monotonic() > deadline:
            for target in open_:
                target.fail(_unsettled(target))
            return
        attempt += 1
        try:
            _read(open_)
            _look_for_own(open_, context)
        except (SearchUnavailable, SearchTimeout):
            if any(target.suspect for target in open_) and attempt > 1:
                continue
            raise
        written = _send([(target, new) for target in open_ if not target.done and (new := _next(target, context))])
        settle(written)


def _unsettled(target: Target) -> ImError:
    if target.suspect:
        return SearchUnavailable("OpenSearch did not answer; whether the change was made is not known. Look again.")
    return VersionConflict("Too many others are changing this just now; nothing of yours was saved. Try again.")


def _read(targets: Sequence[Target]) -> None:
    kinds: list[DocKind] = [target.kind or "incident" for target in targets]
    found = gateway().mget([(schema.alias_of(k), t.id) for k, t in zip(kinds, targets, strict=True)])
    for target, stored in zip(targets, found, strict=True):
        target.stored = stored
    # An id alone is an incident's if there is one, else an aggregation result's.
    others = [target for target in targets if target.kind is None and target.stored is None]
    for target, stored in zip(
        others, gateway().mget([(schema.aggregations_alias(), target.id) for target in others]), strict=True
    ):
        target.stored = stored
    for target in targets:
        if target.stored and target.kind is None:
            target.kind = schema.kind_of_index(target.stored.index)  # type: ignore[assignment]  # one of the two
    for target in targets:
        if target.stored and target.stored.source.get("deleted") and target.steps[0].action == "create":
            history.settle([target.stored])
            target.stored = None


def _look_for_own(targets: Sequence[Target], context: Context) -> None:
    """Find the steps that were made already, by us before an answer was lost or by whoever began this job."""
    unsure: list[str] = []
    made: set[str] = set()
    suspects = []
    for target in targets:
        if not target.suspect:
            continue
        if target.frozen is not None and target.stored and target.stored.source.get("rev") == target.frozen:
            continue
        suspects.append(target)
        wanted = {step.change for step in target.steps}
        own = wanted & known_changes(target.stored.source) if target.stored else set()
        made |= own
        unsure += sorted(wanted - own)
    made |= history.known(unsure)
    for target in suspects:
        if any(step.change in made for step in target.steps):
            _made(target, made, context)


def _made(target: Target, made: set[str], context: Context) -> None:
    """Answer for a target that was written already, with all of its steps or none."""
    for step in target.steps:
        if step.change in made:
            step.error, step.result = None, {"create": "created"}.get(step.action, "updated")
        elif step.error is None:
            # It changed nothing then; why, its own words may still tell.
            step.result = "noop"
            try:
                apply(step, target.kind or "incident", target.id, _source(target), context)
            except ImError as error:
                step.error, step.result = error, ""
        if target.stored:
            step.document = document(target.stored.index, target.id, target.stored.source)
    target.done = True


def _source(target: Target) -> Json | None:
    return target.stored.source if target.stored else None


def _next(target: Target, context: Context) -> Json | None:
    """Return the source after all steps of a target, None when there is nothing to write."""
    kind = target.kind or "incident"
    stored, source = target.stored, _source(target)
    index = stored.index if stored else schema.alias_of(kind)
    changed = False
    for step in target.steps:
        step.error, step.result, step.document = None, "noop", None
        try:
            new = apply(step, kind, target.id, source, context)
        except ImError as error:
            step.error, step.result = error, ""
            continue
        if new is not None:
            source, changed = new, True
            step.result = {"create": "created"}.get(step.action, "updated")
        if source is not None:
            step.document = document(index, target.id, source)
    if not changed:
        target.done = True
        return None
    return source


def _send(writes: list[tuple[Target, Json]]) -> list[Stored]:
    """Write documents under what was read of them; return those written, with the tokens of their next write."""
    if not writes:
        return []
    lines: list[Json] = []
    for target, source in writes:
        index = target.stored.index if target.stored else schema.alias_of(target.kind or "incident")
        action: Json = {"_index": index, "_id": target.id}
        if target.stored:
            action |= {"if_seq_no": target.stored.seq_no, "if_primary_term": target.stored.primary_term}
            lines += [{"index": action}, source]
        else:
            lines += [{"create": action}, source]
    try:
        items = gateway().bulk(lines)
    except (SearchUnavailable, SearchTimeout):
        for target, _source in writes:
            target.suspect = True
        return []
    written = []
    for (target, source), item in zip(writes, items, strict=True):
        answer = next(iter(item.values()))
        status = int(answer["status"])
        if status in (200, 201):
            target.done = True
            written.append(Stored(answer["_index"], target.id, source, answer["_seq_no"], answer["_primary_term"]))
            # What was made got its index from the answer; the others were read from theirs.
            if target.stored is None and len(target.steps) == 1 and target.steps[0].document is not None:
                target.steps[0].document = document(answer["_index"], target.id, source)
        elif status == 409:
            continue
        elif status == 429 or status >= 500:
            # Busy or a copy lost: whether it was written is found out before it is tried again.
            target.suspect = True
        else:
            target.fail(_refused(answer))
    return written


def _refused(answer: Json) -> ImError:
    error = classify({"error": answer.get("error")}, int(answer["status"]))
    reason = error.details[0].reason if error.details else error.reason
    return ValidationFailed.field("", f"OpenSearch refused the document: {reason}")

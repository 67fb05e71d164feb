"""Running jobs: chunk by chunk, each document once, by whoever holds the row.

The process that was asked runs the job itself for as long as its caller waits, so that small ones need no worker at
all; then it lets go and nudges one. Killed, it leaves a heartbeat that grows stale, and beat nudges. Two that run the
same job for a moment do no harm: a change's id is the job's and the document's, and what is known is not done again.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.utils import timezone

from imweb.errors import ImError, PermissionDenied, SearchTimeout, SearchUnavailable, VersionConflict
from imweb.incidents import history
from imweb.incidents.documents import key_of
from imweb.incidents.editing import batch
from imweb.incidents.editing.single import context_of
from imweb.incidents.editing.steps import Step, change_id, known_changes
from imweb.incidents.jobs import store
from imweb.incidents.models import Job, JobChunk
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
log = logging.getLogger(__name__)


def run(job_id: str, *, seconds: float | None = None) -> bool:
    """Run a job to its end, or for so many seconds; return whether it is finished."""
    deadline = None if seconds is None else time.monotonic() + seconds
    owner = store.claim(job_id)
    if owner is None:
        return not Job.objects.filter(pk=job_id, state__in=store.UNFINISHED).exists()
    job = Job.objects.get(pk=job_id)
    try:
        return _run(job, owner, deadline)
    except (SearchUnavailable, SearchTimeout) as error:
        # What is done is done; the rest waits for OpenSearch.
        log.warning("job %s waits: %s", job_id, error.reason)
        return False
    finally:
        store.release(job_id, owner)


def _run(job: Job, owner: str, deadline: float | None) -> bool:
    with batch.Settling() as settling:
        while (chunk := JobChunk.objects.filter(job=job, result__isnull=True).order_by("number").first()) is not None:
            if deadline is not None and time.monotonic() > deadline:
                return False
            result = _do(job, chunk, settling)
            JobChunk.objects.filter(pk=chunk.pk, result__isnull=True).update(result=result)
            if not store.alive(job.pk, owner):
                return False
    # Every entry stands in the history before anybody is told that it is finished.
    store.finish(job.pk, owner)
    return True


def run_or_hand_over(job_id: str, seconds: float) -> bool:
    """Run a job for as long as its caller waits, then hand it to a worker; return whether it is finished."""
    if run(job_id, seconds=seconds):
        return True
    nudge(job_id)
    return False


def nudge(job_id: str) -> None:
    """Ask a worker to run a job; without Redis beat does it later."""
    from imweb.incidents.tasks import run_job

    try:
        run_job.apply_async((job_id,), retry=False)
    except Exception as error:  # kombu's errors are those of every transport
        log.warning("job %s could not be handed to a worker: %s", job_id, error)


def resume() -> list[str]:
    """Nudge the jobs whose process is gone; return their ids."""
    old = timezone.now() - store.STALE
    found = []
    for job in Job.objects.filter(state__in=store.UNFINISHED, heartbeat_at__lt=old):
        if job.state == "preparing" and not _began(job):
            store.abandon(job, "the process ended before it began; nothing was changed")
            continue
        store.start(job)
        nudge(job.pk)
        found.append(job.pk)
    return found


def _began(job: Job) -> bool:
    """Return whether the aggregation result itself was changed already: then its incidents follow."""
    result_id = job.params.get("result_id")
    if result_id is None:
        return False
    stored = gateway().get(schema.aggregations_alias(), result_id)
    change = change_id(job.pk, 0, key_of("aggregation", result_id))
    return (stored is not None and change in known_changes(stored.source)) or change in history.known([change])


def _category(error: ImError) -> str:
    match error:
        case VersionConflict():
            return "conflicted"
        case PermissionDenied():
            return "denied"
        case _:
            return "failed"


def _do(job: Job, chunk: JobChunk, settling: batch.Settling) -> Json:
    targets = []
    for kind, doc_id, rev in chunk.items:
        key = key_of(kind, doc_id)
        if job.kind == "undo":
            fields, seen = {"change": change_id(job.params["of"], 0, key)}, None
        else:
            fields, seen = job.params["changes"], rev
        action, by_settings = "undo" if job.kind == "undo" else "update", bool(job.params.get("settings"))
        step = Step(action, fields, seen, change_id(job.pk, 0, key), settings=by_settings)
        targets.append(batch.Target(kind, doc_id, [step], suspect=True, frozen=rev))
    batch.write(targets, context_of(store.actor_of_job(job)), settling)
    result: Json = {"updated": 0, "unchanged": 0, "conflicted": 0, "failed": [], "faults": []}
    for (kind, doc_id, _rev), target in zip(chunk.items, targets, strict=True):
        step = target.steps[0]
        if step.error is not None:
            result["faults"].append(
                {"key": key_of(kind, doc_id), "category": _category(step.error), "reason": step.error.reason}
            )
        if isinstance(step.error, VersionConflict):
            result["conflicted"] += 1
        elif isinstance(step.error, SearchUnavailable | SearchTimeout):
            raise step.error
        elif isinstance(step.error, ImError):
            result["failed"].append({"id": target.id, "reason": step.error.reason})
        else:
            result["unchanged" if step.result == "noop" else "updated"] += 1
    return result

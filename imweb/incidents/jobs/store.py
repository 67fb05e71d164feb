"""The rows of long work: begun, claimed, kept alive, finished; the database decides, Celery and Redis only nudge."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.audit.trail import record
from imweb.errors import Detail, NotFound, VersionConflict
from imweb.incidents.models import Job, JobChunk

Json = dict[str, Any]
Item = tuple[str, str, int]  # kind, id, revision as frozen
STALE = timedelta(seconds=30)
UNDO = timedelta(minutes=10)
CHUNK = 500
RELEASED = datetime(1970, 1, 1, tzinfo=UTC)
UNFINISHED = ("preparing", "running")
TEXTS = frozenset({"comment", "description", "title", "resolution_note"})


@dataclass(frozen=True, slots=True)
class Task:
    """How far a job is; `counts` holds matched, updated, unchanged, conflicted and failed [{id, reason}]."""

    id: str
    kind: str
    state: str
    counts: Json
    created_at: str
    finished_at: str | None
    undo_until: str | None

    @property
    def finished(self) -> bool:
        """Return whether nothing more will happen."""
        return self.state not in UNFINISHED

    def as_json(self) -> Json:
        """Return the task in the API's shape."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "finished": self.finished,
            **self.counts,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "undo_until": self.undo_until,
        }


def begin(kind: str, actor: Actor, params: Json, *, lock: str | None = None) -> Job:
    """Make the row of a job that is being prepared; `VersionConflict` while another holds the same lock."""
    stated = {
        **params,
        "permissions": sorted(actor.permissions),
        "rows": None if actor.rows is None else list(actor.rows),
        "hidden": sorted(actor.hidden),
    }
    job_id = uuid.uuid4().hex
    try:
        with transaction.atomic():
            return Job.objects.create(
                id=job_id, kind=kind, user_id=actor.user_id, username=actor.username, params=stated, lock=lock
            )
    except IntegrityError:
        other = Job.objects.filter(lock=lock).first() if lock else None
        if other is None:
            raise
        raise VersionConflict(
            f"{other.username} is changing the same incidents just now; try again when that is done.",
            [Detail("task", "is running", {"task": other.id, "user": other.username})],
        ) from None


def actor_of_job(job: Job) -> Actor:
    """Return whoever began a job, with what he might do and see then."""
    rows, hidden = job.params.get("rows"), frozenset(job.params.get("hidden", ()))
    granted = frozenset(job.params["permissions"])
    return Actor(job.user_id or 0, job.username, granted, rows=None if rows is None else tuple(rows), hidden=hidden)


def freeze(job: Job, items: Iterable[Item]) -> int:
    """Write the frozen list of a job in chunks; return its length."""
    part: list[Item] = []
    number = total = 0
    for item in items:
        part.append(item)
        if len(part) == CHUNK:
            JobChunk.objects.create(job=job, number=number, items=part)
            Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now())
            number, total, part = number + 1, total + len(part), []
    if part:
        JobChunk.objects.create(job=job, number=number, items=part)
        total += len(part)
    Job.objects.filter(pk=job.pk).update(total=total)
    return total


def start(job: Job) -> None:
    """Let a prepared job run."""
    with transaction.atomic():
        begun = Job.objects.filter(pk=job.pk, state="preparing")
        if not begun.update(state="running", heartbeat_at=RELEASED, owner=""):
            return
        _note(Job.objects.get(pk=job.pk))


def _note(job: Job) -> None:
    # What was written into an incident is for its history; here stands who changed which fields of how many.
    changes = {name: value for name, value in (job.params.get("changes") or {}).items() if name not in TEXTS}
    record(
        "bulk",
        user=job.username,
        target=str(job.params.get("result_id") or ""),
        new=changes,
        details={"what": job.kind, "matched": job.total, "task": job.pk},
    )


def abandon(job: Job, reason: str) -> None:
    """End a job that never began."""
    Job.objects.filter(pk=job.pk, state="preparing").update(
        state="cancelled", lock=None, finished_at=timezone.now(), result={"reason": reason}
    )


def stop(job_id: str, by: str) -> bool:
    """End a job that is not finished, after the chunk that is being written; what it changed stays changed."""
    unfinished = Job.objects.filter(pk=job_id[:40], state__in=UNFINISHED)
    # Its runner finds that it owns the job no more.
    return bool(
        unfinished.update(
            state="cancelled", owner="", lock=None, finished_at=timezone.now(), result={"reason": f"stopped by {by}"}
        )
    )


def claim(job_id: str) -> str | None:
    """Take a running job whose owner is gone or let go; return the owner's mark, None when it is not to be had."""
    owner = uuid.uuid4().hex
    free = Q(owner="") | Q(heartbeat_at__lt=timezone.now() - STALE)
    taken = Job.objects.filter(free, pk=job_id, state="running").update(owner=owner, heartbeat_at=timezone.now())
    return owner if taken else None


def alive(job_id: str, owner: str) -> bool:
    """Say that the owner lives; False when somebody else has taken the job."""
    return bool(Job.objects.filter(pk=job_id, owner=owner).update(heartbeat_at=timezone.now()))


def release(job_id: str, owner: str) -> None:
    """Let a job go so that anybody may take it on at once."""
    Job.objects.filter(pk=job_id, owner=owner).update(owner="", heartbeat_at=RELEASED)


def finish(job_id: str, owner: str) -> None:
    """Sum up the chunks and end the job."""
    counts = summed(job_id)
    Job.objects.filter(pk=job_id, owner=owner, state="running").update(
        state="done", owner="", lock=None, finished_at=timezone.now(), result=counts
    )


def summed(job_id: str) -> Json:
    """Return the counts of the chunks that are done."""
    counts: Json = {"updated": 0, "unchanged": 0, "conflicted": 0, "failed": []}
    for result in JobChunk.objects.filter(job_id=job_id, result__isnull=False).values_list("result", flat=True):
        for name in ("updated", "unchanged", "conflicted"):
            counts[name] += result[name]
        counts["failed"] += result["failed"]
    return counts


def faults(job_id: str, limit: int = 10_000) -> list[Json]:
    """Return the documents that were not changed and why: key, category (conflicted, denied, failed) and reason."""
    found: list[Json] = []
    for result in JobChunk.objects.filter(job_id=job_id, result__isnull=False).values_list("result", flat=True):
        found += result.get("faults", [])
        if len(found) >= limit:
            break
    return found[:limit]


def get_task(actor: Actor, job_id: str) -> Task:
    """Return how far a job is; raises `NotFound`, also for another user's."""
    job = Job.objects.filter(pk=job_id[:40]).first()
    if job is None or not (job.user_id == actor.user_id or actor.may(permissions.USERS)):
        raise NotFound("There is no task with this id.")
    return task_of(job)


def task_of(job: Job) -> Task:
    """Return a job as its user sees it."""
    counts = job.result if job.state == "done" else summed(job.pk)
    until = job.finished_at + UNDO if job.finished_at and job.state == "done" and job.kind != "undo" else None
    return Task(
        job.pk,
        job.kind,
        job.state,
        {"matched": job.total, **counts},
        job.created_at.isoformat(),
        job.finished_at.isoformat() if job.finished_at else None,
        until.isoformat() if until else None,
    )


def wait(job_id: str, seconds: float) -> None:
    """Return when a job that somebody else runs is finished, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and Job.objects.filter(pk=job_id, state__in=UNFINISHED).exists():
        time.sleep(0.1)

"""Jobs that users begin: a change of everything that matches, and taking one back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import NotFound, ValidationFailed, VersionConflict
from imweb.incidents.access import require_editable
from imweb.incidents.editing.bodies import checked
from imweb.incidents.editing.rules import Rules
from imweb.incidents.jobs import frozen, runner, store
from imweb.incidents.jobs.store import Item, Task
from imweb.incidents.models import Job, JobChunk
from imweb.incidents.params import ListQuery, StatisticsQuery
from imweb.incidents.resultset import result_set

SMALL = 500


def require_bulk(actor: Actor, count: int) -> None:
    """Raise `PermissionDenied` when the actor may not change so many at once."""
    if not (count <= SMALL and actor.may(permissions.BULK)):
        actor.require(permissions.BULK_UNLIMITED)


def bulk_matching(
    actor: Actor,
    query: ListQuery | StatisticsQuery,
    pit: str | None,
    changes: Mapping[str, Any],
    *,
    seconds: float = 2.0,
    settings: bool = False,
) -> Task:
    """Change everything that a query matches in a point in time; the answer waits so many seconds.

    `settings`: because the settings changed, not because somebody judged. Who changed the same field after the point in
    time is not overwritten. Raises what the query and the body raise.
    """
    require_bulk(actor, 0)
    rules = Rules.load()
    body = checked(changes, rules, actor, doc_id=None, kind=None)
    require_editable(body.fields, rules.access)
    if not body.fields:
        raise ValidationFailed.field("", "name at least one field to change")
    job = store.begin("bulk", actor, {"changes": body.fields, "settings": settings})
    try:
        with result_set(actor, query.filters, pit, snapshot=True) as found:
            items = frozen.walk(found.reader.search, found.reader.clauses.query())
            total = store.freeze(job, items)
        require_bulk(actor, total)
    except BaseException:
        store.abandon(job, "it could not be prepared")
        raise
    store.start(job)
    runner.run_or_hand_over(job.pk, seconds)
    return store.get_task(actor, job.pk)


@dataclass(frozen=True, slots=True)
class Recent:
    """A change that can still be taken back: its task, and the fields that it set."""

    task: Task
    changes: Mapping[str, Any]


def recent(actor: Actor) -> list[Recent]:
    """Return the actor's changes that can still be taken back, the latest first."""
    since = timezone.now() - store.UNDO
    mine = Job.objects.filter(user_id=actor.user_id, state="done", finished_at__gte=since).order_by("-finished_at")
    undone = {job.params.get("of") for job in mine if job.kind == "undo"}
    return [
        Recent(task, job.params.get("changes") or {})
        for job in mine
        if job.kind != "undo" and job.pk not in undone and (task := store.task_of(job)).counts.get("updated")
    ]


def undo(actor: Actor, job_id: str, *, seconds: float = 2.0) -> Task:
    """Take back what a job changed, where nobody has touched it since; within ten minutes of its end."""
    job = Job.objects.filter(pk=job_id[:40], user_id=actor.user_id).first()
    if job is None or job.kind == "undo":
        raise NotFound("There is no task with this id that could be taken back.")
    if job.state != "done" or job.finished_at is None:
        raise VersionConflict("This is not finished yet; take it back when it is.")
    if timezone.now() > job.finished_at + store.UNDO:
        raise VersionConflict("It was finished more than ten minutes ago and cannot be taken back any more.")
    return _undone(actor, job, seconds)


def undo_with_settings(actor: Actor, job_id: str, *, seconds: float = 2.0) -> Task:
    """Take back a job of a change of settings, whoever began it, whenever it ended and however far it got."""
    actor.require(permissions.SETTINGS)
    job = Job.objects.filter(pk=job_id[:40]).exclude(kind="undo").exclude(state__in=store.UNFINISHED).first()
    if job is None:
        raise NotFound("There is no finished task with this id.")
    return _undone(actor, job, seconds)


def _undone(actor: Actor, job: Job, seconds: float) -> Task:
    undoing = store.begin("undo", actor, {"of": job.pk}, lock=f"undo/{job.pk}")
    store.freeze(undoing, _items_of(job))
    store.start(undoing)
    runner.run_or_hand_over(undoing.pk, seconds)
    return store.get_task(actor, undoing.pk)


def _items_of(job: Job) -> Iterator[Item]:
    # The revisions are those before the job; its own changes are later, so none may be taken for untouched.
    if result_id := job.params.get("result_id"):
        yield "aggregation", result_id, -1
    for chunk in JobChunk.objects.filter(job=job).order_by("number").iterator():
        for kind, doc_id, _rev in chunk.items:
            yield kind, doc_id, -1

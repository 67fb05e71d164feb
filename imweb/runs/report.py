"""The background work as the system page shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from imweb import redis
from imweb.errors import ImError, NotFound
from imweb.runs import watching
from imweb.runs.models import FailedTask

# Heartbeats come every five seconds.
SILENT_SECONDS = 20.0
FORGOTTEN_SECONDS = 86_400.0
# Beat sends the most frequent task every five seconds.
LATE_SECONDS = 60.0


class QueueDown(ImError):
    """Redis does not take a task now; nothing was sent."""

    type = "queue_unavailable"
    status = 503


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by its last heartbeat, `seen_seconds` ago; `active` tasks are being run, `done` were."""

    name: str
    seen_seconds: float
    active: int
    done: int

    @property
    def alive(self) -> bool:
        """Return whether it told of itself just now."""
        return self.seen_seconds <= SILENT_SECONDS


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One task of beat; times are seconds ago, None for never as far as is known."""

    name: str
    every_seconds: float
    sent: float | None = None
    ended: float | None = None
    took_ms: int | None = None
    state: str = ""

    @property
    def late(self) -> bool:
        """Return whether it should have run again long ago."""
        return self.ended is None or self.ended > 3 * self.every_seconds + LATE_SECONDS


@dataclass(frozen=True, slots=True)
class Background:
    """Queue, workers and beat at one moment; `problem` says why nothing of it is known."""

    problem: str = ""
    version: str = ""
    memory: str = ""
    waiting: int = 0
    taken: int = 0
    workers: Sequence[Worker] = field(default_factory=tuple)
    scheduled: Sequence[Scheduled] = field(default_factory=tuple)

    @property
    def alive(self) -> int:
        """Return how many workers live."""
        return sum(worker.alive for worker in self.workers)

    @property
    def beat_seconds(self) -> float | None:
        """Return how long ago beat sent anything, None when it is not known to have."""
        return min((task.sent for task in self.scheduled if task.sent is not None), default=None)

    @property
    def beat_alive(self) -> bool:
        """Return whether beat sent something lately."""
        return self.beat_seconds is not None and self.beat_seconds <= LATE_SECONDS


def background() -> Background:
    """Return what Redis knows of the background work."""
    prefix = f"{settings.IM_REDIS_PREFIX}:"
    schedule: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    try:
        with redis.client().pipeline(transaction=False) as pipe:
            pipe.info()
            pipe.llen(prefix + settings.CELERY_TASK_DEFAULT_QUEUE)
            # Where kombu keeps what a worker has taken and not acknowledged.
            pipe.hlen(prefix + "unacked")
            pipe.hgetall(watching.workers_key())
            for entry in schedule.values():
                pipe.hgetall(watching.task_key(entry["task"]))
            info, waiting, taken, workers, *runs = pipe.execute()
    except RedisError as error:
        return Background(problem=str(error))
    now = time.time()
    return Background(
        version=str(info["redis_version"]),
        memory=str(info["used_memory_human"]),
        waiting=int(waiting),
        taken=int(taken),
        workers=sorted(_workers(workers, now), key=lambda worker: worker.name),
        scheduled=[
            _scheduled(entry["task"], _seconds(entry["schedule"]), run, now)
            for entry, run in zip(schedule.values(), runs, strict=True)
        ],
    )


def failed() -> list[FailedTask]:
    """Return what failed and has not succeeded since, the latest first."""
    return list(FailedTask.objects.all()[:100])


def retry(pk: int) -> FailedTask:
    """Send a failed task again with its arguments; raises `NotFound`, `QueueDown`."""
    row = _find(pk)
    current_app.loader.import_default_modules()
    if row.task not in current_app.tasks:
        raise NotFound(f"This version of the program has no task {row.task}; set it aside.")
    try:
        # Asked first: Celery's own connection tries for many seconds.
        redis.client().ping()
        current_app.send_task(row.task, row.args, row.kwargs, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        raise QueueDown(f"The queue does not answer, so nothing was sent: {error}") from None
    FailedTask.objects.filter(pk=pk).update(retried_at=timezone.now())
    return row


def set_aside(pk: int) -> FailedTask:
    """Forget a failed task; raises `NotFound`."""
    row = _find(pk)
    FailedTask.objects.filter(pk=pk).delete()
    return row


def _find(pk: int) -> FailedTask:
    row = FailedTask.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such failed task any more: it has succeeded since, or somebody set it aside.")
    return row


def _workers(found: dict[str, str], now: float) -> list[Worker]:
    workers = []
    for name, text in found.items():
        said = json.loads(text)
        seen = max(now - float(said["at"]), 0.0)
        if seen < FORGOTTEN_SECONDS:
            workers.append(Worker(name, seen, int(said["active"]), int(said["done"])))
    return workers


def _scheduled(name: str, every: float, run: dict[str, str], now: float) -> Scheduled:
    def ago(key: str) -> float | None:
        return max(now - float(run[key]), 0.0) if run.get(key) else None

    took = run.get("took_ms")
    return Scheduled(name, every, ago("sent"), ago("ended"), int(took) if took else None, run.get("state", ""))


def _seconds(schedule: Any) -> float:
    if isinstance(schedule, int | float):
        return float(schedule)
    if isinstance(schedule, timedelta):
        return schedule.total_seconds()
    # A crontab has no one interval: the time to its next turn but one is what may pass.
    return float(schedule.remaining_estimate(datetime.now(UTC)).total_seconds())

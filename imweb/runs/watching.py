"""Writing down what Celery tells: a heartbeat of each worker, the last run of each task, what failed.

Nothing here may hold up or fail a task: without Redis or the database it goes untold, and the log has it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from billiard.exceptions import WorkerLostError
from celery import signals
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import F
from django.utils import timezone
from redis.exceptions import RedisError

from imweb import redis
from imweb.runs.models import FailedTask

log = logging.getLogger(__name__)
KEPT_SECONDS: Final = 7 * 86_400
BEATS_SECONDS: Final = 5.0
MAX_ERROR = 1_000
MAX_TRACE = 8_000
FAILED_KEPT = timedelta(days=30)
# A connection's address may carry its password into an error's text.
_LOGIN = re.compile(r"(?<=://)\S*@")
_began: dict[str, float] = {}
_beat = False
_last_heartbeat = 0.0


def connect() -> None:
    """Connect the receivers, once."""
    for signal, receiver in (
        (signals.beat_init, _in_beat),
        (signals.beat_embedded_init, _in_beat),
        (signals.after_task_publish, _sent),
        (signals.heartbeat_sent, _alive),
        (signals.worker_shutdown, _gone),
        (signals.task_prerun, _began_one),
        (signals.task_postrun, _ended_one),
        (signals.task_failure, _failed),
    ):
        signal.connect(receiver, dispatch_uid=f"runs.{receiver.__name__}")


def task_key(name: str) -> str:
    """Return the key of the hash that tells of a task's last run."""
    return redis.key("runs", "task", name)


def workers_key() -> str:
    """Return the key of the hash that holds each worker's last heartbeat."""
    return redis.key("runs", "workers")


def digest_of(task: str, args: Any, kwargs: Any) -> str:
    """Return what is the same for the same task with the same arguments."""
    return hashlib.sha256(json.dumps([task, args, kwargs], sort_keys=True, default=str).encode()).hexdigest()


def _tell(name: str, fields: Mapping[str, Any]) -> None:
    try:
        with redis.client().pipeline(transaction=False) as pipe:
            pipe.hset(task_key(name), mapping={key: str(value) for key, value in fields.items()})
            pipe.expire(task_key(name), KEPT_SECONDS)
            pipe.execute()
    except RedisError as error:
        log.warning("the run of %s is not written down: %s", name, error)


def _in_beat(**_more: Any) -> None:
    global _beat
    _beat = True


def _sent(sender: str | None = None, **_more: Any) -> None:
    if _beat and sender:
        _tell(sender, {"sent": time.time()})


def _alive(sender: Any = None, **_more: Any) -> None:
    global _last_heartbeat
    if time.monotonic() - _last_heartbeat < BEATS_SECONDS:
        return
    _last_heartbeat = time.monotonic()
    from celery.worker.state import active_requests, total_count

    said = {"at": time.time(), "active": len(active_requests), "done": sum(total_count.values())}
    try:
        redis.client().hset(workers_key(), sender.eventer.hostname, json.dumps(said))
    except RedisError as error:
        log.warning("the heartbeat is not written down: %s", error)


def _gone(sender: Any = None, **_more: Any) -> None:
    try:
        redis.client().hdel(workers_key(), str(getattr(sender, "hostname", "")))
    except RedisError as error:
        log.warning("the end is not written down: %s", error)


def _began_one(task_id: str = "", task: Any = None, **_more: Any) -> None:
    _began[task_id] = time.monotonic()
    _tell(task.name, {"began": time.time()})


def _ended_one(
    task_id: str = "", task: Any = None, args: Any = (), kwargs: Any = None, state: str | None = None, **_more: Any
) -> None:
    started = _began.pop(task_id, None)
    took = "" if started is None else round((time.monotonic() - started) * 1000)
    _tell(task.name, {"ended": time.time(), "took_ms": took, "state": state or ""})
    if state == "SUCCESS":
        _mended(digest_of(task.name, list(args), dict(kwargs or {})))


def _mended(digest: str) -> None:
    try:
        # Looking first: a deletion would wait for the write lock after every run.
        if FailedTask.objects.filter(digest=digest).exists():
            FailedTask.objects.filter(digest=digest).delete()
    except DatabaseError as error:
        log.warning("a failure that is mended stays: %s", error)


def _failed(
    sender: Any = None, exception: Any = None, args: Any = (), kwargs: Any = None, einfo: Any = None, **_more: Any
) -> None:
    try:
        _keep(sender, exception, list(args or ()), dict(kwargs or {}), str(getattr(einfo, "traceback", "") or ""))
    except (DatabaseError, TypeError) as error:
        log.warning("the failure of %s is not written down: %s", getattr(sender, "name", sender), error)
    finally:
        if isinstance(exception, WorkerLostError):
            # Told in the process that forks the others; they must not share its connection.
            connections.close_all()


def _keep(sender: Any, exception: BaseException, args: list[Any], kwargs: dict[str, Any], trace: str) -> None:
    now = timezone.now()
    digest = digest_of(sender.name, args, kwargs)
    fields = {
        "error": _LOGIN.sub("…@", f"{type(exception).__name__}: {exception}")[:MAX_ERROR],
        "trace": _LOGIN.sub("…@", trace)[-MAX_TRACE:],
        "worker": str(getattr(sender.request, "hostname", "") or "")[:200],
        "last_at": now,
    }
    FailedTask.objects.filter(last_at__lt=now - FAILED_KEPT).delete()
    if _count(digest, fields):
        return
    try:
        with transaction.atomic():
            FailedTask.objects.create(digest=digest, task=sender.name, args=args, kwargs=kwargs, first_at=now, **fields)
    except IntegrityError:
        # The same failed in another process at this very moment.
        _count(digest, fields)


def _count(digest: str, fields: Mapping[str, Any]) -> bool:
    return bool(FailedTask.objects.filter(digest=digest).update(count=F("count") + 1, **fields))

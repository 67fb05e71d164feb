"""What the system page shows of OpenSearch, Redis, the queue and the jobs; each part says by itself when it is away."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

import django
from django.conf import settings
from redis.exceptions import RedisError

from imweb import __version__, redis
from imweb.errors import ImError
from imweb.incidents.models import CustomField, Job
from imweb.opensearch import gateway, schema

MAX_JOBS = 20


@dataclass(frozen=True, slots=True)
class Index:
    """One index of ours; `size` is in bytes."""

    name: str
    health: str
    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A node's disk, in bytes."""

    node: str
    used: int
    total: int

    @property
    def percent(self) -> int:
        """Return the used share."""
        return round(100 * self.used / self.total) if self.total else 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """OpenSearch at this moment; `problem` says why nothing else is known."""

    problem: str = ""
    name: str = ""
    version: str = ""
    status: str = ""
    nodes: int = 0
    shards: int = 0
    unassigned: int = 0
    indices: list[Index] = field(default_factory=list)
    disks: list[Disk] = field(default_factory=list)
    limited: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """Redis and the tasks that wait in it."""

    problem: str = ""
    version: str = ""
    memory: str = ""
    waiting: int = 0


def cluster() -> Cluster:
    """Return what OpenSearch says of itself."""
    try:
        info, health = gateway().info(), gateway().health()
    except ImError as error:
        return Cluster(problem=error.reason)
    indices, disks, limited = [], [], ""
    try:
        found = gateway().raw(
            "GET", f"/_cat/indices/{settings.IM_INDEX_PREFIX}-*", params={"format": "json", "bytes": "b", "s": "index"}
        )
        indices = [_index(row) for row in found]
        stats = gateway().raw("GET", "/_nodes/stats/fs")
        disks = [_disk(node) for node in stats["nodes"].values()]
    except ImError as error:
        # A service account with least privilege may not ask for these.
        limited = error.reason
    return Cluster(
        name=info["cluster_name"],
        version=info["version"]["number"],
        status=health["status"],
        nodes=health["number_of_nodes"],
        shards=health["active_shards"],
        unassigned=health["unassigned_shards"],
        indices=indices,
        disks=disks,
        limited=limited,
    )


def _index(row: dict[str, Any]) -> Index:
    return Index(row["index"], row["health"], int(row["docs.count"] or 0), int(row["store.size"] or 0))


def _disk(node: dict[str, Any]) -> Disk:
    total = int(node["fs"]["total"]["total_in_bytes"])
    return Disk(node["name"], total - int(node["fs"]["total"]["available_in_bytes"]), total)


def queue() -> Queue:
    """Return what Redis holds for the workers."""
    name = f"{settings.IM_REDIS_PREFIX}:{settings.CELERY_TASK_DEFAULT_QUEUE}"
    try:
        info: Any = redis.client().info()
        waiting: Any = redis.client().llen(name)
    except RedisError as error:
        return Queue(problem=str(error))
    return Queue(version=info["redis_version"], memory=info["used_memory_human"], waiting=int(waiting))


def jobs() -> list[Job]:
    """Return the jobs that are not finished, and the last that are."""
    return sorted(Job.objects.all()[:MAX_JOBS], key=lambda job: job.finished_at is not None)


def versions() -> list[tuple[str, str]]:
    """Return the versions of what runs here."""
    return [
        ("Incident Manager", __version__),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Index prefix", settings.IM_INDEX_PREFIX),
        ("Indices", ", ".join(schema.document_aliases())),
    ]


def waiting_fields() -> list[CustomField]:
    """Return the custom fields that OpenSearch does not know yet."""
    return list(CustomField.objects.filter(mapped=False))

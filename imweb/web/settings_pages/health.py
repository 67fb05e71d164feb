"""What the system page shows of OpenSearch, of jobs and of what waits; each part says by itself when it is away."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

from imweb import __version__
from imweb.audit import trail
from imweb.errors import ImError
from imweb.incidents.jobs.store import STALE, UNFINISHED
from imweb.incidents.models import CustomField, Job, JobChunk
from imweb.notifications.models import Delivery
from imweb.opensearch import gateway, schema

MAX_JOBS = 20
# A cluster that hangs must not hold up the page that tells of it.
SECONDS = 3


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

    @property
    def full(self) -> str:
        """Return `bad` above OpenSearch's high watermark (90 %), `warn` above its low one (85 %), else nothing."""
        return "bad" if self.percent >= 90 else "warn" if self.percent >= 85 else ""


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


def cluster() -> Cluster:
    """Return what OpenSearch says of itself."""
    try:
        info, health = _ask("/"), _ask("/_cluster/health")
    except ImError as error:
        return Cluster(problem=error.reason)
    limited = ""
    indices: list[Index] = []
    disks: list[Disk] = []
    try:
        indices = _indices()
        disks = [_disk(node) for node in _ask("/_nodes/stats/fs")["nodes"].values()]
    except ImError as error:
        # A service account with still fewer rights than deploy/opensearch/roles.yml gives may not ask for these.
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


def _ask(path: str, **params: str) -> Any:
    return gateway().raw("GET", path, params={**params, "request_timeout": SECONDS})


def _indices() -> list[Index]:
    ours = f"{settings.IM_INDEX_PREFIX}-*"
    health = _ask(f"/_cluster/health/{ours}", level="indices")["indices"]
    figures = _ask(f"/{ours}/_stats/docs,store")["indices"]
    return [
        Index(
            name, health[name]["status"], found["primaries"]["docs"]["count"], found["total"]["store"]["size_in_bytes"]
        )
        for name, found in sorted(figures.items())
        if name in health
    ]


def _disk(node: dict[str, Any]) -> Disk:
    total = int(node["fs"]["total"]["total_in_bytes"])
    return Disk(node["name"], total - int(node["fs"]["total"]["available_in_bytes"]), total)


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job with its progress in items; `stuck` says that nobody works on it although it is not finished."""

    job: Job
    done: int
    stuck: bool


def jobs() -> list[JobLine]:
    """Return the jobs that are not finished, and the last that are."""
    unfinished = Job.objects.filter(state__in=UNFINISHED)
    found = [*unfinished[:MAX_JOBS], *Job.objects.exclude(state__in=UNFINISHED)[:MAX_JOBS]]
    old = timezone.now() - STALE
    lines = []
    for job in found:
        chunks = JobChunk.objects.filter(job=job, result__isnull=False)
        done = job.total if job.state == "done" else sum(len(items) for items in chunks.values_list("items", flat=True))
        lines.append(JobLine(job, done, job.state in UNFINISHED and job.created_at < old and job.heartbeat_at < old))
    return lines


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Messages and audit entries that are on their way."""

    waiting: int
    dead: int
    audit: int


def outgoing() -> Outgoing:
    """Return how much waits to be sent, was given up, and waits for the audit index."""
    return Outgoing(
        Delivery.objects.filter(state__in=Delivery.OPEN).count(),
        Delivery.objects.filter(state=Delivery.DEAD).count(),
        trail.waiting(),
    )


def versions() -> list[tuple[str, str]]:
    """Return the versions of what runs here."""
    return [
        ("Incident Manager", __version__),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Celery", version("celery")),
        ("opensearch-py", version("opensearch-py")),
        (connection.display_name, _database_version()),
        ("Index prefix", settings.IM_INDEX_PREFIX),
        ("Indices", ", ".join(schema.document_aliases())),
    ]


def _database_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version")
        return str(cursor.fetchone()[0])


def waiting_fields() -> list[CustomField]:
    """Return the custom fields that OpenSearch does not know yet."""
    return list(CustomField.objects.filter(mapped=False))

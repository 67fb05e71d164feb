"""What the tests of the points in time share: a look into OpenSearch, a ledger of their own, many threads."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connections

from imweb import redis as imweb_redis
from imweb.incidents import pits
from imweb.incidents.pits import link, local
from imweb.opensearch import client, gateway, schema

T = TypeVar("T")
_numbers = itertools.count()


def write_incident(doc_id: str | None = None, *, user_id: int | None = None) -> str:
    """Write one incident past the editing service and note it as that user's; return its id."""
    doc_id = doc_id or f"i{next(_numbers)}-{secrets.token_hex(3)}"
    source = {"key": f"incident/{doc_id}", "@timestamp": "2026-01-01T00:00:00Z", "title": doc_id}
    gateway().index(schema.incidents_alias(), doc_id, source)
    if user_id is not None:
        pits.note_write(user_id)
    return doc_id


def shows(lease: pits.Lease, doc_id: str) -> bool:
    """Return whether the lease's point in time holds the incident."""
    return _count(lease, {"ids": {"values": [doc_id]}}) == 1


def count(lease: pits.Lease) -> int:
    """Return how many documents the lease's point in time holds."""
    return _count(lease, {"match_all": {}})


def _count(lease: pits.Lease, query: dict[str, Any]) -> int:
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": query,
        "pit": {"id": lease.raw_id, "keep_alive": pits.keep_alive()},
    }
    return int(gateway().search(body)["hits"]["total"]["value"])


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Run the work in so many threads that start at one moment; return what they returned, raise what they raised."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait(30)
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def forget_links() -> None:
    """Let the next call see the settings' servers, as a new process would."""
    for cached in (imweb_redis.client, client.reading, client.writing, gateway):
        cached.cache_clear()
    local.forget()
    link.reset()


@contextmanager
def servers(settings: Any, **urls: str) -> Iterator[None]:
    """Work on other servers than this run's for a while."""
    former = {name: getattr(settings, name) for name in urls}
    for name, url in urls.items():
        setattr(settings, name, url)
    forget_links()
    try:
        yield
    finally:
        for name, url in former.items():
            setattr(settings, name, url)
        forget_links()

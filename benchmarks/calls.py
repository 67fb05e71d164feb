"""Warm keep-alive connections, and how long calls over them take."""

from __future__ import annotations

import base64
import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from imweb.opensearch import gateway

Json = dict[str, Any]
IDLE_SECONDS = 5.0
# OpenSearch names the resources of every task of a long update in a header of its own; Python reads 100 headers.
vars(http.client)["_MAXHEADERS"] = 10_000


class Connection:
    """One connection that stays open; a call returns the bytes of a successful answer."""

    def __init__(self, url: str, token: str | None = None) -> None:
        where = urlsplit(url)
        self.connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=600)
        self.used = 0.0
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        elif where.username:
            secret = base64.b64encode(f"{where.username}:{where.password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {secret}"

    def send(self, method: str, path: str, content: bytes = b"", *, good: Sequence[int] = (200, 201, 202)) -> bytes:
        """Send ready bytes."""
        if time.monotonic() - self.used > IDLE_SECONDS:
            # The server has closed it by now; http.client opens another.
            self.connection.close()
        self.used = time.monotonic()
        self.connection.request(method, path, content, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status not in good:
            raise SystemExit(f"{method} {path} answered {response.status}: {answer[:500]!r}")
        return answer

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Send JSON and read JSON."""
        return json.loads(self.send(method, path, b"" if body is None else encoded(body)))


def encoded(body: Any) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, separators=(",", ":")).encode()


def timed(call: Callable[[], Any]) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def in_turns(rounds: int, *calls: Callable[[int], Any]) -> list[list[float]]:
    """Time calls in turns, so that whatever else the machine does meets them alike; the first tenth warms up."""
    warm = max(3, rounds // 10)
    found: list[list[float]] = [[] for _ in calls]
    for number in range(-warm, rounds):
        for times, call in zip(found, calls, strict=True):
            took = timed(lambda call=call, number=number: call(number))  # type: ignore[misc]
            if number >= 0:
                times.append(took)
    return found


def summary(times: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and the extremes in milliseconds."""
    ordered = sorted(times)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
        "least": round(ordered[0], 2),
        "most": round(ordered[-1], 2),
        "calls": len(ordered),
    }


@contextmanager
def recorded() -> Iterator[list[tuple[str, bytes]]]:
    """Yield the searches that our code sends to OpenSearch meanwhile, as (path, body), to be replayed raw."""
    found: list[tuple[str, bytes]] = []
    kind = type(gateway())
    search = kind.search

    def noting(self: Any, body: Json, *, index: Any = None, **params: Any) -> Json:
        where = "" if index is None else "/" + (index if isinstance(index, str) else ",".join(index))
        asked = {"allow_partial_search_results": "false", **params}
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        found.append((f"{where}/_search?{query}", encoded({"timeout": "25s", **body})))
        return search(self, body, index=index, **params)

    kind.search = noting  # type: ignore[method-assign]
    try:
        yield found
    finally:
        kind.search = search  # type: ignore[method-assign]

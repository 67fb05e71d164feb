"""A thousand analysts page for a minute: how many contexts that keeps open, how long each waits, what is left after."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks import data
from benchmarks.calls import encoded, summary
from benchmarks.ground import LEASE_SECONDS, say
from benchmarks.report import Row
from imweb.accounts.models import ApiToken, Role, User
from imweb.incidents.pits import raw

if TYPE_CHECKING:
    from benchmarks.bench import Bench

Json = dict[str, Any]
SECONDS = 60
STATISTICS = "/_im/incidents_full_types/stats/severity"
THINK = (4.0, 16.0)
"""Seconds that somebody looks at a page before the next one."""
PATIENCE = LEASE_SECONDS + 120


class Watch(threading.Thread):
    """Looks every half second how many contexts of ours OpenSearch holds open."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Count until told to end."""
        while not self.over.wait(0.5):
            self.most = max(self.most, open_contexts())


def open_contexts() -> int:
    """Return the contexts of points in time over our indices that are open now."""
    return sum(raw.listed().values())


def paging(bench: Bench) -> list[Row]:
    """Everybody opens a list and pages on; every other closes it at the end, the rest just vanish."""
    count = bench.options.analysts
    tokens = _tokens(count)
    watch = Watch()
    watch.start()
    times, errors, ended = asyncio.run(_everybody(bench.ground.web_url, tokens))
    say("waiting for the last lease to end")
    while (left := open_contexts()) and time.monotonic() < ended + PATIENCE:
        time.sleep(1)
    after = max(0.0, time.monotonic() - ended - LEASE_SECONDS)
    watch.over.set()
    watch.join()
    found = summary(times)
    return [
        Row(
            f"{count:,} analysts paging for a minute, a call, p50",
            found["p50"],
            None,
            "≤ 40 contexts, none left 2 min after the last lease, no error",
            watch.most <= 40 and not left and not errors,
            f"{len(times):,} calls, p95 {found['p95']:.0f} ms; at most {watch.most} contexts; {len(errors)} errors;"
            f" {left} contexts left {after:.0f} s after the last lease could have ended",
            found | {"most_contexts": watch.most, "errors": errors[:5], "left": left, "seconds_after": round(after)},
        )
    ]


def _tokens(count: int) -> list[str]:
    role = Role.objects.get(name="analyst")
    tokens = []
    for number in range(count):
        user, new = User.objects.get_or_create(username=f"bench-{number:04d}", defaults={"password": "!"})
        if new:
            user.roles.add(role)
        ApiToken.objects.filter(user=user).delete()
        tokens.append(ApiToken.issue(user, "bench", days=1)[1])
    return tokens


async def _everybody(url: str, tokens: list[str]) -> tuple[list[float], list[str], float]:
    times: list[float] = []
    errors: list[str] = []
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(_analyst(url, token, number, until, times, errors) for number, token in enumerate(tokens)))
    return times, errors, time.monotonic()


async def _analyst(url: str, token: str, number: int, until: float, times: list[float], errors: list[str]) -> None:
    rng = random.Random(number)
    await asyncio.sleep(rng.uniform(0, 10))
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)

    async def call(method: str, path: str, body: Json | None = None) -> Json:
        content = b"" if body is None else encoded(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + content)
        await writer.drain()
        status, answer = await _answer(reader)
        times.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        found: Json = json.loads(answer)
        return found

    try:
        lease = (await call("GET", "/_im/incidents/pit"))["id"]
        asked = {**data.window(), "pit": lease, "with_total_docs": True}
        await call("POST", STATISTICS, {**data.window(), "pit": lease, "interval": "auto"})
        page = await call("GET", "/_im/incidents_full_types", asked)
        while time.monotonic() < until:
            await asyncio.sleep(rng.uniform(*THINK))
            page = await call("GET", "/_im/incidents_full_types", {**asked, "search_after": page["next"]})
        if number % 2:
            await call("DELETE", "/_im/incidents/pit", {"id": lease})
    except (OSError, RuntimeError, EOFError, KeyError) as error:
        errors.append(f"{type(error).__name__}: {error}")
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name == "content-length":
            return status, await reader.readexactly(int(value))
    raise RuntimeError(f"no content-length in {head!r}")

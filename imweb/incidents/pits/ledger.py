"""The shared ledger of points in time and leases in Redis: one script a step, so that steps never interleave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from imweb import redis as imweb_redis
from imweb.incidents.pits import link, slots
from imweb.incidents.pits.tokens import Lease

LUA = Path(__file__).parent / "lua"
# OpenSearch looks for expired points in time once a minute; one of 30 s was listed for 78 s (measured).
OPENSEARCH_SWEEP_MS = 75_000
# Others take over from an opener that has not reported by then; what it may have opened stays counted.
OPENING_LOCK_MS = 5_000
# How long the pool believes the cluster's "no" before it asks again.
CEILING_MS = 10_000
OVER_MS = 3_600_000
REQUEST_MS = 60_000
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """A lease was taken on a point in time that others share."""

    epoch: str
    raw_id: str
    created_ms: int
    contexts: int


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to open the next one, with room reserved; `covers` is the write counter it will cover."""

    epoch: str
    reservation: str
    covers: int
    fresh_ms: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is opening one just now."""


@dataclass(frozen=True, slots=True)
class Full:
    """No room; `ending` are (name, raw id) pairs that must be closed now."""

    retry_ms: int
    contexts: int
    limit: int
    cost: int
    ending: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AtLimit:
    """The user holds as many leases as anybody may; the one unused for longest is named."""

    pit: str
    lease: str
    idle_ms: int


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The ledger was emptied or Redis restarted: `begin` first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One point in time as the ledger knows it; times are epoch milliseconds of the Redis server."""

    name: str
    state: str
    with_aggregations: bool | None
    contexts: int
    raw_id: str
    created_ms: int
    joinable: bool
    touched_ms: int
    fresh_ms: int
    leases: int
    users: int
    ends_ms: int
    # How many leases each user holds.
    holders: dict[int, int]


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole ledger at one moment."""

    epoch: str
    now_ms: int
    writes: int
    opened: int
    joined: int
    ceiling: int | None
    entries: list[Entry]


def join(
    user_id: int, with_aggregations: bool, lease: str, *, missed_write: int = 0, as_of_now: bool = False
) -> Joined | Grant | Wait | Full | AtLimit | NewEpoch:
    """Take a lease on a shared point in time that covers the user's last write, or get the right to open one.

    `as_of_now` accepts only one that covers every write and is at most a second old.
    """
    answer = _run(
        "join",
        user_id,
        int(with_aggregations),
        lease,
        lease_ms(user_id),
        settings.IM_PIT_SLOT_MS,
        slots.MAX_SLOT_MS,
        settings.IM_PIT_BUDGET,
        0 if user_id == NOBODY else settings.IM_LEASES_PER_USER,
        2 if with_aggregations else 1,
        missed_write,
        int(as_of_now),
        OPENING_LOCK_MS,
        settings.OPENSEARCH_TIMEOUT * 1000 + gone_ms(),
    )
    match answer[0]:
        case "joined":
            return Joined(answer[1], answer[2], int(answer[3]), int(answer[4]))
        case "open":
            return Grant(answer[1], answer[2], int(answer[3]), int(answer[4]))
        case "wait":
            return Wait()
        case "full":
            ending = answer[5]
            pairs = list(zip(ending[::2], ending[1::2], strict=True))
            return Full(int(answer[1]), int(answer[2]), int(answer[3]), int(answer[4]), pairs)
        case "limit":
            pit, _, oldest = answer[1].partition(":")
            return AtLimit(pit, oldest, int(answer[2]))
    return NewEpoch()


def record(grant: Grant, lease: Lease) -> int:
    """Enter what was opened with its first lease; return the contexts that the pool holds now."""
    answer = _run(
        "record",
        grant.reservation,
        grant.epoch,
        lease.pit,
        lease.raw_id,
        lease.created_ms,
        lease.contexts,
        int(lease.with_aggregations),
        grant.covers,
        grant.fresh_ms,
        lease.user_id,
        lease.id,
        lease_ms(lease.user_id),
    )
    return int(answer[1])


def abandon(grant: Grant, outcome: str) -> int:
    """Give a grant back: outcome `failed` (nothing was opened), `refused` (by the cluster's limit) or `unknown`."""
    return int(_run("abandon", grant.reservation, outcome, CEILING_MS))


def use(lease: Lease) -> str:
    """Renew a lease; return `ok`, `over` or `unknown` (of another epoch, the token alone speaks for it)."""
    return str(_run("use", lease.pit, lease.user_id, lease.id, lease_ms(), lease.epoch))


def adopt(lease: Lease, holders: Iterable[tuple[int, str]]) -> int:
    """Enter a point in time proven ours by a token, with its (user, lease) holders; return how many were taken."""
    flat = [item for holder in holders for item in holder]
    kind = int(lease.with_aggregations)
    return int(_run("adopt", lease.pit, lease.raw_id, lease.created_ms, lease.contexts, kind, lease_ms(), *flat))


def release(pit: str, epoch: str, holders: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """End leases; return how many were alive and the raw id to close when none is left, else an empty text."""
    answer = _run("release", pit, epoch, OVER_MS, *[item for holder in holders for item in holder])
    return int(answer[0]), str(answer[1])


def shorten(lease: Lease, seconds: float) -> bool:
    """Let a lease end sooner unless it is used again."""
    return bool(_run("shorten", lease.pit, lease.user_id, lease.id, int(seconds * 1000)))


def give_way() -> tuple[str, str, str] | None:
    """Take from whoever alone holds the most, two at least, the least recently used; return (name, raw id, user)."""
    answer = _run("yield")
    return (answer[0], answer[1], answer[2]) if answer else None


def close(pit: str) -> str | None:
    """Mark a point in time for closing, whoever holds it; return its raw id."""
    raw_id = _run("close", pit)
    return str(raw_id) if raw_id else None


def closed(pits: Sequence[str]) -> None:
    """Forget points in time whose raw ones are gone."""
    if pits:
        _run("closed", *pits)


def touched(pits: Sequence[str]) -> None:
    """Note that OpenSearch renewed these."""
    if pits:
        _run("touched", *pits)


def note(user_id: int | None) -> int:
    """Raise the write counter after an acknowledged write; return it."""
    return int(_run("note", "" if user_id is None else user_id))


def begin(epoch: str, found: Iterable[tuple[str, int]]) -> str:
    """Begin an epoch unless somebody just did; `found` are (name, contexts) of what may still be open."""
    return str(_run("begin", epoch, gone_ms(), *[item for pit in found for item in pit]))


def leases_of_user(user_id: int) -> list[tuple[str, str]]:
    """Return a user's (pit, lease) pairs."""
    members = link.call(lambda: imweb_redis.client().zrange(f"{prefix()}:user:{user_id}", 0, -1))
    return [(pit, lease) for pit, _, lease in (str(member).partition(":") for member in members)]


def survey(*, sweeping: bool = False) -> Survey | NewEpoch:
    """Return the whole ledger; `sweeping` first marks what has ended as closing."""
    answer = _run("survey", int(sweeping))
    if answer[0] == "epoch":
        return NewEpoch()
    _, epoch, now, writes, opened, joined, ceiling, rows = answer
    entries = sorted((_entry(json.loads(row)) for row in rows), key=lambda entry: (entry.fresh_ms, entry.name))
    return Survey(epoch, int(now), int(writes), int(opened), int(joined), int(ceiling) if ceiling else None, entries)


def sweep_lock(seconds: int) -> bool:
    """Return whether this process may sweep now."""
    return bool(link.call(lambda: imweb_redis.client().set(f"{prefix()}:sweep", "1", nx=True, ex=seconds)))


def lease_ms(user_id: int | None = None) -> int:
    """Return a lease's life from its last use, in milliseconds; one request's own ends soon if the process dies."""
    return min(int(settings.IM_LEASE_SECONDS * 1000), REQUEST_MS if user_id == NOBODY else 10**12)


def gone_ms() -> int:
    """Return after how many milliseconds without use OpenSearch has certainly closed a point in time."""
    return int(settings.IM_PIT_KEEP_ALIVE_SECONDS * 1000 + OPENSEARCH_SWEEP_MS)


def prefix() -> str:
    """Return the ledger's key prefix; the braces keep all keys on one node of a Redis cluster."""
    return imweb_redis.key("{pits}")


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        name=row["name"],
        state=row["state"],
        with_aggregations={"0": False, "1": True}.get(row.get("kind", "")),
        contexts=int(row["cost"]),
        raw_id=row.get("raw", ""),
        created_ms=int(row.get("created", 0)),
        joinable=bool(row["joinable"]),
        touched_ms=int(row.get("touched", 0)),
        fresh_ms=int(row.get("fresh", 0)),
        leases=int(row["leases"]),
        users=int(row["users"]),
        ends_ms=int(row["ends"]),
        holders={int(user): int(held) for user, held in (part.split(":") for part in row["holders"].split())},
    )


@cache
def _source(name: str) -> str:
    return (LUA / "_common.lua").read_text() + (LUA / f"{name}.lua").read_text()


@cache
def _script(client: redis.Redis, name: str) -> Any:
    return client.register_script(_source(name))


def _run(name: str, *args: object) -> Any:
    return link.call(lambda: _script(imweb_redis.client(), name)(keys=[prefix()], args=[str(arg) for arg in args]))

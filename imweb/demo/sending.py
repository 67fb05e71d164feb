"""Send ready `_bulk` bodies of creations: back off and repeat when the node is busy, count what became of each line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from imweb.errors import SearchTimeout, SearchUnavailable
from imweb.opensearch import gateway

Json = dict[str, Any]
T = TypeVar("T")
# Waits of 0.5, 1, 2 … seconds, 30 at most each: about two minutes in all before giving up.
TRIES = 9
_LONGEST_WAIT = 30.0
_MOST_REASONS = 5


@dataclass(slots=True)
class Tally:
    """What became of the lines: counts by index (or alias), and the first few reasons for failures."""

    created: dict[str, int] = field(default_factory=dict)
    existing: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another tally in."""
        for mine, theirs in ((self.created, other.created), (self.existing, other.existing)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.failed += other.failed
        self.reasons = (self.reasons + other.reasons)[:_MOST_REASONS]


def send(data: bytes, *, pause: Callable[[float], None] = time.sleep) -> Tally:
    """Send one body of `create` lines (no newline at the end) and return what became of them.

    Every line has an id of its own and is a creation, so that sending it twice is harmless. Raises
    `SearchUnavailable` or `SearchTimeout` when the node stays busy or away for about two minutes.
    """
    tally = Tally()
    for attempt in range(TRIES):
        try:
            items = gateway().bulk([data])
        except (SearchUnavailable, SearchTimeout):
            if attempt == TRIES - 1:
                raise
        else:
            again = _settle(items, tally, last=attempt == TRIES - 1)
            if not again:
                return tally
            lines = data.split(b"\n")
            data = b"\n".join(line for number in again for line in lines[2 * number : 2 * number + 2])
        pause(min(_LONGEST_WAIT, 0.5 * 2**attempt))
    return tally


def pump(bodies: Iterable[tuple[T, bytes]], *, in_flight: int = 2) -> Iterator[tuple[T, Tally]]:
    """Send bodies while the next ones are being made; yield each one's label with its tally, in order."""
    waiting: deque[tuple[T, Future[Tally]]] = deque()
    with ThreadPoolExecutor(in_flight, thread_name_prefix="bulk") as pool:
        try:
            for label, data in bodies:
                waiting.append((label, pool.submit(send, data)))
                if len(waiting) > in_flight:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _label, future in waiting:
                future.cancel()


def _settle(items: list[Json], tally: Tally, *, last: bool) -> list[int]:
    """Count finished items; return the numbers of those that the node was too busy for."""
    again = []
    for number, item in enumerate(items):
        answer = item["create"]
        status = answer["status"]
        # The concrete index is the alias with a version behind it.
        name = answer["_index"].rpartition("-0")[0] or answer["_index"]
        if status == 201:
            tally.created[name] = tally.created.get(name, 0) + 1
        elif status == 409:
            tally.existing[name] = tally.existing.get(name, 0) + 1
        elif status in (429, 503) and not last:
            again.append(number)
        else:
            tally.failed += 1
            if len(tally.reasons) < _MOST_REASONS:
                error = answer.get("error", {})
                cause = error.get("caused_by", {}).get("reason", "")
                tally.reasons.append(f"{answer['_id']}: {error.get('reason', status)}{': ' if cause else ''}{cause}")
    return again

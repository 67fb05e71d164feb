"""Send ready `_bulk` bodies: back off and repeat what the node was too busy for, count what became of each line."""

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


def deliver(data: bytes, *, pause: Callable[[float], None] = time.sleep) -> list[Json]:
    """Send one body of pairs of lines (no newline at the end); return the answers in their order.

    Every line must be harmless when sent twice. Raises `SearchUnavailable` or `SearchTimeout` when the node stays busy
    or away for about two minutes; a line that it stays too busy for keeps its 429.
    """
    lines = data.split(b"\n")
    answers: list[Json] = [{} for _ in range(len(lines) // 2)]
    waiting = list(range(len(answers)))
    for attempt in range(TRIES):
        last = attempt == TRIES - 1
        try:
            items = gateway().bulk([data])
        except (SearchUnavailable, SearchTimeout):
            if last:
                raise
        else:
            for number, item in zip(waiting, items, strict=True):
                (answers[number],) = item.values()
            waiting = [number for number in waiting if answers[number]["status"] in (429, 503)]
            if not waiting or last:
                return answers
            data = b"\n".join(line for number in waiting for line in lines[2 * number : 2 * number + 2])
        pause(min(_LONGEST_WAIT, 0.5 * 2**attempt))
    return answers


def send(data: bytes) -> Tally:
    """Send one body of `create` lines, each with an id of its own, and return what became of them (see `deliver`)."""
    tally = Tally()
    for answer in deliver(data):
        # The concrete index is the alias with a version behind it.
        name = answer["_index"].rpartition("-0")[0] or answer["_index"]
        if answer["status"] == 201:
            tally.created[name] = tally.created.get(name, 0) + 1
        elif answer["status"] == 409:
            tally.existing[name] = tally.existing.get(name, 0) + 1
        else:
            tally.failed += 1
            if len(tally.reasons) < _MOST_REASONS:
                tally.reasons.append(f"{answer['_id']}: {refusal(answer)}")
    return tally


def refusal(answer: Json) -> str:
    """Return why OpenSearch did not take a line."""
    error = answer.get("error", {})
    cause = error.get("caused_by", {}).get("reason", "")
    return f"{error.get('reason', answer['status'])}{': ' if cause else ''}{cause}"


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

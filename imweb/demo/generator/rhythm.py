"""When things happen: day and night, weekends, and bursts, as a curve that every incident is placed on."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

HOUR = 3_600_000
SLOT = 600_000
# How busy each hour of a working day is, by the clock of the company (one hour ahead of UTC).
WORKDAY = (8, 6, 5, 5, 6, 9, 16, 34, 62, 84, 92, 88, 70, 82, 90, 86, 76, 58, 40, 28, 22, 18, 14, 10)
BURST_SHARE = 0.16


@dataclass(frozen=True, slots=True)
class Burst:
    """A stretch of time in which one cause makes many incidents; `kind` says what it is."""

    number: int
    kind: str
    start_ms: int
    end_ms: int
    weight: float


@dataclass(frozen=True, slots=True)
class Slot:
    """Ten minutes, or less at the two ends: its running weight and what is going on in it."""

    start_ms: int
    end_ms: int
    before: float
    base: float
    bursts: tuple[tuple[float, Burst], ...]

    @property
    def weight(self) -> float:
        """Return how much of the whole stream falls into this slot."""
        return self.base + (self.bursts[-1][0] if self.bursts else 0.0)


@dataclass(frozen=True, slots=True)
class Block:
    """One hour of the clock: its slots, and the incidents first..last (exclusive) of the whole run that it holds."""

    number: int
    slots: tuple[Slot, ...]
    first: int
    last: int

    @property
    def size(self) -> int:
        """Return the number of incidents in this hour."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The whole curve; `total` is its area."""

    blocks: tuple[Block, ...]
    bursts: tuple[Burst, ...]
    total: float
    size: int


def rhythm(seed: int, size: int, start_ms: int, end_ms: int) -> Rhythm:
    """Return the curve between two instants (epoch milliseconds), with `size` incidents spread over it."""
    rng = random.Random(f"rhythm:{seed}:{size}:{start_ms}:{end_ms}")
    edges = [start_ms, *range(start_ms - start_ms % SLOT + SLOT, end_ms, SLOT), end_ms]
    spans = list(pairwise(edges))
    days: dict[int, float] = {}
    bases = []
    for left, right in spans:
        day, within = divmod(left + HOUR, 24 * HOUR)
        if day not in days:
            # The first of January 1970 was a Thursday: (day + 3) % 7 counts from Monday.
            days[day] = rng.lognormvariate(0, 0.12) * (0.38 if (day + 3) % 7 >= 5 else 1.0)
        hour, rest = divmod(within, HOUR)
        curve = WORKDAY[hour] + (WORKDAY[(hour + 1) % 24] - WORKDAY[hour]) * rest / HOUR
        # Nobody works at the weekend: what is left is machines, which know no office hours.
        flat = 22 if (day + 3) % 7 >= 5 else curve
        # Every month brings more than the one before.
        growth = 0.6 + 0.9 * (left - start_ms) / (end_ms - start_ms)
        bases.append(growth * days[day] * (0.25 * curve + 0.75 * flat) * (right - left) / SLOT)
    bursts = _bursts(rng, size, start_ms, end_ms, sum(bases) * BURST_SHARE / (1 - BURST_SHARE))
    return _place(spans, bases, bursts, size)


def instant(slots: tuple[Slot, ...], position: float) -> tuple[int, Slot]:
    """Return the time (epoch milliseconds) and the slot at a position on the curve."""
    index = max(0, bisect_right(slots, position, key=lambda slot: slot.before) - 1)
    slot = slots[index]
    share = (position - slot.before) / slot.weight if slot.weight else 0.0
    return slot.start_ms + int(min(max(share, 0.0), 0.999999) * (slot.end_ms - slot.start_ms)), slot


def _bursts(rng: random.Random, size: int, start_ms: int, end_ms: int, area: float) -> list[Burst]:
    days = (end_ms - start_ms) / (24 * HOUR)
    count = max(3, min(6_000, round(days * 5 * max(1.0, size / 20_000) ** 0.45)))
    shapes = []
    for number in range(count):
        length = rng.randrange(20, 100) * 60_000
        begin = start_ms + int(rng.random() * max(1, end_ms - start_ms - length))
        if number < 3:
            # A list of the last day shall have something to show, whatever the dice say.
            begin = max(start_ms, end_ms - int((2.5 + 7 * number + rng.random()) * HOUR))
        kind = rng.choices(("campaign", "misfire", "wave", "scan"), (34, 34, 18, 14))[0] if number else "campaign"
        shapes.append((kind, begin, min(end_ms, begin + length), rng.lognormvariate(0, 0.6)))
    whole = sum(weight for *_, weight in shapes)
    return [
        Burst(number, kind, begin, finish, weight / whole * area)
        for number, (kind, begin, finish, weight) in enumerate(shapes)
    ]


def _place(spans: list[tuple[int, int]], bases: list[float], bursts: list[Burst], size: int) -> Rhythm:
    pending = sorted(bursts, key=lambda burst: burst.start_ms)
    active: list[Burst] = []
    slots: list[Slot] = []
    before, upcoming = 0.0, 0
    for (left, right), base in zip(spans, bases, strict=True):
        while upcoming < len(pending) and pending[upcoming].start_ms < right:
            active.append(pending[upcoming])
            upcoming += 1
        active = [burst for burst in active if burst.end_ms > left]
        here = [(_overlap(burst, left, right) * burst.weight, burst) for burst in active]
        here = [(weight, burst) for weight, burst in here if weight > 0]
        running = tuple(zip(accumulate(weight for weight, _ in here), (burst for _, burst in here), strict=True))
        slot = Slot(left, right, before, base, running)
        slots.append(slot)
        before += slot.weight
    hours: dict[int, list[Slot]] = {}
    for slot in slots:
        hours.setdefault(slot.start_ms // HOUR, []).append(slot)
    blocks, first = [], 0
    for number, inside in enumerate(hours.values()):
        reach = inside[-1].before + inside[-1].weight
        last = size if number == len(hours) - 1 else min(size, max(first, round(size * reach / before)))
        blocks.append(Block(number, tuple(inside), first, last))
        first = last
    return Rhythm(tuple(blocks), tuple(bursts), before, size)


def _overlap(burst: Burst, left: int, right: int) -> float:
    length = max(1, burst.end_ms - burst.start_ms)
    return max(0, min(burst.end_ms, right) - max(burst.start_ms, left)) / length

"""The pool as the system page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

from imweb.incidents.pits import ledger, raw, slots
from imweb.incidents.pits.ledger import NewEpoch
from imweb.incidents.pits.link import LedgerDown


@dataclass(frozen=True, slots=True)
class Slot:
    """One point in time of the pool; `state` is open, opening, closing or found (left over from a lost ledger)."""

    pit: str
    state: str
    with_aggregations: bool | None
    contexts: int
    leases: int
    users: int
    age_seconds: float | None
    renewed_seconds_ago: float | None
    ends_in_seconds: float | None
    joinable: bool
    # How many leases each user (by id) holds; 0 stands for requests that brought no point in time.
    holders: dict[int, int]


@dataclass(frozen=True, slots=True)
class Overview:
    """The pool at one moment; `shared` is False while Redis does not answer and each process pools its own."""

    shared: bool
    budget: int
    contexts: int = 0
    ceiling: int | None = None
    slot_seconds: float = 0.0
    leases: int = 0
    opened: int = 0
    joined: int = 0
    epoch: str = ""
    slots: list[Slot] = field(default_factory=list)


def open_contexts() -> int:
    """Return how many contexts over our indices OpenSearch holds open now, whoever opened them."""
    return sum(raw.listed().values())


def overview() -> Overview:
    """Return what the pool holds, oldest first."""
    budget = settings.IM_PIT_BUDGET
    try:
        survey = ledger.survey()
    except LedgerDown:
        return Overview(shared=False, budget=budget)
    if isinstance(survey, NewEpoch):
        return Overview(shared=True, budget=budget, slot_seconds=settings.IM_PIT_SLOT_MS / 1000)
    rows = [_slot(entry, survey.now_ms) for entry in survey.entries]
    contexts = sum(row.contexts for row in rows)
    limit = min(budget, survey.ceiling if survey.ceiling is not None else budget)
    return Overview(
        shared=True,
        budget=budget,
        contexts=contexts,
        ceiling=survey.ceiling,
        slot_seconds=slots.slot_ms(contexts, limit, settings.IM_PIT_SLOT_MS) / 1000,
        leases=sum(row.leases for row in rows),
        opened=survey.opened,
        joined=survey.joined,
        epoch=survey.epoch,
        slots=rows,
    )


def _slot(entry: ledger.Entry, now_ms: int) -> Slot:
    def since(at_ms: int) -> float | None:
        return round((now_ms - at_ms) / 1000, 1) if at_ms else None

    return Slot(
        pit=entry.name,
        state=entry.state,
        with_aggregations=entry.with_aggregations,
        contexts=entry.contexts,
        leases=entry.leases,
        users=entry.users,
        age_seconds=since(entry.created_ms or entry.fresh_ms),
        renewed_seconds_ago=since(entry.touched_ms),
        ends_in_seconds=round((entry.ends_ms - now_ms) / 1000, 1) if entry.ends_ms else None,
        joinable=entry.joinable,
        holders=entry.holders,
    )

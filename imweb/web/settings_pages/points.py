"""The open points in time as the system page shows them: by slot with who holds each, and by user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imweb.accounts.models import User
from imweb.errors import ImError
from imweb.incidents import pits
from imweb.incidents.pits.report import Overview, Slot

NOBODY = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds leases: a user by name, or (id 0) requests that brought no point in time of their own."""

    user_id: int
    name: str
    leases: int
    slots: int


@dataclass(frozen=True, slots=True)
class Line:
    """One slot and its holders, those with the most leases first."""

    slot: Slot
    holders: list[Holder]


@dataclass(frozen=True, slots=True)
class Points:
    """The pool at this moment; `contexts` is what OpenSearch counts over our indices, None when it cannot be asked."""

    pool: Overview
    lines: list[Line]
    holders: list[Holder]
    contexts: int | None


def points(*, ask: bool) -> Points:
    """Return the pool; `ask` OpenSearch too how many contexts it holds."""
    pool = pits.overview()
    counts: dict[int, list[int]] = {}
    for slot in pool.slots:
        for user, held in slot.holders.items():
            counts.setdefault(user, []).append(held)
    names = dict(User.objects.filter(pk__in=counts).values_list("pk", "username"))

    def named(found: Iterable[tuple[int, int, int]]) -> list[Holder]:
        holders = [
            Holder(user, names.get(user, f"#{user}" if user else ""), held, slots) for user, held, slots in found
        ]
        return sorted(holders, key=lambda holder: (-holder.leases, holder.name))

    return Points(
        pool,
        [Line(slot, named((user, held, 1) for user, held in slot.holders.items())) for slot in pool.slots],
        named((user, sum(held), len(held)) for user, held in counts.items()),
        _contexts() if ask else None,
    )


def _contexts() -> int | None:
    try:
        return pits.open_contexts()
    except ImError:
        return None

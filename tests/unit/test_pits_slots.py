"""How long a point in time is shared: a second while there is room, longer and longer towards the budget."""

from __future__ import annotations

import pytest

from imweb.incidents.pits.slots import MAX_SLOT_MS, slot_ms


@pytest.mark.parametrize(
    ("contexts", "seconds"),
    [(0, 1), (10, 1), (12, 2), (20, 16), (30, 128), (38, 900), (40, 900), (44, 900)],
)
def test_it_doubles_towards_the_budget(contexts: int, seconds: int) -> None:
    assert slot_ms(contexts, 40) == seconds * 1000


@pytest.mark.parametrize("budget", [2, 5, 40, 300, 9999])
def test_it_never_shrinks_on_the_way(budget: int) -> None:
    slots = [slot_ms(contexts, budget) for contexts in range(budget + 2)]
    assert slots == sorted(slots)
    assert slots[-1] == MAX_SLOT_MS


@pytest.mark.parametrize("cost", [1, 2, 4])
def test_leases_that_never_pause_stay_below_the_budget(cost: int) -> None:
    """Everybody who opens joins what is shared or opens the next; each lives five minutes from its last lease."""
    ends: list[float] = []
    now, most = 0.0, 0
    while now < 3600:
        ends = [end for end in ends if end > now]
        slot = slot_ms(len(ends) * cost, 40) / 1000
        # Leases go on being taken until the slot is over, and the last of them lives five minutes more.
        ends.append(now + slot + 300)
        most = max(most, len(ends) * cost)
        now += slot
    assert most <= 36

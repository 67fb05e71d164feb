"""How long one point in time is shared: pure arithmetic, the same as in lua/_common.lua."""

from __future__ import annotations

import math

FREE_SHARE = 0.25
DOUBLINGS = 10
BASE_SLOT_MS = 1_000
MAX_SLOT_MS = 900_000


def slot_ms(contexts: int, budget: int, base_ms: int = BASE_SLOT_MS, max_ms: int = MAX_SLOT_MS) -> int:
    """Return for how many milliseconds after its opening a point in time may be joined.

    One second while a quarter of the budget is in use, then doubling ten times on the way to the whole of it: leases
    that live five minutes and arrive without a pause settle at about three quarters of the budget, whatever it is.
    """
    if contexts >= budget:
        return max_ms
    used = contexts / budget
    if used <= FREE_SHARE:
        return base_ms
    # A little less than the exact quotient, so that rounding never makes another doubling.
    doublings = math.ceil((used - FREE_SHARE) / (1 - FREE_SHARE) * DOUBLINGS - 1e-9)
    return min(max_ms, base_ms << doublings)

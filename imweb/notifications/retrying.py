"""When a failed delivery is tried again: twice as long each time, with jitter, up to two hours."""

from __future__ import annotations

import random

FIRST = 10.0  # seconds
LONGEST = 2 * 3600.0
# A receiver may ask for a pause; one that asks for a week is not obeyed.
LONGEST_ASKED = 6 * 3600.0


def pause(attempts: int, asked: float | None = None, *, chance: float | None = None) -> float:
    """Return the seconds until the next try after so many; `asked` is the receiver's own wish.

    `chance` is from 0 to 1 and is drawn when left out: half of the pause is fixed, half is chance, so that what failed
    together does not come back together.
    """
    whole = min(FIRST * 2.0 ** min(attempts - 1, 30), LONGEST)
    drawn = random.random() if chance is None else chance  # noqa: S311 - spreads load, guards nothing
    return max(whole / 2 + whole / 2 * drawn, min(asked or 0.0, LONGEST_ASKED))

"""What the list calls a range of time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from imweb.web.listing.state import ListState
from imweb.web.listing.words import dates_label, time_label
from tests.stored import NOW

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400_000


@pytest.mark.parametrize(
    ("start", "end", "days_later", "said"),
    [
        ("2025-11-23T13:00", "2025-11-23T13:09", 0, "13:00 → 13:09"),
        ("2025-11-23T13:00", "2025-11-23T13:09", 2, "Nov 23 13:00 → Nov 23 13:09"),
        ("2025-11-01", "2025-11-30", 60, "2025-11-01 00:00 → 2025-11-30 23:59"),
        # Both ends would read the same.
        ("2025-11-23T13:09", "2025-11-23T13:09", 60, "2025-11-23 13:09:00 → 2025-11-23 13:09:59"),
        ("1763899740000", "1763899740999", 60, "2025-11-23 13:09:00 → 2025-11-23 13:09:00"),
        # One of them has seconds.
        ("2025-11-23T13:09:04", "2025-11-23T13:09:31", 60, "2025-11-23 13:09:04 → 2025-11-23 13:09:31"),
        ("2025-11-23T13:09:04", "2025-11-23T13:20", 2, "Nov 23 13:09:04 → Nov 23 13:20:59"),
        ("2025-11-23T12:00", "2025-11-23T13:09:31", 0, "12:00:00 → 13:09:31"),
        ("any", "2025-11-23T13:09:31", 60, "… → 2025-11-23 13:09:31"),
        ("any", "any", 0, "… → …"),
        ("soon", "2025-11-23T13:09", 60, "soon → 2025-11-23 13:09"),
    ],
)
def test_a_range_is_said_to_the_minute_and_to_the_second_where_minutes_do_not_say_it(
    start: str, end: str, days_later: int, said: str
) -> None:
    state = ListState(start=start, end=end)
    assert dates_label(state, NOW + days_later * DAY, BERLIN) == said


def test_a_quick_range_has_its_name_and_any_other_its_ends() -> None:
    assert time_label(ListState(start="now-7d", end="now"), NOW, BERLIN) == "Last 7 days"
    assert time_label(ListState(start="now-3h", end="now"), NOW, BERLIN) == "Last 3 hours"
    state = ListState(start="2025-11-23T13:09:04", end="2025-11-23T13:09:31")
    assert time_label(state, NOW, BERLIN) == dates_label(state, NOW, BERLIN) == "13:09:04 → 13:09:31"

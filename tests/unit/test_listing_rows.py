"""What a row of the list says, in words that can be understood without the field's path."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from imweb.incidents.documents import Document
from imweb.web.listing import chart
from imweb.web.listing.drawing import draw
from imweb.web.listing.pager import pager
from imweb.web.listing.rows import Words, clock, facts, row
from imweb.web.listing.state import ListState

NOW = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rule.id": "7", "entities.host": "WS-1"}, "same rule, host"),
        ({"rule.id": "7", "rule.name": "R", "entities.source_ip": "::1"}, "same rule, source ip"),
        ({"mitre": "T1", "source": "edr"}, "same ATT&CK, source"),
        ({"cost_centre": "7"}, "same cost centre"),
    ],
)
def test_a_group_says_what_its_incidents_share(fields: dict[str, str], said: str) -> None:
    assert facts({"comparison_fields": fields}, 0) == said


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-27T11:55:03", "12:55:03"),
        ("2026-11-23T11:55:03", "Nov 23 12:55"),
        ("2025-11-23T11:55:03", "2025-11-23 12:55"),
        # Last year there, this year here.
        ("2025-12-31T23:30:00", "Jan 1 00:30"),
    ],
)
def test_a_time_always_says_the_time_of_day(at: str, said: str) -> None:
    assert clock(ms(at), int(NOW.timestamp() * 1000), ZONE) == said


def test_a_time_that_no_calendar_knows_is_empty() -> None:
    assert clock(10**17, int(NOW.timestamp() * 1000), ZONE) == ""


def drawn(at: str, *, one_line: bool = False, due: str = "") -> str:
    source = {"@timestamp": at, "title": "One", "status": "new", "severity": "high"} | ({"due_at": due} if due else {})
    words = Words({}, {}, {}, int(NOW.timestamp() * 1000), UTC, one_line=one_line)
    doc = Document("i1", "incident", "index", 1, None, None, None, source)
    return draw(row(doc, words), may_bulk=False)


def test_the_time_of_day_of_another_year_stands_below_the_day() -> None:
    html = drawn("2025-11-23T12:55:03Z")
    assert ">2025-11-23</time><small>12:55:03 · 369 d</small>" in html
    assert 'title="2025-11-23 12:55:03 UTC"' in html
    assert ">Nov 23 12:55</time><small>4 d</small>" in drawn("2026-11-23T12:55:03Z")
    late = drawn("2025-11-23T12:55:03Z", due="2025-11-23T13:00:00Z")
    assert '<small>12:55:03 · <span class="im-late">' in late


def test_a_compact_row_has_day_and_time_of_day_on_its_one_line() -> None:
    assert ">2025-11-23 12:55</time><small>369 d</small>" in drawn("2025-11-23T12:55:03Z", one_line=True)
    late = drawn("2025-11-23T12:55:03Z", one_line=True, due="2025-11-23T13:00:00Z")
    assert '>2025-11-23 12:55</time><small class="im-late">' in late


@pytest.mark.parametrize(
    ("offset", "here", "previous", "following"),
    [
        (0, [1], "", "from=25"),
        (25, [2], "/incidents/?", "from=50"),
        (49, [], "from=24", "from=74"),
        (95, [], "from=70", ""),
    ],
)
def test_no_page_is_the_present_one_where_rows_begin_between_two(
    offset: int, here: list[int], previous: str, following: str
) -> None:
    found = pager(ListState(path="/incidents/"), offset, 25, min(25, 96 - offset), 96, None)
    assert [link.number for link in found.links if link.here] == here
    assert found.page == (here[0] if here else 0)
    assert [link.number for link in found.links if link.url] == [1, 2, 3, 4]
    assert previous in found.previous_url
    assert bool(found.previous_url) == bool(previous)
    assert following in found.next_url
    assert bool(found.next_url) == bool(following)


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (None, ""),
        ("1s", "per second"),
        ("30s", "per 30 seconds"),
        ("30m", "per 30 minutes"),
        ("1h", "per hour"),
        ("12h", "per 12 hours"),
        ("1d", "per day"),
        ("1w", "per week"),
        ("1M", "per month"),
        ("1y", "per year"),
    ],
)
def test_the_width_of_a_bar_is_said_in_words(interval: str | None, said: str) -> None:
    assert chart.per_interval(interval) == said


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (86_400_000, "vs. day before"),
        (86_399_999, "vs. day before"),
        (604_800_000, "vs. week before"),
        (30 * 86_400_000, "vs. 30 days before"),
        (4 * 3_600_000, "vs. 4 hours before"),
        (3_600_000, "vs. hour before"),
        (900_000, "vs. 15 minutes before"),
        (61_500, "vs. same length of time before"),
        (1, "vs. same length of time before"),
    ],
)
def test_what_a_change_is_measured_against_is_said_in_words(span: int, said: str) -> None:
    assert chart.against(span) == said

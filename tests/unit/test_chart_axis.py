"""What stands below the bars of a chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from imweb.web.listing import chart

HOUR_MS = 3_600_000


def test_a_chart_over_many_days_names_days_and_one_over_hours_names_clocks() -> None:
    first = datetime(2026, 11, 1, 12, tzinfo=UTC)
    half_days = [first + timedelta(hours=12 * n) for n in range(8)]
    drawn = chart.axis(half_days, 12 * HOUR_MS, [1, 3, 5, 7])
    assert drawn["named"] == [1, 3, 5, 7]
    assert [drawn["labels"][n] for n in drawn["named"]] == ["Nov 2", "Nov 3", "Nov 4", "Nov 5"]
    hours = [first + timedelta(hours=n) for n in range(11, 14)]
    assert chart.axis(hours, HOUR_MS, [1]) == {"labels": ["23:00", "Nov 2 00:00", "01:00"], "named": []}

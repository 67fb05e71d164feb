"""The severity panel: counts by level, their change, and the histogram with the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.incidents.insights import Change
from imweb.incidents.params import INTERVALS
from imweb.incidents.results import SeverityCount, SeverityStatistics
from imweb.incidents.severities import severities
from imweb.web.listing.filters import severity_url
from imweb.web.listing.state import ListState

Json = dict[str, Any]
MINUTE_MS, HOUR_MS, DAY_MS, WEEK_MS = 60_000, 3_600_000, 86_400_000, 604_800_000
SLACK_MS = 2  # a range ends with the last millisecond of what it names
FEW_DAYS = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """One level's count; `change` against the window of the same length before."""

    key: str
    label: str
    count: int
    change: int | None
    url: str
    on: bool


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar as a row of the table behind the chart."""

    title: str
    url: str
    counts: list[int]
    total: int


def in_short(counts: Sequence[SeverityCount]) -> list[SeverityCount]:
    """Return the counts under the levels' short names, by which tiles, facet, chart and rows call them alike."""
    short = {level.name: level.short for level in severities()}
    return [replace(level, label=short.get(level.key, level.label)) for level in counts]


def tiles(state: ListState, counts: Sequence[SeverityCount], change: Change | None) -> list[Tile]:
    """Return the tiles, worst first."""
    return [
        Tile(
            key=level.key,
            label=level.label,
            count=level.count,
            change=level.count - change.counts.get(level.key, 0) if change and level.key else None,
            url=severity_url(state, level),
            on=bool(level.key) and state.has("severity", level.key),
        )
        for level in counts
        if level.known or level.count
    ]


def chart(statistics: SeverityStatistics, levels: Sequence[SeverityCount], tz: tzinfo) -> Json | None:
    """Return what the chart draws; None when there is nothing to draw over."""
    buckets = statistics.histogram or []
    if not buckets or not statistics.interval:
        return None
    width = INTERVALS[statistics.interval]
    starts = [bucket.time_ms for bucket in buckets]
    local = [datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(tz) for at in starts]
    days = [n for n in range(1, len(local)) if local[n].date() != local[n - 1].date()] if width < DAY_MS else []
    present = [level for level in levels if any(level.key in bucket.counts for bucket in buckets)]
    return {
        **axis(local, width, days),
        "titles": [title(moment, width) for moment in local],
        "starts": starts,
        "ends": [*starts[1:], starts[-1] + width],
        "days": days if len(days) <= 14 else [],
        "series": [
            {"key": level.key, "label": level.label, "counts": [b.counts.get(level.key, 0) for b in buckets]}
            for level in present
        ],
    }


def behind(
    state: ListState, statistics: SeverityStatistics, drawn: Json | None, tz: tzinfo
) -> tuple[list[str], list[BarRow]]:
    """Return the chart as a table: headings, and its bars that are not empty, each with the filter it stands for."""
    if not drawn:
        return [], []
    headings = [series["label"] for series in drawn["series"]]
    found = []
    for number, start in enumerate(drawn["starts"]):
        counts = [series["counts"][number] for series in drawn["series"]]
        if not sum(counts):
            continue
        url = state.fresh(start=iso(start, tz), end=iso(drawn["ends"][number] - 1, tz)).url
        found.append(BarRow(drawn["titles"][number], url, counts, sum(counts)))
    return headings, found


def iso(at_ms: int, tz: tzinfo) -> str:
    """Return an instant as an address says it."""
    moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(tz)
    return moment.isoformat(timespec="milliseconds")


def axis(moments: Sequence[datetime], width: int, days: Sequence[int]) -> Json:
    """Return the `labels` of bars, and as `named` the only ones to show where a clock would not tell the day.

    `days` are the numbers of the bars at which a new day begins; an empty `named` leaves the choice to the chart.
    """
    if len(days) <= FEW_DAYS:
        return {"labels": [label(moment, width, n in days) for n, moment in enumerate(moments)], "named": []}
    return {"labels": [label(moment, DAY_MS, False) for moment in moments], "named": list(days)}


def label(moment: datetime, width: int, new_day: bool) -> str:
    """Return what stands below a bar that begins at a moment; `width` in milliseconds."""
    if width >= DAY_MS:
        return f"{moment:%b} {moment.day}"
    clock = f"{moment:%H:%M:%S}" if width < 60_000 else f"{moment:%H:%M}"
    return f"{moment:%b} {moment.day} {clock}" if new_day else clock


def title(moment: datetime, width: int) -> str:
    """Return what a bar is called."""
    if width >= DAY_MS:
        return f"{moment:%a} {moment.day} {moment:%b %Y}"
    clock = f"{moment:%H:%M:%S}" if width < 60_000 else f"{moment:%H:%M}"
    return f"{moment:%a} {moment.day} {moment:%b}, {clock}"


def per_interval(interval: str | None) -> str:
    """Return what a bar counts over: "per week", "per 30 minutes"; nothing where there are no bars."""
    if not interval:
        return ""
    number = int(interval[:-1])
    words = {
        "s": ngettext("per second", "per %(n)s seconds", number),
        "m": ngettext("per minute", "per %(n)s minutes", number),
        "h": ngettext("per hour", "per %(n)s hours", number),
        "d": ngettext("per day", "per %(n)s days", number),
        "w": ngettext("per week", "per %(n)s weeks", number),
        "M": ngettext("per month", "per %(n)s months", number),
        "y": ngettext("per year", "per %(n)s years", number),
    }
    said = words[interval[-1]]
    return said if number == 1 else said % {"n": number}


def against(span_ms: int) -> str:
    """Return what a change is measured against: the same length of time just before."""
    if abs(span_ms - WEEK_MS) <= SLACK_MS:
        return _("vs. week before")
    for width in (DAY_MS, HOUR_MS, MINUTE_MS):
        number = round(span_ms / width)
        if number and abs(span_ms - number * width) <= SLACK_MS:
            words = {
                DAY_MS: ngettext("vs. day before", "vs. %(n)s days before", number),
                HOUR_MS: ngettext("vs. hour before", "vs. %(n)s hours before", number),
                MINUTE_MS: ngettext("vs. minute before", "vs. %(n)s minutes before", number),
            }
            return words[width] if number == 1 else words[width] % {"n": number}
    return _("vs. same length of time before")

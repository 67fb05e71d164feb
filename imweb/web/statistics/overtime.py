"""The chart over time: what it draws, and the same numbers as a table whose rows and columns lead to their lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents.figures.statistics import OverTime, Series, Statistics
from imweb.incidents.params import INTERVALS
from imweb.web import text
from imweb.web.figures.state import narrowed, with_any_but, without_any
from imweb.web.listing import chart
from imweb.web.listing.load import Frame
from imweb.web.listing.state import ListState
from imweb.web.listing.words import nothing_label, value_labels

Json = dict[str, Any]
COLORS = 8


@dataclass(frozen=True, slots=True)
class Legend:
    """One colour: a severity's own, a number from 1 to 8, "others" or "none"."""

    label: str
    total: int
    url: str
    severity: str | None
    color: str


@dataclass(frozen=True, slots=True)
class Row:
    """One bar as a row of the table behind the chart."""

    title: str
    url: str
    counts: list[int]
    total: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """The chart's data for the script, its legend and the table behind it."""

    data: Json
    legend: list[Legend]
    rows: list[Row]
    # What a bar counts over: "per week".
    per: str


def drawn(here: Frame, found: Statistics, listed: ListState) -> Drawn | None:
    """Return the chart; None where there is nothing to draw over."""
    over = found.over
    if over is None or not over.starts or found.start_ms is None or found.end_ms is None:
        return None
    legend = [_legend(found, over, item, number, listed) for number, item in enumerate(over.series)]
    width = INTERVALS[over.interval]
    following = [*over.starts[1:], over.starts[-1] + width]
    # The first and the last bucket reach out of the window; what they lead to must not.
    starts = [max(at, found.start_ms) for at in over.starts]
    ends = [min(at, found.end_ms + 1) for at in following]
    local = [datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(here.tz) for at in over.starts]
    short = width < chart.DAY_MS
    days = [n for n in range(1, len(local)) if local[n].date() != local[n - 1].date()] if short else []
    titles = [chart.title(moment, width) for moment in local]
    data = {
        **chart.axis(local, width, days),
        "titles": titles,
        "starts": starts,
        "ends": ends,
        "days": days if len(days) <= 14 else [],
        "series": [
            {
                "key": item.value or "",
                "label": text.plain(text.clip(line.label, 120)),
                "counts": list(item.counts),
                "url": line.url,
            }
            | ({} if line.severity is not None else {"color": f"--im-series-{line.color}"})
            for item, line in zip(over.series, legend, strict=True)
        ],
    }
    rows = []
    for number, title in enumerate(titles):
        counts = [item.counts[number] for item in over.series]
        if sum(counts):
            window = listed.fresh(start=chart.iso(starts[number], here.tz), end=chart.iso(ends[number] - 1, here.tz))
            rows.append(Row(title, window.url, counts, sum(counts)))
    return Drawn(data, legend, rows, chart.per_interval(over.interval))


def _legend(found: Statistics, over: OverTime, item: Series, number: int, listed: ListState) -> Legend:
    name, total = over.field, sum(item.counts)
    if item.value is not None:
        label = value_labels().get(name, str)(item.value)
        severity = item.value if name == "severity" else None
        url = narrowed(listed, found.registry, name, [item.value]).url
        return Legend(label, total, url, severity, str(number % COLORS + 1))
    if item.others:
        shown = [one.value for one in over.series if one.value is not None]
        return Legend(_("other values"), total, with_any_but(listed, name, shown).url, None, "others")
    return Legend(nothing_label(name), total, without_any(listed, name).url, None, "none")

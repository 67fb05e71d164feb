"""An aggregation result's incidents: their severity over time, and a page of them."""

from __future__ import annotations

import json
from typing import Any

from imweb.incidents import services
from imweb.incidents.params import StatisticsQuery
from imweb.web.listing import chart
from imweb.web.listing.load import EXCLUDES, Frame
from imweb.web.listing.load import words as row_words
from imweb.web.listing.pager import pager
from imweb.web.listing.rows import card_url, rows
from imweb.web.listing.state import OPEN_END, ListState

Json = dict[str, Any]
SIZE = 25
MEMBER = "incident_aggregation_result_id"


def context(here: Frame, result_id: str, offset: str, *, small: bool) -> Json:
    """Return the chart and a page of a group's incidents; `small` for the flyout: without its pages."""
    base = ListState(start=OPEN_END, end=OPEN_END, mode="incidents", size=str(SIZE)).with_filter(MEMBER, [result_id])
    all_url = base.url
    place = ListState(
        path=card_url("aggregation", result_id), start=OPEN_END, end=OPEN_END, mode="incidents", size=str(SIZE)
    )
    offset = offset if offset.isdecimal() and len(offset) < 9 else "0"
    query = base.within(offset=offset).query(here.registry, here.actor.time_zone, None)
    statistics = services.severity_statistics(here.actor, StatisticsQuery(query.filters, None, "auto"))
    drawn = chart.chart(statistics, statistics.severities, here.tz)
    headings, behind = chart.behind(base, statistics, drawn, here.tz)
    found = services.group_members(here.actor, result_id, query, excludes=EXCLUDES)
    total = found.total or 0
    listed = rows(found.docs, row_words(here, found))
    return {
        "member_levels": [
            (level, base.with_filter("severity", [level.key]).url if level.key else all_url)
            for level in statistics.severities
            if level.count
        ],
        "chart_json": json.dumps(drawn, separators=(",", ":")) if drawn else "",
        "chart_headings": headings,
        "chart_rows": behind,
        "incidents": listed,
        "incidents_total": total,
        "all_url": all_url,
        "pager": None if small else pager(place, query.offset, SIZE, len(listed), total, None),
    }

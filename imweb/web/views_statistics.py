"""The statistics page."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from imweb.accounts import permissions as may
from imweb.incidents.figures.statistics import OVER, statistics
from imweb.incidents.params import Filters
from imweb.web.figures import page as figures
from imweb.web.figures.state import FigureState
from imweb.web.listing.load import Frame
from imweb.web.page import PageRequest, page
from imweb.web.statistics import overtime, panels

Json = dict[str, Any]
BY = "by"
OWN = {BY: OVER[1:]}
# Under the chart, in this order; the backlog, the durations and the rules take two places of three.
PANELS = (
    "severity",
    "status",
    "rule.name",
    "reviewer",
    "resolution",
    "source",
    "mitre",
    "entities.host",
    "entities.user",
)


@page(may.VIEW)
def show(request: PageRequest) -> HttpResponse:
    """Show what the incidents under the filters add up to."""
    here, state = figures.read(request, reverse("statistics"), OWN)
    return figures.respond(request, here, state, "web/statistics", _fill)


def _fill(here: Frame, state: FigureState, filters: Filters) -> tuple[Json, int]:
    over = state.shows(BY) or OVER[0]
    found = statistics(here.actor, filters, over)
    listed = state.listed()
    chart = overtime.drawn(here, found, listed)
    levels = panels.levels_of(found.backlog) if found.backlog else []
    values = {
        "found": found,
        "numbers": panels.numbers(found, listed),
        "over": chart,
        "over_json": json.dumps(chart.data, separators=(",", ":")) if chart else "",
        "over_choices": [
            {"label": item.label, "url": state.showing(BY, "" if name == OVER[0] else name).url, "on": name == over}
            for name in OVER
            if (item := here.registry.get(name))
        ],
        "panels": [drawn for name in PANELS if (drawn := panels.panel(found, listed, name))] if found.total else [],
        "levels": levels,
        "backlog": panels.backlog(here, found.backlog, listed, levels) if found.backlog else [],
        "took": panels.took_lines(found.durations, listed, here) if found.durations and found.total else [],
        "spread": panels.spread(found.durations) if found.durations and found.total else [],
        "attack_url": state.elsewhere(reverse("attack")).url,
        "span_url": state.fresh(start="now-1d", end="now").url,
    }
    return values, found.now_ms

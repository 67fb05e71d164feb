"""What the list's templates are given."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imweb.accounts import permissions as may
from imweb.errors import Detail, ImError, QueryRejected, ValidationFailed
from imweb.incidents.insights import Change
from imweb.incidents.jobs.service import SMALL
from imweb.incidents.registry import registry
from imweb.web import text
from imweb.web.figures.state import pages_of
from imweb.web.listing import chart, filters, preferences, words
from imweb.web.listing.load import Around, Frame, Table, group_titles
from imweb.web.listing.preferences import is_sortable
from imweb.web.listing.state import MODES, SIZES, ListState

Json = dict[str, Any]
WIDE_DIGITS = 20  # characters of all the counts beside which their changes find no room at 1440 px
# Name, label, and the direction that a first click on the heading gives.
HEADINGS = (
    ("severity", gettext_lazy("Severity"), "desc"),
    ("@timestamp", gettext_lazy("Time"), "desc"),
    ("title", gettext_lazy("Title"), "asc"),
)
HEADINGS_AFTER = (("status", gettext_lazy("Status"), "asc"), ("reviewer", gettext_lazy("Reviewer"), "asc"))


def frame_context(here: Frame, state: ListState, now_ms: int | None = None) -> Json:
    """Return what stands even when nothing could be read: query bar, chips, custom filters, time."""
    now_ms = now_ms or time.time_ns() // 1_000_000
    labels = words.value_labels() | {filters.GROUP: words.called(group_titles(here, state))}
    tz = here.tz
    drawn = filters.controls(state, here.custom, {})
    return {
        "state": state,
        "canonical": state.url,
        "refresh_url": state.fresh().url,
        "hidden": state.hidden(),
        "hidden_but_custom": state.hidden(
            *(item.parameter for item in drawn), *(item.name for item in drawn if not item.exclude)
        ),
        "hidden_but_query": state.hidden("q"),
        "hidden_but_time": state.hidden("start", "end"),
        "chips": filters.chips(state, here.registry, labels),
        "clear_url": state.fresh(filters=(), q="").url,
        "addable": filters.addable(here.registry),
        "controls": drawn,
        "wider_url": state.fresh(start="now-30d", end="now").url,
        "time_label": words.time_label(state, now_ms, tz),
        "dates_label": words.dates_label(state, now_ms, tz),
        "quick": [
            {
                "label": label,
                "url": state.fresh(start=start, end=end).url,
                "on": (state.start, state.end) == (start, end),
            }
            for start, end, label in words.QUICK
        ],
        "units": words.UNITS,
        "zone": here.actor.time_zone,
        "preferences": here.preferences,
        "autos": [
            {"seconds": seconds, "label": label, "on": seconds == here.preferences.auto}
            for seconds, label in preferences.AUTO.items()
        ],
        "modes": [
            {"label": words.MODE_LABELS[m], "url": state.fresh(mode=m).url, "on": m == state.mode} for m in MODES
        ],
        "figures": pages_of(state),
        "may_bulk": here.actor.may(may.BULK),
        "may_share": here.actor.may(may.SHARE_VIEW),
        "may_export": here.actor.may(may.EXPORT),
    }


def table_context(here: Frame, found: Table) -> Json:
    """Return what the table, its toolbar and its pager show."""
    state = found.state
    sort = found.query.sort
    compact = here.preferences.density == "compact"
    # Groups stand in the order of their size.
    sorts = not state.group_by
    return {
        "bulk_limit": SMALL if found.total > SMALL and not here.actor.may(may.BULK_UNLIMITED) else 0,
        "state": state,
        "canonical": state.url,
        "refresh_url": state.fresh().url,
        "table": found,
        "rows": found.rows,
        "pager": found.pager,
        "compact": compact,
        "other_density": "normal" if compact else "compact",
        "headings": [_heading(state, sort.field, sort.descending, *item, sorts) for item in HEADINGS],
        "headings_after": [_heading(state, sort.field, sort.descending, *item, sorts) for item in HEADINGS_AFTER],
        "column_headings": [
            _heading(state, sort.field, sort.descending, item.name, item.label, "asc", sorts and is_sortable(item))
            for item in found.columns
        ],
        "sizes": [
            {"size": size, "url": state.within(size=str(size)).url, "on": size == found.query.size} for size in SIZES
        ],
        "total_words": ngettext("%(n)s row", "%(n)s rows", found.total) % {"n": f"{found.total:,}"},
        "column_choices": [
            {"name": item.name, "label": item.label, "on": item in found.columns}
            for item in preferences.choices(here.registry, here.custom)
        ],
        "here_pairs": state.within(offset="0").pairs(),
        "watch": urlencode([*state.pairs(keep_place=False), ("since", str(found.as_of_ms))]),
        "export_query": urlencode(state.within(offset="0").pairs()),
        "by_time": sorts and sort.field == "@timestamp",
        "colspan": 6 + len(found.columns),
    }


def _heading(
    state: ListState, field: str, descending: bool, name: str, label: Any, usual: str, sortable: bool = True
) -> Json:
    here = sortable and field == name
    direction = ("asc" if descending else "desc") if here else usual
    sort = "" if (name, direction) == ("@timestamp", "desc") else f"{name}:{direction}"
    return {
        "name": name,
        "label": label,
        "url": state.within(sort=sort, offset="0").url if sortable else "",
        "sort": ("descending" if descending else "ascending") if here else "",
        "icon": ("sort-down" if descending else "sort-up") if here else "",
    }


def around_context(here: Frame, state: ListState, found: Around) -> Json:
    """Return what facets, tiles and chart show."""
    labels = words.value_labels()
    levels = chart.in_short(found.levels.severities)
    many = sum(len(f"{level.count:,}") for level in levels) > WIDE_DIGITS
    boxes = filters.boxes(state, found.facets, labels, here.registry)
    techniques = filters.technique_box(state, found.techniques) if found.techniques else None
    if techniques and techniques.lines:
        at = next((n for n, box in enumerate(boxes) if box.name == "mitre"), len(boxes) - 1)
        boxes.insert(at + 1, techniques)
    drawn = chart.chart(found.histogram, chart.in_short(found.histogram.severities), here.tz)
    headings, behind = chart.behind(state, found.histogram, drawn, here.tz)
    return {
        "boxes": [filters.severity_box(state, levels), *boxes],
        "controls": filters.controls(state, here.custom, found.live),
        "tiles": chart.tiles(state, levels, found.change),
        "many": many,
        "chart": drawn,
        "chart_json": json.dumps(drawn, separators=(",", ":")),
        "chart_headings": headings,
        "chart_rows": behind,
        "span_url": state.fresh(start="now-1d", end="now").url,
        "chart_note": _note(found.histogram.interval, None if many else found.change),
    }


def _note(interval: str | None, change: Change | None) -> str:
    parts = (chart.per_interval(interval), chart.against(change.span_ms) if change else "")
    return " · ".join(part for part in parts if part)


def faults_of(error: ImError, state: ListState) -> tuple[list[Detail], list[Detail]]:
    """Return the faults of the search text, and all others in the page's own words."""
    if not isinstance(error, ValidationFailed | QueryRejected):
        return [], []
    details = error.details or [Detail("", error.reason)]
    query = [detail for detail in details if detail.field.startswith("query_string")]
    order = [detail for detail in details if detail.field.partition("[")[0] == "sort"]
    others = [
        Detail(_place(detail.field, state), _said(detail.reason))
        for detail in details
        if detail not in query and detail not in order
    ]
    if order:
        others.append(_unsorted(state))
    return query, others


def order_faults(faults: list[Detail], state: ListState) -> Json:
    """Return what a page offers where its address asks for an order that there is none of."""
    faulty = [fault for fault in faults if "order" in fault.extra]
    return {"order_url": state.fresh(sort="").url if faulty else "", "only_order": bool(faulty) and faulty == faults}


def _unsorted(state: ListState) -> Detail:
    # Headings of columns ask for orders, nobody types one: how a script would write it helps no one here.
    reason = _(
        "The list cannot be sorted by “%(order)s”. Show the newest first; the headings of the columns sort by them."
    )
    return Detail("", reason % {"order": text.clip(state.sort, 80)}, {"order": state.sort})


def _said(reason: str) -> str:
    """Return what is wrong with the page's names of the API's parameters."""
    return reason.replace("start_time", _("From")).replace("end_time", _("To"))


def _place(name: str, state: ListState) -> str:
    if name.startswith("additional_fields["):
        number = name.removeprefix("additional_fields[").partition("]")[0]
        names = [entry["name"] for entry in state.raw(registry())["additional_fields"]]
        if number.isdecimal() and int(number) < len(names):
            return str(names[int(number)])
    return {"start_time": _("From"), "end_time": _("To"), "from": _("Row"), "size": _("Rows")}.get(name, name)

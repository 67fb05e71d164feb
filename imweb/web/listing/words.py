"""What the list calls things: values of fields, modes, time ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imweb.incidents import mitre, times
from imweb.incidents.beginning import titles
from imweb.incidents.severities import severities
from imweb.web.listing.state import DEFAULT_END, DEFAULT_START, OPEN_END, ListState
from imweb.workflows import RESOLUTIONS, all_statuses, workflows

MODE_LABELS = {
    "grouped": gettext_lazy("Grouped"),
    "all": gettext_lazy("Everything"),
    "incidents": gettext_lazy("Incidents only"),
}
QUICK = (
    ("now-15m", "now", gettext_lazy("Last 15 minutes")),
    ("now-1h", "now", gettext_lazy("Last hour")),
    ("now-4h", "now", gettext_lazy("Last 4 hours")),
    ("now-12h", "now", gettext_lazy("Last 12 hours")),
    ("now-1d", "now", gettext_lazy("Last 24 hours")),
    ("now/d", "now", gettext_lazy("Today")),
    ("now-1d/d", "now-1d/d", gettext_lazy("Yesterday")),
    ("now/w", "now", gettext_lazy("This week")),
    ("now-7d", "now", gettext_lazy("Last 7 days")),
    ("now-30d", "now", gettext_lazy("Last 30 days")),
    ("now-90d", "now", gettext_lazy("Last 90 days")),
    (OPEN_END, OPEN_END, gettext_lazy("All time")),
)
UNITS = {
    "m": gettext_lazy("minutes"),
    "h": gettext_lazy("hours"),
    "d": gettext_lazy("days"),
    "w": gettext_lazy("weeks"),
}
_LAST = re.compile(r"now-(\d{1,6})([mhdw])")


def value_labels() -> dict[str, Callable[[str], str]]:
    """Return, for the fields whose values have names of their own, how a value is shown."""
    levels = {level.name: level.label for level in severities()}
    statuses = {status.name: status.title for status in all_statuses()}
    return {
        "severity": partial(_known, levels),
        "status": partial(_known, statuses),
        "mitre": attack_label,
        "resolution": resolution_label,
        "incident_type": partial(_known, titles()),
        "workflow_id": partial(_known, {workflow.id: workflow.title for workflow in workflows()}),
    }


def _known(names: dict[str, str], value: str) -> str:
    return names.get(value, value)


def attack_label(value: str) -> str:
    """Return a tactic's name, or a technique's id."""
    named = mitre.tactic(value)
    return named.name if named else value


def resolution_label(value: str) -> str:
    """Return a verdict as a sentence says it."""
    return RESOLUTIONS.get(value, value.replace("_", " ")).lower()


def nothing_label(name: str) -> str:
    """Return what an empty field is called."""
    return _("nobody") if name == "reviewer" else _("empty")


def anything_label(name: str) -> str:
    """Return what a field with any value is called."""
    return _("anybody") if name == "reviewer" else _("any value")


def time_label(state: ListState, now_ms: int, tz: tzinfo) -> str:
    """Return the range in words: a quick one's name, else both ends in the visible zone."""
    for start, end, label in QUICK:
        if (state.start, state.end) == (start, end):
            return str(label)
    match = _LAST.fullmatch(state.start)
    if match and state.end == DEFAULT_END:
        number, unit = int(match[1]), match[2]
        words = {
            "m": ngettext("Last minute", "Last %(n)s minutes", number),
            "h": ngettext("Last hour", "Last %(n)s hours", number),
            "d": ngettext("Last day", "Last %(n)s days", number),
            "w": ngettext("Last week", "Last %(n)s weeks", number),
        }
        return words[unit] % {"n": number} if number != 1 else words[unit]
    return f"{_end(state.start, now_ms, tz, up=False)} → {_end(state.end, now_ms, tz, up=True)}"


def dates_label(state: ListState, now_ms: int, tz: tzinfo) -> str:
    """Return the range as absolute dates in the visible zone."""
    return f"{_end(state.start, now_ms, tz, up=False)} → {_end(state.end, now_ms, tz, up=True)}"


def _end(value: str, now_ms: int, tz: tzinfo, *, up: bool) -> str:
    if value == OPEN_END:
        return "…"
    try:
        found = times.parse_instant(value, now_ms=now_ms, tz=tz, round_up=up)
    except times.BadInstant:
        return value[:40]
    return moment(found, now_ms, tz)


def moment(at_ms: int, now_ms: int, tz: tzinfo) -> str:
    """Return an instant in the visible zone, as short as it stays clear."""
    try:
        local = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(tz)
        today = datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return times.to_iso(at_ms)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local:%b} {local.day} {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def is_default_time(state: ListState) -> bool:
    """Return whether the range is the one that nobody chose."""
    return (state.start, state.end) == (DEFAULT_START, DEFAULT_END)

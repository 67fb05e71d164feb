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
MINUTE_MS = 60_000
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


def called(names: dict[str, str]) -> Callable[[str], str]:
    """Return how values with these names are shown; others are shown as they are."""
    return partial(_known, names)


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
    return dates_label(state, now_ms, tz)


def dates_label(state: ListState, now_ms: int, tz: tzinfo) -> str:
    """Return the range as absolute dates in the visible zone, to the second where minutes do not say it."""
    ends = [_end(state.start, now_ms, tz, up=False), _end(state.end, now_ms, tz, up=True)]
    short, long = ([_said(end, now_ms, tz, seconds=seconds) for end in ends] for seconds in (False, True))
    return " → ".join(long if short[0] == short[1] or any(_has_seconds(end) for end in ends) else short)


def _end(value: str, now_ms: int, tz: tzinfo, *, up: bool) -> int | str:
    """Return an end as epoch milliseconds, or what to show of one that is none."""
    if value == OPEN_END:
        return "…"
    try:
        return times.parse_instant(value, now_ms=now_ms, tz=tz, round_up=up)
    except times.BadInstant:
        return value[:40]


def _said(end: int | str, now_ms: int, tz: tzinfo, *, seconds: bool) -> str:
    return end if isinstance(end, str) else moment(end, now_ms, tz, seconds=seconds)


def _has_seconds(end: int | str) -> bool:
    """Return whether an end lies within a minute; its last millisecond is what rounding up made of the whole one."""
    return isinstance(end, int) and end % MINUTE_MS >= 1000 and end % MINUTE_MS != MINUTE_MS - 1


def moment(at_ms: int, now_ms: int, tz: tzinfo, *, seconds: bool = False) -> str:
    """Return an instant in the visible zone, as short as it stays clear."""
    clock = "%H:%M:%S" if seconds else "%H:%M"
    try:
        local = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(tz)
        today = datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return times.to_iso(at_ms)
    if local.date() == today.date():
        return f"{local:{clock}}"
    if local.year == today.year:
        return f"{local:%b} {local.day} {local:{clock}}"
    return f"{local:%Y-%m-%d} {local:{clock}}"


def is_default_time(state: ListState) -> bool:
    """Return whether the range is the one that nobody chose."""
    return (state.start, state.end) == (DEFAULT_START, DEFAULT_END)

"""The panels of the statistics page: counts by value, the backlog by age, how long things took."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents.figures import durations as took
from imweb.incidents.figures.durations import Durations, Took
from imweb.incidents.figures.statistics import AGES, Backlog, Statistics
from imweb.incidents.figures.tops import FALSE_POSITIVE, Top
from imweb.incidents.severities import Severity, severities
from imweb.web.figures.state import excluding, narrowed, with_any_but, without_any
from imweb.web.listing.chart import iso
from imweb.web.listing.load import Frame
from imweb.web.listing.state import OPEN_END, ListState
from imweb.web.listing.words import nothing_label, value_labels
from imweb.workflows import RESOLUTIONS, all_statuses

Json = dict[str, Any]
# That nobody reviews them, or that none has a verdict, is worth a panel.
EMPTY_TELLS = ("reviewer", "resolution")
HALVES = ("entities.host", "entities.user")


@dataclass(frozen=True, slots=True)
class Line:
    """One value: its count, and where the list of it is; `severity` gives it that level's colour."""

    label: str
    count: int
    url: str
    severity: str | None = None
    decided: int | None = None
    false_positives: int = 0
    false_url: str = ""

    @property
    def rate(self) -> str:
        """Return how many of a hundred verdicts were false positives."""
        return share(self.false_positives, self.decided or 0)


@dataclass(frozen=True, slots=True)
class Panel:
    """A field's values as a table of bars; `beside` are the lines that are no value (others, none)."""

    name: str
    title: str
    lines: list[Line]
    beside: list[Line]
    most: int
    verdicts: bool = False
    complete: bool = True

    @property
    def half(self) -> bool:
        """Return whether the panel stands in the last row, which two share."""
        return self.name in HALVES


@dataclass(frozen=True, slots=True)
class AgeLine:
    """A row of the backlog: its total and one cell (count, address) for each level."""

    label: str
    total: int
    url: str
    cells: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class TookLine:
    """A row of durations in words; a level of `None` is all of them."""

    label: str
    severity: str | None
    url: str
    response: Took
    close: Took


def share(part: int, whole: int) -> str:
    """Return a part of a whole in percent, to one digit; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def lasting(seconds: int | None) -> str:
    """Return a duration in its two largest units, cut, not rounded; a dash for none."""
    if seconds is None:
        return "–"
    units = ((took.DAY, _("d")), (took.HOUR, _("h")), (took.MINUTE, _("min")), (1, _("s")))
    for number, (size, name) in enumerate(units):
        if seconds >= size and size > 1:
            rest, (below, unit) = seconds % size, units[number + 1]
            more = f" {rest // below} {unit}" if rest >= below else ""
            return f"{seconds // size} {name}{more}"
    return f"{seconds} {_('s')}"


def verdict_label(value: str) -> str:
    """Return a verdict as a heading says it."""
    return RESOLUTIONS.get(value, value)


def panel(found: Statistics, listed: ListState, name: str) -> Panel | None:
    """Return the panel of a field; None where the field is hidden or holds nothing."""
    top = found.tops.get(name)
    if top is None or not (top.values or top.others or name in EMPTY_TELLS):
        return None
    label = verdict_label if name == "resolution" else value_labels().get(name, str)
    lines = [_line(found, listed, top, value.value, value.count, label) for value in _ordered(top)]
    beside = []
    if top.others:
        url = with_any_but(listed, name, top.names()).url
        only = _("only other values") if top.field.multi else _("other values")
        beside.append(Line(only, top.others, url))
    if top.missing:
        empty = _("no verdict") if name == "resolution" else _("no tactic") if name == "mitre" else nothing_label(name)
        beside.append(Line(empty, top.missing, without_any(listed, name).url))
    title = _("Tactic") if name == "mitre" else _("Verdict") if name == "resolution" else top.field.label
    most = max((line.count for line in lines), default=0) or 1
    return Panel(name, title, lines, beside, most, bool(top.verdicts), top.complete)


def _line(found: Statistics, listed: ListState, top: Top, value: str, count: int, label: Callable[[str], str]) -> Line:
    name = top.field.name
    own = narrowed(listed, found.registry, name, [value])
    verdicts = top.verdicts.get(value)
    if verdicts is None:
        return Line(label(value), count, own.url, value if name == "severity" else None)
    false = narrowed(own, found.registry, "resolution", [FALSE_POSITIVE]).url
    return Line(label(value), count, own.url, None, verdicts.decided, verdicts.false_positives, false)


def _ordered(top: Top) -> list[Any]:
    if top.field.name != "severity":
        return list(top.values)
    order = {level.name: number for number, level in enumerate(severities())}
    return sorted(top.values, key=lambda value: order.get(value.value, len(order)))


def terminal_statuses() -> list[str]:
    """Return the statuses that end the work."""
    return [status.name for status in all_statuses() if status.terminal]


def numbers(found: Statistics, listed: ListState) -> list[Json]:
    """Return the figures at the top of the page, each with its list where there is one."""
    status, verdict = found.tops.get("status"), found.tops.get("resolution")
    ends = terminal_statuses()
    drawn: list[Json] = [{"label": _("Incidents"), "value": f"{found.total:,}", "url": listed.url}]
    if status:
        closed = sum(value.count for value in status.values if value.value in ends)
        still = found.total - closed
        drawn.append(
            {
                "label": _("Still open"),
                "value": f"{still:,}",
                "url": excluding(listed, "status", ends).url,
                "note": share(still, found.total),
            }
        )
    if verdict:
        decided = found.total - verdict.missing
        false = next((value.count for value in verdict.values if value.value == FALSE_POSITIVE), 0)
        url = narrowed(listed, found.registry, "resolution", [FALSE_POSITIVE]).url
        note = _("%(n)s of %(all)s verdicts") % {"n": f"{false:,}", "all": f"{decided:,}"}
        drawn.append({"label": _("False positives"), "value": share(false, decided), "url": url, "note": note})
    if found.durations:
        for name, text in (("response", _("First response")), ("close", _("Time to close"))):
            all_of = found.durations.took[name][""]
            note = _("median; 90 %% within %(p90)s") % {"p90": lasting(all_of.p90)} if all_of.count else ""
            drawn.append({"label": text, "value": lasting(all_of.median), "note": note, "url": "#took"})
    return drawn


def levels_of(found: Backlog) -> list[Severity]:
    """Return the levels that the backlog's columns stand for, the worst first; unknown ones under their own name."""
    known = severities() if any(age.counts for age in found.ages) else []
    names = {name for age in found.ages for name in age.counts}
    unknown = sorted(names - {level.name for level in known})
    return known + [Severity(name, name or _("none"), -1, "", "") for name in unknown]


def backlog(here: Frame, found: Backlog, listed: ListState, levels: Sequence[Severity]) -> list[AgeLine]:
    """Return the backlog's rows; their lists are those of the same moment, whatever the page's time range."""
    names = _ages()
    drawn = []
    for number, age in enumerate(found.ages):
        window = listed.fresh(
            start=OPEN_END if age.start_ms is None else iso(age.start_ms, here.tz),
            end=OPEN_END if age.end_ms is None else iso(age.end_ms, here.tz),
        )
        left = excluding(window, "status", terminal_statuses())
        cells = []
        for level in levels:
            own = (
                narrowed(left, here.registry, "severity", [level.name]) if level.name else without_any(left, "severity")
            )
            cells.append((age.counts.get(level.name, 0), own.url))
        drawn.append(AgeLine(names[number], age.total, left.url, cells))
    return drawn


def _ages() -> list[str]:
    words = [lasting(hours * took.HOUR) for hours in AGES]
    found = [_("under %(age)s") % {"age": words[0]}]
    found += [f"{low} – {high}" for low, high in itertools.pairwise(words)]
    return [*found, _("over %(age)s") % {"age": words[-1]}]


def took_lines(found: Durations, listed: ListState, here: Frame) -> list[TookLine]:
    """Return the durations of all incidents and of each level that has any."""
    drawn = []
    for name in found.took["response"]:
        response, close = found.took["response"][name], found.took["close"][name]
        if name and not (response.count or close.count):
            continue
        level = next((level for level in severities() if level.name == name), None)
        url = narrowed(listed, here.registry, "severity", [name]).url if name else listed.url
        drawn.append(TookLine(level.label if level else _("All"), name or None, url, response, close))
    return drawn


def spread(found: Durations) -> list[Json]:
    """Return how the durations spread: for each span the number of responses and of closings."""
    words = [lasting(edge) for edge in took.SHOWN]
    labels = [_("under %(span)s") % {"span": words[0]}]
    labels += [f"{low} – {high}" for low, high in itertools.pairwise(words)]
    labels.append(_("%(span)s or more") % {"span": words[-1]})
    response, close = found.spread["response"], found.spread["close"]
    return [
        {"label": label, "response": response[number], "close": close[number]} for number, label in enumerate(labels)
    ]

"""A list folded by a field, as drawn: one line a value, each opening to its rows and leading to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.incidents import folding
from imweb.incidents.fields import FieldDef
from imweb.incidents.folding import Group
from imweb.incidents.params import MAX_VALUE
from imweb.incidents.severities import severities
from imweb.web.listing.load import Frame, Table
from imweb.web.listing.pager import pager
from imweb.web.listing.rows import Named, clock, duration
from imweb.web.listing.state import ListState, exact_text, exact_value
from imweb.web.listing.words import nothing_label, value_labels

Json = dict[str, Any]
# First in the menu; every other field that has whole values comes after them.
USUAL = ("rule.name", "entities.host", "entities.user", "severity", "status", "reviewer", "source", "incident_type")


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One group as a line: `posted` is its value in the form of the ticked ones; without addresses it cannot open."""

    mark: str
    label: str
    nothing: bool
    count: int
    severity: Named
    clock: str
    span: str
    title: str
    posted: str
    url: str
    rows_url: str


@dataclass(frozen=True, slots=True)
class Fold:
    """The groups of one page and what is said above them."""

    field: FieldDef
    rows: list[FoldRow]
    total: int
    complete: bool
    multi: bool

    @property
    def total_words(self) -> str:
        """Return how many groups there are."""
        number = f"{self.total:,}" if self.complete else _("more than %(n)s") % {"n": f"{self.total:,}"}
        return ngettext("%(n)s group", "%(n)s groups", self.total) % {"n": number}


def list_path() -> str:
    """Return the address of the list without anything chosen."""
    return reverse("incidents")


def unplaced(state: ListState) -> ListState:
    """Return the state to read the list itself by: the place of a folded one counts groups and not rows."""
    return replace(state, offset="0", at="") if state.group_by else state


def field_of(here: Frame, state: ListState) -> FieldDef:
    """Return the field by which an address folds; raises `ValidationFailed`, also for one that the user may not see."""
    return folding.field_to_fold(state.group_by, here.registry)


def fold(here: Frame, found: Table, asked: ListState) -> tuple[Table, Fold]:
    """Return a list's table and its groups, in the same frozen set; `asked` says at which group the page begins."""
    known = field_of(here, asked)
    query = asked.query(here.registry, here.actor.time_zone, None)
    levels = {level.name: level.short for level in severities()}
    counted = folding.fold(
        here.actor,
        found.query.filters,
        found.query.pit,
        known,
        list(levels),
        offset=query.offset,
        size=query.size,
    )
    offset = min(query.offset, max(0, counted.total - 1) // query.size * query.size)
    state = replace(found.state, offset=str(offset), at="", group_by=known.name)
    names = value_labels().get(known.name, str)
    rows = []
    for number, group in enumerate(counted.groups):
        label = nothing_of(known) if group.value is None else names(group.value)
        rows.append(_row(here, state, known, number, group, label, levels, found.as_of_ms))
    place = pager(state, offset, query.size, len(rows), counted.total, None)
    return replace(found, state=state, rows=[], pager=place), Fold(
        known, rows, counted.total, counted.complete, known.multi
    )


def nothing_of(known: FieldDef) -> str:
    """Return what the group of rows without a value is called: "nobody", "no host"."""
    if known.name == "reviewer":
        return nothing_label("reviewer")
    return _("no %(field)s") % {"field": known.label[:1].lower() + known.label[1:] if known.label else known.name}


def _row(
    here: Frame,
    state: ListState,
    known: FieldDef,
    number: int,
    group: Group,
    label: str,
    levels: dict[str, str],
    now_ms: int,
) -> FoldRow:
    # An address can neither hold an empty value nor one of any length.
    holds = group.value is None or 0 < len(group.value) <= MAX_VALUE
    part = state.part(known.name, [group.value]) if holds else None
    mark = f"g{number}"
    opened = urlencode([*part.pairs(), ("mark", mark)]) if part else ""
    lasts = (group.last_ms - group.first_ms) / 1000 if group.first_ms is not None and group.last_ms is not None else 0
    return FoldRow(
        mark=mark,
        label=label,
        nothing=group.value is None,
        count=group.count,
        severity=Named(group.severity, levels.get(group.severity, group.severity) or _("none")),
        clock=clock(group.last_ms, now_ms, here.tz) if group.last_ms is not None else "",
        span=_("over %(span)s") % {"span": duration(lasts)} if lasts >= 1 else _("at once"),
        title=group.title,
        posted=exact_text(group.value) if holds else "",
        url=part.url if part else "",
        rows_url=f"{reverse('list-fold')}?{opened}" if part else "",
    )


def menu(here: Frame, state: ListState) -> Json:
    """Return what the menu "Group by" offers, all of it in the same frozen set."""
    known = {item.name: item for item in folding.groupable(here.registry)}
    on = here.registry.resolve(state.group_by) if state.group_by else None
    base = state.within(offset="0", group_by="")
    return {
        "on": on,
        "usual": [
            {
                "label": known[name].label,
                "url": state.within(offset="0", group_by=name).url,
                "on": on is not None and on.name == name,
            }
            for name in USUAL
            if name in known
        ],
        "fields": sorted((item for item in known.values() if item.name not in USUAL), key=lambda item: item.label),
        "pairs": base.pairs(),
        "off_url": base.url,
    }


def part_of(state: ListState, name: str, posted: Sequence[str]) -> ListState:
    """Return the part of a folded list that the ticked groups are together; `posted` as their form sends them."""
    return state.part(name, [exact_value(text) for text in dict.fromkeys(posted)])

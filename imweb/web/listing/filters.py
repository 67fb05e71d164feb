"""Chips, facets and custom filters: the same description of filters, shown three ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from imweb.incidents.facets import Facet
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.folding import groupable
from imweb.incidents.models import CustomField
from imweb.incidents.results import SeverityCount
from imweb.web.listing.state import ANY, Chosen, ListState, exact_value
from imweb.web.listing.words import anything_label, attack_label, nothing_label

Labels = Mapping[str, Callable[[str], str]]
GROUP = "incident_aggregation_result_id"
# So many values of a filter are written out.
SHOWN = 4
FACETS = ("status", "reviewer", "rule.name", "source")


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter, with the ways to take it away and to turn it round."""

    label: str
    values: list[str]
    more: int
    exclude: bool
    remove_url: str
    invert_url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One value of a facet; `mark` says whether it is filtered by: "on", "not" or nothing."""

    value: str
    label: str
    count: int
    url: str
    out_url: str
    mark: str = ""
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A facet as drawn; `top` is what the longest bar stands for, `all_url` lists every value with its rows."""

    name: str
    label: str
    lines: list[Line]
    others: int = 0
    top: int = 1
    all_url: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """An administrator's custom filter in the filter bar."""

    name: str
    parameter: str
    label: str
    type: str
    placeholder: str
    value: str = ""
    chosen: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    exclude: bool = False


def chips(state: ListState, registry: Registry, labels: Labels) -> list[Chip]:
    """Return one chip for each active filter."""
    return [_chip(state, item, registry, labels) for item in state.filters]


def _chip(state: ListState, item: Chosen, registry: Registry, labels: Labels) -> Chip:
    known = registry.get(item.name)
    label = known.label if known else item.name
    exclude = item.exclude
    if item.is_presence:
        # "Not anything" reads better as "nothing".
        shown = [nothing_label(item.name) if exclude else anything_label(item.name)]
        exclude = False
    else:
        values = _values(item)
        name_of = labels.get(item.name, str)
        shown = [nothing_label(item.name) if value is None else name_of(value) for value in values]
    return Chip(
        label=label,
        values=shown[:SHOWN],
        more=max(0, len(shown) - SHOWN),
        exclude=exclude,
        remove_url=state.without(item).url,
        invert_url=state.inverted(item).url,
    )


def _values(item: Chosen) -> list[str | None]:
    return [exact_value(text) for text in item.values] if item.exact else list(item.values)


def groups_named(state: ListState, registry: Registry) -> list[str]:
    """Return the ids of the groups that chips write out, none where groups are hidden from who reads them."""
    if registry.get(GROUP) is None:
        return []
    found = [value for item in state.filters if item.name == GROUP for value in _values(item)[:SHOWN]]
    return list(dict.fromkeys(value for value in found if value and value != ANY))


def severity_box(state: ListState, counts: Sequence[SeverityCount]) -> Box:
    """Return the facet of severities from their statistics."""
    lines = [
        Line(
            value=level.key,
            label=level.label,
            count=level.count,
            url=_severity(state, level, exclude=False).url,
            out_url=_severity(state, level, exclude=True).url,
            mark=_mark(state, "severity", level.key or ANY),
            severity=level.key,
        )
        for level in counts
    ]
    return Box("severity", _("Severity"), lines, top=max((line.count for line in lines), default=0) or 1)


def _severity(state: ListState, level: SeverityCount, *, exclude: bool) -> ListState:
    if level.key:
        return state.toggled("severity", level.key, exclude=exclude)
    return state.toggled("severity", ANY, exclude=not exclude)


def severity_url(state: ListState, level: SeverityCount) -> str:
    """Return where a click on a level's count leads."""
    return _severity(state, level, exclude=False).url


def boxes(state: ListState, found: Sequence[Facet], labels: Labels, registry: Registry) -> list[Box]:
    """Return facets as drawn, those without a value left out unless they are filtered by."""
    foldable = {item.name for item in groupable(registry)}
    drawn = []
    for facet in found:
        lines = [_line(state, facet.field, value.value, value.count, labels) for value in facet.values]
        if facet.missing and facet.field.name == "reviewer":
            mark = "on" if state.has("reviewer", ANY, exclude=True) else ""
            nobody = state.toggled("reviewer", ANY, exclude=True)
            anybody = state.toggled("reviewer", ANY)
            lines.insert(0, Line("", nothing_label("reviewer"), facet.missing, nobody.url, anybody.url, mark))
        if lines:
            top = max((line.count for line in lines), default=0) or 1
            all_url = _all_values(state, facet.field.name) if facet.others and facet.field.name in foldable else ""
            drawn.append(Box(facet.field.name, _heading(facet.field), lines, facet.others, top, all_url))
    return drawn


def _all_values(state: ListState, name: str) -> str:
    """Return the list folded by a field: all its values, also those that its own filter leaves out."""
    rest = tuple(item for item in state.filters if item.name != name)
    base = state if rest == state.filters else state.fresh(filters=rest)
    return base.within(offset="0", group_by=name).url


def _heading(known: FieldDef) -> str:
    return _("Tactic") if known.name == "mitre" else known.label


def _line(state: ListState, known: FieldDef, value: str, count: int, labels: Labels) -> Line:
    label = labels[known.name](value) if known.name in labels else value
    return Line(
        value=value,
        label=label,
        count=count,
        url=state.toggled(known.name, value).url,
        out_url=state.toggled(known.name, value, exclude=True).url,
        mark=_mark(state, known.name, value),
    )


def technique_box(state: ListState, facet: Facet) -> Box:
    """Return the facet of techniques, which share a field with the tactics."""
    lines = [
        _line(state, facet.field, v.value, v.count, {"mitre": attack_label})
        for v in facet.values
        if not v.value.startswith("TA")
    ]
    return Box("technique", _("Technique"), lines, 0, max((line.count for line in lines), default=0) or 1)


def _mark(state: ListState, name: str, value: str) -> str:
    if state.has(name, value):
        return "on"
    return "not" if state.has(name, value, exclude=True) else ""


def controls(state: ListState, custom: Sequence[CustomField], live: Mapping[str, Sequence[str]]) -> list[Control]:
    """Return the administrator's filters; a select offers its options, and the field's live values where so defined."""
    found = []
    for item in custom:
        if not item.is_filter or item.type not in CustomField.FILTERABLE:
            continue
        exclude = item.is_exclusion
        chosen = state.find(item.name, exclude=exclude)
        values = list(chosen.values) if chosen else []
        options = list(dict.fromkeys([*item.options, *live.get(item.name, ()), *(v for v in values if v != ANY)]))
        found.append(
            Control(
                name=item.name,
                parameter=("not." if exclude else "f.") + item.name,
                label=item.label,
                type=item.type,
                placeholder=item.placeholder,
                value=values[0] if values else "",
                chosen=values,
                options=options,
                exclude=exclude,
            )
        )
    return found


def addable(registry: Registry) -> list[FieldDef]:
    """Return the fields that "Add filter" offers."""
    kinds = (Kind.KEYWORD, Kind.TEXT, Kind.NUMBER)
    left_out = {"description", "comment", "resolution_note"}
    return [item for item in registry.fields.values() if item.kind in kinds and item.name not in left_out]

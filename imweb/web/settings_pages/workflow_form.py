"""The form of a workflow: rows of statuses, a matrix of steps between them, and the definition that they make.

Rows keep the index they were sent under, so that a matrix that is drawn anew still belongs to the rows in the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from imweb.accounts import permissions
from imweb.configuration import store
from imweb.errors import NotFound, ValidationFailed
from imweb.web.settings_pages.base import faults_of, lines_of
from imweb.workflows.definitions import WORKFLOWS, WorkflowDefinition, graph_faults
from imweb.workflows.graph import Graph, graph

MAX_ROWS = 50
BLANK = 2
WHO: dict[str, Promise | str] = {
    permissions.TRANSITION: _("everybody"),
    permissions.ASSIGN: _("who assigns"),
    permissions.REOPEN: _("who reopens"),
}
REQUIRED: dict[str, Promise | str] = {
    "comment": _("a comment"),
    "resolution": _("a resolution"),
    "reviewer": _("a reviewer"),
}
COLOR_LABELS: dict[str, Promise | str] = {
    "default": _("Grey"),
    "new": _("Outlined"),
    "progress": _("Amber"),
    "verification": _("Violet"),
    "closed": _("Quiet"),
    "danger": _("Red"),
    "success": _("Green"),
}
LABELS = {
    "name": "System name",
    "title": "Title",
    "initial": "Initial status",
    "statuses": "Statuses",
    "transitions": "Steps",
    "incident_types": "Incident types",
    "rules": "Rules",
    "default": "Default",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One status as typed."""

    index: int
    name: str = ""
    title: str = ""
    color: str = "default"
    terminal: bool = False
    initial: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One possible step; without a permission there is none."""

    source: Row
    target: Row
    permission: str = ""
    name: str = ""
    required: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the prefix of the form's fields."""
        return f"t.{self.source.index}.{self.target.index}"

    @property
    def is_same(self) -> bool:
        """Return whether this is the diagonal."""
        return self.source.index == self.target.index


@dataclass(slots=True)
class Typed:
    """What the form says."""

    name: str
    title: str
    rows: list[Row]
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    incident_types: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    default: bool = False
    # Steps keep the order in which they are offered; new ones come last.
    order: tuple[tuple[str, str], ...] = ()

    @property
    def used(self) -> list[Row]:
        """Return the rows that are statuses."""
        return [row for row in self.rows if row.name or row.title]

    @property
    def matrix(self) -> list[tuple[Row, list[Cell]]]:
        """Return the cells by row."""
        return [(s, [self.cells.get((s.index, t.index)) or Cell(s, t) for t in self.used]) for s in self.used]

    @property
    def data(self) -> dict[str, Any]:
        """Return the definition's data."""
        steps = [cell for _row, cells in self.matrix for cell in cells if cell.permission and not cell.is_same]
        place = {pair: at for at, pair in enumerate(self.order)}
        steps.sort(key=lambda cell: place.get((cell.source.name, cell.target.name), len(place)))
        return {
            "name": self.name,
            "title": self.title,
            "initial": next((row.name for row in self.used if row.initial), ""),
            "statuses": [
                {"name": row.name, "title": row.title, "color": row.color, "terminal": row.terminal}
                for row in self.used
            ],
            "transitions": [
                {
                    "source": cell.source.name,
                    "target": cell.target.name,
                    "name": cell.name,
                    "permission": cell.permission,
                    "required": list(cell.required),
                }
                for cell in steps
            ],
            "default": self.default,
            "incident_types": self.incident_types,
            "rules": self.rules,
        }

    def moved(self, move: str) -> int:
        """Put a row one place `up` or `down`, as `index:up` says, and return where it is now; -1 when it cannot go.

        Rows are numbered anew in their new order, and the steps between them with them.
        """
        index, _mark, way = move.partition(":")
        rows = self.used
        at = next((n for n, row in enumerate(rows) if str(row.index) == index), -1)
        to = at + {"up": -1, "down": 1}.get(way, 0)
        if at < 0 or at == to or not 0 <= to < len(rows):
            return -1
        rows.insert(to, rows.pop(at))
        fresh = {row.index: replace(row, index=n) for n, row in enumerate(rows)}
        self.rows = list(fresh.values())
        cells = [replace(c, source=fresh[s], target=fresh[t]) for (s, t), c in self.cells.items()]
        self.cells = {(cell.source.index, cell.target.index): cell for cell in cells}
        return to

    def with_blank_rows(self) -> list[Row]:
        """Return the rows with empty ones to fill at the end."""
        first = max((row.index for row in self.used), default=-1) + 1
        return [*self.used, *(Row(first + n) for n in range(BLANK) if first + n < MAX_ROWS)]


def typed(data: QueryDict, existing: WorkflowDefinition | None) -> Typed:
    """Read a form."""
    initial = data.get("initial", "")
    rows = []
    for index in range(MAX_ROWS):
        key = f"s.{index}"
        if f"{key}.title" not in data or f"{key}.gone" in data:
            continue
        rows.append(
            Row(
                index,
                data.get(f"{key}.name", "").strip() or _slug(data.get(f"{key}.title", "")),
                data.get(f"{key}.title", "").strip(),
                data.get(f"{key}.color", "default"),
                f"{key}.terminal" in data,
                initial == str(index),
            )
        )
    found = Typed(
        name=existing.name if existing else data.get("name", "").strip(),
        title=data.get("title", "").strip(),
        rows=rows,
        incident_types=lines_of(data.get("incident_types", "")),
        rules=lines_of(data.get("rules", "")),
        default=existing.default if existing else False,
        order=_order(existing) if existing else (),
    )
    for source in found.used:
        for target in found.used:
            key = f"t.{source.index}.{target.index}"
            if permission := data.get(f"{key}.who", ""):
                found.cells[source.index, target.index] = Cell(
                    source, target, permission, data.get(f"{key}.name", "").strip(), tuple(data.getlist(f"{key}.need"))
                )
    return found


def _order(definition: WorkflowDefinition) -> tuple[tuple[str, str], ...]:
    return tuple((step.source, step.target) for step in definition.transitions)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.strip().lower()).strip("_")[:40]


def from_definition(definition: WorkflowDefinition) -> Typed:
    """Return a definition as the form shows it."""
    rows = [
        Row(index, s.name, s.title, s.color, s.terminal, s.name == definition.initial)
        for index, s in enumerate(definition.statuses)
    ]
    by_name = {row.name: row for row in rows}
    cells = {}
    for step in definition.transitions:
        source, target = by_name[step.source], by_name[step.target]
        cells[source.index, target.index] = Cell(source, target, step.permission, step.name, step.required)
    return Typed(
        definition.name,
        definition.title,
        rows,
        cells,
        list(definition.incident_types),
        list(definition.rules),
        definition.default,
        _order(definition),
    )


@dataclass(frozen=True, slots=True)
class Check:
    """What a form would make: its picture, and what keeps it from being saved."""

    graph: Graph | None
    faults: dict[str, list[str]]
    gone: list[str]


def check(form: Typed, existing: WorkflowDefinition | None) -> Check:
    """Return the picture and the faults of a form; nothing is written."""
    names = {row.name for row in form.used}
    gone = [status.name for status in existing.statuses if status.name not in names] if existing else []
    # A workflow that has no name yet need not be told so, and its picture needs none.
    unnamed = {} if existing else {"name": form.name or "new", "title": form.title or form.name or "…"}
    try:
        definition = WORKFLOWS.parse(form.data | unnamed)
    except ValidationFailed as error:
        return Check(None, faults_of(error), gone)
    faults: dict[str, list[str]] = {}
    for fault in graph_faults(definition):
        faults.setdefault(fault.field.partition(".")[0], []).append(fault.reason)
    return Check(graph(definition.workflow), faults, gone)


def make_default(name: str, *, by: str) -> None:
    """Make a workflow the one of incidents that no other claims."""
    found = [item.value for item in store.items(WORKFLOWS, fresh=True)]
    if all(item.name != name for item in found):
        raise NotFound(f"There is no workflow named '{name}'.")
    changed = [item.model_copy(update={"default": item.name == name}) for item in found]
    store.replace(WORKFLOWS, [WORKFLOWS.stored(item) for item in changed], by=by)


@dataclass(frozen=True, slots=True)
class Stray:
    """Incidents in a status that their workflow does not have; `title` is the workflow's, empty when it is gone."""

    workflow: str
    title: str
    status: str
    count: int


def strays(standing: Sequence[WorkflowDefinition], counts: Mapping[tuple[str, str], int]) -> list[Stray]:
    """Return what of (workflow, status) counts is in no status of its workflow; a removed one's follow the default."""
    default = next(item for item in standing if item.default)
    by_name = {item.name: item for item in standing}
    found = []
    for (name, status), count in counts.items():
        own = by_name.get(name)
        if status not in {item.name for item in (own or default).statuses}:
            found.append(Stray(name, own.title if own else "", status, count))
    return found

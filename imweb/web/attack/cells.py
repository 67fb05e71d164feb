"""The matrix as drawn: tactics as columns, techniques as cells shaded by their count, what no column has beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imweb.incidents import mitre
from imweb.incidents.fields import Registry
from imweb.incidents.figures.attack import AttackFigures, Count
from imweb.web.figures.state import narrowed
from imweb.web.listing.state import ListState

STEPS = 5


@dataclass(frozen=True, slots=True)
class Band:
    """One colour of the scale and the counts that it stands for, both ends in it."""

    level: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A technique with its count (incidents or hosts); no `url` where nothing was seen."""

    id: str
    name: str
    count: int
    level: int
    url: str
    incidents: int = 0
    hosts: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A technique and its sub-techniques; `below` is how many of them were seen."""

    cell: Cell
    parts: list[Cell]
    below: int
    known: int


@dataclass(frozen=True, slots=True)
class TacticColumn:
    """A tactic; `seen` of its `known` techniques were seen."""

    cell: Cell
    groups: list[Group]
    seen: int
    known: int


@dataclass(frozen=True, slots=True)
class Other:
    """An id outside the matrix: unknown, or of a technique that ATT&CK has retired."""

    cell: Cell
    replaced_by: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything that the page draws; `rows` is the same as a table."""

    columns: list[TacticColumn]
    empty: list[str]
    bands: list[Band]
    retired: list[Other]
    unknown: list[Other]
    rows: list[tuple[Cell, list[str]]] = field(default_factory=list)
    seen: int = 0


def bands(most: int, steps: int = STEPS) -> list[Band]:
    """Return the colours for counts from 1 to `most`: each stands for about as many times more as the one before."""
    found: list[Band] = []
    low = 1
    count = min(steps, most)
    for number in range(1, count + 1):
        high = most if number == count else max(low, round(most ** (number / count)))
        # The last band keeps at least one count for itself.
        high = min(high, most - (count - number))
        # Few counts use the colours that lie farthest apart.
        level = steps if count == 1 else 1 + round((number - 1) * (steps - 1) / (count - 1))
        found.append(Band(level, low, high))
        low = high + 1
    return found


def level_of(scale: Sequence[Band], count: int) -> int:
    """Return the colour of a count, 0 where nothing was seen."""
    return next((band.level for band in scale if band.low <= count <= band.high), 0)


def matrix(
    figures: AttackFigures, listed: ListState, registry: Registry, *, hosts: bool = False, everything: bool = False
) -> Matrix:
    """Return the matrix; without `everything` only what was seen, tactics without any named in `empty`."""
    draw = _Draw(figures, listed, registry, hosts)
    columns, empty = [], []
    for column in mitre.matrix():
        groups = [draw.group(row, everything) for row in column.rows]
        seen = [group for group in groups if group.cell.url]
        named = figures.tactics.get(column.tactic.id)
        if not everything and not seen and not named:
            empty.append(column.tactic.name)
            continue
        head = draw.cell(column.tactic.id, column.tactic.name, named, plain=True)
        columns.append(TacticColumn(head, groups if everything else seen, len(seen), len(groups)))
    retired = [
        Other(draw.cell(key, known.name, count), known.replaced_by or "")
        for key, count in sorted(figures.retired.items())
        if (known := mitre.technique(key))
    ]
    unknown = [Other(draw.cell(count.ids[0], "", count)) for count in figures.unknown]
    rows = draw.rows()
    return Matrix(columns, empty, draw.bands, retired, unknown, rows, len(figures.techniques))


class _Draw:
    """Cells of one set of figures on one scale."""

    def __init__(self, figures: AttackFigures, listed: ListState, registry: Registry, hosts: bool) -> None:
        self.figures = figures
        self.listed = listed
        self.registry = registry
        self.hosts = hosts
        shaded = [*figures.techniques.values(), *figures.retired.values(), *figures.unknown]
        self.bands = bands(max((self.number(count) for count in shaded), default=0))

    def number(self, count: Count | None) -> int:
        """Return what is counted."""
        if count is None:
            return 0
        return (count.hosts or 0) if self.hosts else count.incidents

    def cell(self, key: str, name: str, count: Count | None, *, plain: bool = False) -> Cell:
        """Return a cell with the list that it counts; a `plain` one has no colour."""
        if count is None:
            return Cell(key, name, 0, 0, "")
        number = self.number(count)
        url = narrowed(self.listed, self.registry, "mitre", count.ids).url
        level = 0 if plain else level_of(self.bands, number)
        return Cell(key, name, number, level, url, count.incidents, count.hosts)

    def group(self, row: mitre.Row, everything: bool) -> Group:
        """Return a technique with those of its sub-techniques that are shown."""
        known = self.figures.techniques
        parts = [self.cell(part.id, part.name, known.get(part.id)) for part in row.subtechniques]
        seen = [part for part in parts if part.url]
        cell = self.cell(row.technique.id, row.technique.name, known.get(row.technique.id))
        return Group(cell, parts if everything else seen, len(seen), len(parts))

    def rows(self) -> list[tuple[Cell, list[str]]]:
        """Return every technique seen with its tactics' names, the most frequent first."""
        found = []
        for key, count in self.figures.techniques.items():
            if known := mitre.technique(key):
                found.append((self.cell(key, known.name, count), _names(known.tactics)))
        return sorted(found, key=lambda item: (-item[0].count, item[0].id))


def _names(tactics: Iterable[str]) -> list[str]:
    return [found.name for key in tactics if (found := mitre.tactic(key))]

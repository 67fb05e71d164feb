"""Severity levels as settings pages treat them: ordered by rank, one default, two ready sets with a mapping between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.errors import NotFound, ValidationFailed
from imweb.incidents.severities import (
    BETWEEN_SETS,
    MIN_CONTRAST,
    PANEL,
    PANEL_DARK,
    SETS,
    SEVERITIES,
    SeverityDefinition,
    contrast,
    definition_of,
)
from imweb.web.settings_pages.base import KindSource
from imweb.web.settings_pages.consequences import unbroken

SET_LABELS = {"sigma": "Sigma's five levels", "customer": "Four levels: normal to critical"}
LABELS = {"label": "Label", "rank": "Rank", "color": "Colour, light", "color_dark": "Colour, dark", "short": "Short"}


# Sections whose objects name levels.
NEEDING = ("grouping_rules", "notifications")


class SeveritySource:
    """The levels, the worst first; moving one deals the ranks out anew."""

    kind = SEVERITIES.name
    base = KindSource(SEVERITIES)

    def names(self) -> list[str]:
        """Return the names, the worst first."""
        return [level.name for level in standing()]

    def reorder(self, names: Sequence[str], *, by: str) -> None:
        """Give the ranks in force to the names in this order."""
        levels = {level.name: level for level in standing()}
        if sorted(names) != sorted(levels):
            raise ValidationFailed.field("order", "name every level once: " + ", ".join(levels))
        ranks = sorted((level.rank for level in levels.values()), reverse=True)
        replace([levels[n].model_copy(update={"rank": r}) for n, r in zip(names, ranks, strict=True)], by=by)

    def undo(self, change: Change, *, by: str) -> None:
        """Take back a change."""
        with unbroken(*NEEDING):
            self.base.undo(change, by=by)


@dataclass(frozen=True, slots=True)
class Contrast:
    """A colour on its panel; `enough` by WCAG 2.1, 1.4.11."""

    theme: str
    color: str
    panel: str
    ratio: float

    @property
    def enough(self) -> bool:
        """Return whether the colour can be told from its panel."""
        return self.ratio >= MIN_CONTRAST


def standing() -> list[SeverityDefinition]:
    """Return the levels read afresh, the worst first."""
    found = [item.value for item in store.items(SEVERITIES, fresh=True)]
    return sorted(found, key=lambda level: -level.rank)


def replace(levels: Sequence[SeverityDefinition], *, by: str) -> None:
    """Put these levels in the place of all; raises `ValidationFailed` when a rule needs one that goes away."""
    with unbroken(*NEEDING):
        store.replace(SEVERITIES, [SEVERITIES.stored(level) for level in levels], by=by)


def contrasts(values: dict[str, Any]) -> list[Contrast]:
    """Return the contrast of a form's colours in both themes; a colour that is none is left out."""
    found = []
    for theme, field, panel in (("light", "color", PANEL), ("dark", "color_dark", PANEL_DARK)):
        color = str(values.get(field, ""))
        try:
            found.append(Contrast(theme, color, panel, round(contrast(color, panel), 1)))
        except (ValueError, IndexError):
            continue
    return found


def posted(data: QueryDict, existing: SeverityDefinition | None) -> dict[str, Any]:
    """Return what a form says, as a definition's data."""
    rank = data.get("rank", "").strip()
    return {
        "name": existing.name if existing else data.get("name", "").strip(),
        "label": data.get("label", "").strip(),
        "rank": int(rank) if rank.isdecimal() and len(rank) < 9 else rank,
        "color": data.get("color", ""),
        "color_dark": data.get("color_dark", ""),
        "short": data.get("short", "").strip(),
        "default": existing.default if existing else False,
    }


def make_default(name: str, *, by: str) -> None:
    """Make a level the one of incidents that name none."""
    levels = standing()
    if all(level.name != name for level in levels):
        raise NotFound(f"There is no severity level named '{name}'.")
    replace([level.model_copy(update={"default": level.name == name}) for level in levels], by=by)


def ready_set(key: str) -> list[SeverityDefinition]:
    """Return the levels of a ready set, or raise `NotFound`."""
    if key not in SETS:
        raise NotFound("There is no such set of levels.")
    return [definition_of(level) for level in reversed(SETS[key])]


def proposal(value: str, levels: Sequence[SeverityDefinition], key: str = "") -> str:
    """Return the level that takes over a value that goes away: the sets' own mapping, else the nearest in rank."""
    for (_source, target), mapping in BETWEEN_SETS.items():
        if (not key or target == key) and value in mapping and any(level.name == mapping[value] for level in levels):
            return mapping[value]
    old = next((level.rank for level in standing() if level.name == value), 0)
    return min(levels, key=lambda level: abs(level.rank - old)).name if levels else ""

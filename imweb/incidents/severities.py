"""Severity levels: the label, colour and rank of each; the stored value is the level's name, never its rank."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator

from imweb.configuration import Kind
from imweb.configuration.kinds import Definition
from imweb.configuration.store import values
from imweb.errors import Detail

# The panels that charts and badges stand on, in the light and the dark theme (static/css/tokens.css).
PANEL, PANEL_DARK = "#fcfeff", "#161f29"
# WCAG 2.1, 1.4.11: graphical objects.
MIN_CONTRAST = 3.0
MAX_LEVELS = 20


@dataclass(frozen=True, slots=True)
class Severity:
    """One level; a higher `rank` is worse; the colours are for the light and the dark theme."""

    name: str
    label: str
    rank: int
    color: str
    color_dark: str
    short: str = ""
    default: bool = False


class SeverityDefinition(Definition):
    """A severity level as an administrator defines it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    label: str = Field(min_length=1, max_length=40)
    rank: Annotated[int, Field(ge=0, le=1_000)]
    color: str
    color_dark: str
    short: str = Field(default="", max_length=12)
    default: bool = False

    @field_validator("color", "color_dark")
    @classmethod
    def _is_color(cls, value: str) -> str:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise ValueError("a colour such as #bd271e")
        return value.lower()

    @property
    def level(self) -> Severity:
        """Return the level that this defines."""
        short = self.short or self.label
        return Severity(self.name, self.label, self.rank, self.color, self.color_dark, short, self.default)


def _level(
    name: str, label: str, rank: int, color: str, dark: str, short: str = "", *, default: bool = False
) -> Severity:
    return Severity(name, label, rank, color, dark, short or label, default)


# Sigma's levels: https://sigmahq.io/docs/basics/rules.html, "level".
SIGMA = (
    _level("informational", "Informational", 1, "#7d8796", "#7f8b9a", "Info"),
    _level("low", "Low", 2, "#4a80bd", "#74a9de"),
    _level("medium", "Medium", 3, "#a87900", "#e6bd4a", default=True),
    _level("high", "High", 4, "#e0662c", "#f08a4b"),
    _level("critical", "Critical", 5, "#bd271e", "#f0635a"),
)
# The API description's own levels.
CUSTOMER = (
    _level("normal", "Normal", 1, "#7d8796", "#7f8b9a"),
    _level("information", "Information", 2, "#4a80bd", "#74a9de", "Info"),
    _level("warning", "Warning", 3, "#a87900", "#e6bd4a", default=True),
    _level("critical", "Critical", 4, "#bd271e", "#f0635a"),
)
SETS: dict[str, tuple[Severity, ...]] = {"sigma": SIGMA, "customer": CUSTOMER}
# What each level of one set becomes in the other.
BETWEEN_SETS: dict[tuple[str, str], dict[str, str]] = {
    ("sigma", "customer"): {"informational": "normal", "low": "information", "medium": "warning", "high": "warning"},
    ("customer", "sigma"): {"normal": "informational", "information": "low", "warning": "medium"},
}


def definition_of(level: Severity) -> SeverityDefinition:
    """Return the definition of a level."""
    return SeverityDefinition(
        name=level.name,
        label=level.label,
        rank=level.rank,
        color=level.color,
        color_dark=level.color_dark,
        short=level.short if level.short != level.label else "",
        default=level.default,
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.1, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check_levels(levels: Sequence[SeverityDefinition]) -> list[Detail]:
    """Return what keeps levels from working together: none, no default, equal ranks, colours that nobody can see."""
    faults = []
    if not 1 <= len(levels) <= MAX_LEVELS:
        faults.append(Detail("severities", f"there are 1 to {MAX_LEVELS} levels"))
    if levels and sum(level.default for level in levels) != 1:
        faults.append(Detail("default", "exactly one level is the default for incidents that name none"))
    for rank, count in Counter(level.rank for level in levels).items():
        if count > 1:
            faults.append(Detail("rank", f"{count} levels have rank {rank}; each needs its own"))
    for level in levels:
        for field, color, panel, theme in (
            ("color", level.color, PANEL, "light"),
            ("color_dark", level.color_dark, PANEL_DARK, "dark"),
        ):
            ratio = contrast(color, panel)
            if ratio < MIN_CONTRAST:
                faults.append(
                    Detail(
                        field, f"{color} of {level.label} has contrast {ratio:.1f} in the {theme} theme, 3.0 is needed"
                    )
                )
    return faults


SEVERITIES: Kind[SeverityDefinition] = Kind(
    "severity", SeverityDefinition, lambda: [definition_of(level) for level in SIGMA], check_levels, "severity level"
)


def severities() -> list[Severity]:
    """Return the levels in force, the worst first."""
    return sorted((item.level for item in values(SEVERITIES)), key=lambda level: -level.rank)


def get_severity(name: str) -> Severity | None:
    """Return a level by its stored name."""
    return next((level for level in severities() if level.name == name), None)


def default_severity() -> str:
    """Return the level of an incident that names none."""
    levels = severities()
    return next((level.name for level in levels if level.default), levels[-1].name)

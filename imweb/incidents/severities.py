"""Severity levels: the label, colour and rank of each; the stored value is the level's name, never its rank."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Severity:
    """One level; a higher `rank` is worse; the colours are for the light and the dark theme."""

    name: str
    label: str
    rank: int
    color: str
    color_dark: str
    short: str = ""


# Sigma's levels: https://sigmahq.io/docs/basics/rules.html, "level".
SIGMA = (
    Severity("informational", "Informational", 1, "#7d8796", "#7f8b9a", "Info"),
    Severity("low", "Low", 2, "#4a80bd", "#74a9de", "Low"),
    Severity("medium", "Medium", 3, "#a87900", "#e6bd4a", "Medium"),
    Severity("high", "High", 4, "#e0662c", "#f08a4b", "High"),
    Severity("critical", "Critical", 5, "#bd271e", "#f0635a", "Critical"),
)


def severities() -> list[Severity]:
    """Return the levels in force, the worst first."""
    return sorted(SIGMA, key=lambda level: -level.rank)


def get_severity(name: str) -> Severity | None:
    """Return a level by its stored name."""
    return next((level for level in severities() if level.name == name), None)


def default_severity() -> str:
    """Return the level of an incident that names none."""
    return "medium"

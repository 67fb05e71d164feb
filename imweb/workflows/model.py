"""Statuses and the steps between them, as plain values; the default workflow of the API description."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from imweb.accounts import permissions


@dataclass(frozen=True, slots=True)
class Status:
    """One status: `name` is stored, `title` is shown; a terminal one ends the work."""

    name: str
    title: str
    terminal: bool = False
    color: str = "default"


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed step, the permission it needs, and the fields that must come with it."""

    source: str
    target: str
    permission: str = permissions.TRANSITION
    name: str = ""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph of statuses; exactly one is where an incident begins."""

    id: str
    title: str
    initial: str
    statuses: tuple[Status, ...]
    transitions: tuple[Transition, ...] = field(default=())

    def status(self, name: str) -> Status | None:
        """Return a status by its stored name."""
        return next((status for status in self.statuses if status.name == name), None)

    def step(self, source: str, target: str) -> Transition | None:
        """Return the transition between two statuses, None when the workflow has none."""
        return next((t for t in self.transitions if (t.source, t.target) == (source, target)), None)

    def steps_from(self, source: str, granted: Iterable[str]) -> list[Transition]:
        """Return the steps that somebody with these permissions may make from a status."""
        allowed = frozenset(granted)
        return [t for t in self.transitions if t.source == source and t.permission in allowed]

    def is_terminal(self, name: str) -> bool:
        """Return whether a status ends the work; an unknown one does not."""
        status = self.status(name)
        return status is not None and status.terminal


def _default() -> Workflow:
    statuses = (
        Status("new", "New", color="new"),
        Status("in_progress", "In Progress", color="progress"),
        Status("verification", "Verification", color="verification"),
        Status("rejected", "Rejected", terminal=True, color="closed"),
        Status("closed", "Closed", terminal=True, color="closed"),
    )
    steps = {
        "new": ("in_progress", "closed", "rejected"),
        "in_progress": ("new", "verification", "closed", "rejected"),
        "verification": ("in_progress", "closed", "rejected"),
    }
    transitions = [Transition(source, target) for source, targets in steps.items() for target in targets]
    transitions += [Transition(source, "in_progress", permissions.REOPEN) for source in ("closed", "rejected")]
    return Workflow("default", "Default", "new", statuses, tuple(transitions))


DEFAULT = _default()
RESOLUTIONS: dict[str, str] = {
    "true_positive": "True positive",
    "benign": "Benign",
    "false_positive": "False positive",
    "duplicate": "Duplicate",
    "undetermined": "Undetermined",
}

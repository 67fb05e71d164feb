"""Workflows as an administrator defines them, and what makes one unusable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from imweb.accounts import permissions
from imweb.configuration import Kind
from imweb.configuration.kinds import Definition
from imweb.errors import Detail
from imweb.workflows.model import DEFAULT, Status, Transition, Workflow

NAME = r"^[a-z][a-z0-9_-]{0,39}$"
COLORS = ("default", "new", "progress", "verification", "closed", "danger", "success")
# What a step may ask for; a comment is one that comes with the step.
REQUIRABLE = ("comment", "resolution", "reviewer")
STEP_PERMISSIONS = (permissions.TRANSITION, permissions.REOPEN, permissions.ASSIGN)


class StatusDefinition(BaseModel):
    """One status: `name` is stored, `title` is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=60)
    terminal: bool = False
    color: str = "default"

    @field_validator("color")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in COLORS:
            raise ValueError(f"one of {', '.join(COLORS)}")
        return value


class TransitionDefinition(BaseModel):
    """One step, the permission it needs and what must come with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str
    name: str = Field(default="", max_length=60)
    permission: str = permissions.TRANSITION
    required: tuple[str, ...] = ()

    @field_validator("permission")
    @classmethod
    def _permission(cls, value: str) -> str:
        if value not in STEP_PERMISSIONS:
            raise ValueError(f"one of {', '.join(STEP_PERMISSIONS)}")
        return value

    @field_validator("required")
    @classmethod
    def _requirable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(value) - set(REQUIRABLE):
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be asked for; choose from {', '.join(REQUIRABLE)}")
        return tuple(name for name in REQUIRABLE if name in value)


class WorkflowDefinition(Definition):
    """A graph of statuses, and which incidents follow it: those of a type or of a rule, or all others by default."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=60)
    initial: str
    statuses: tuple[StatusDefinition, ...] = Field(max_length=50)
    transitions: tuple[TransitionDefinition, ...] = Field(default=(), max_length=500)
    default: bool = False
    incident_types: tuple[str, ...] = Field(default=(), max_length=200)
    rules: tuple[str, ...] = Field(default=(), max_length=1_000)

    @property
    def workflow(self) -> Workflow:
        """Return the workflow that this defines."""
        return Workflow(
            self.name,
            self.title,
            self.initial,
            tuple(Status(s.name, s.title, s.terminal, s.color) for s in self.statuses),
            tuple(Transition(t.source, t.target, t.permission, t.name, t.required) for t in self.transitions),
        )


def definition_of(workflow: Workflow, *, default: bool = False) -> WorkflowDefinition:
    """Return the definition of a workflow."""
    return WorkflowDefinition(
        name=workflow.id,
        title=workflow.title,
        initial=workflow.initial,
        statuses=tuple(
            StatusDefinition(name=s.name, title=s.title, terminal=s.terminal, color=s.color) for s in workflow.statuses
        ),
        transitions=tuple(
            TransitionDefinition(
                source=t.source, target=t.target, name=t.name, permission=t.permission, required=t.required
            )
            for t in workflow.transitions
        ),
        default=default,
    )


def graph_faults(definition: WorkflowDefinition) -> list[Detail]:
    """Return what makes one graph unusable: doubles, steps to nowhere or impossible, statuses out of reach or stuck."""
    faults = []
    names = [status.name for status in definition.statuses]
    known = set(names)
    titles = {status.name: status.title for status in definition.statuses}
    for name, count in Counter(names).items():
        if count > 1:
            faults.append(Detail("statuses", f"'{name}' stands {count} times; a system name belongs to one status"))
    if definition.initial not in known:
        faults.append(Detail("initial", f"'{definition.initial}' is none of the statuses"))
    for number, step in enumerate(definition.transitions):
        for end, name in (("source", step.source), ("target", step.target)):
            if name not in known:
                faults.append(Detail(f"transitions.{number}.{end}", f"'{name}' is none of the statuses"))
        if step.source == step.target:
            faults.append(Detail(f"transitions.{number}", "a step leads to another status"))
    for (source, target), count in Counter((t.source, t.target) for t in definition.transitions).items():
        if count > 1:
            faults.append(Detail("transitions", f"the step from '{source}' to '{target}' stands {count} times"))
    if faults:
        return faults
    steps = [(t.source, t.target) for t in definition.transitions]
    unreached = known - _reach({definition.initial}, steps)
    initial = titles[definition.initial]
    faults += [Detail("transitions", f"no way leads from '{initial}' to '{titles[n]}'") for n in sorted(unreached)]
    ends = {status.name for status in definition.statuses if status.terminal}
    if not ends:
        faults.append(Detail("statuses", "at least one status ends the work (terminal)"))
    else:
        stranded = known - _reach(ends, [(target, source) for source, target in steps])
        reason = "an incident in '{}' could never be closed"
        faults += [Detail("transitions", reason.format(titles[name])) for name in sorted(stranded)]
    reason = "the step from '{}' to '{}' asks for a resolution, which only a status that ends the work takes"
    faults += [
        Detail("transitions", reason.format(titles[step.source], titles[step.target]))
        for step in definition.transitions
        if "resolution" in step.required and step.target not in ends
    ]
    return faults


def _reach(start: set[str], steps: Sequence[tuple[str, str]]) -> set[str]:
    reached = set(start)
    frontier = set(start)
    while frontier:
        frontier = {target for source, target in steps if source in frontier} - reached
        reached |= frontier
    return reached


def check_workflows(definitions: Sequence[WorkflowDefinition]) -> list[Detail]:
    """Return what keeps workflows from working, each by itself and together."""
    faults = []
    if sum(d.default for d in definitions) != 1:
        faults.append(Detail("default", "exactly one workflow is the default"))
    terminal: dict[str, tuple[bool, str]] = {}
    for definition in definitions:
        prefix = f"{definition.name}." if len(definitions) > 1 else ""
        faults += [Detail(f"{prefix}{fault.field}", fault.reason) for fault in graph_faults(definition)]
        for status in definition.statuses:
            # Lists count open incidents by status over all workflows at once.
            other = terminal.setdefault(status.name, (status.terminal, definition.title))
            if other[0] != status.terminal:
                faults.append(
                    Detail(
                        f"{prefix}statuses", f"'{status.name}' ends the work in one of the workflows only ({other[1]})"
                    )
                )
    for field in ("incident_types", "rules"):
        for value, count in Counter(v for d in definitions for v in getattr(d, field)).items():
            if count > 1:
                faults.append(Detail(field, f"'{value}' belongs to {count} workflows; it can follow one"))
    return faults


WORKFLOWS: Kind[WorkflowDefinition] = Kind(
    "workflow", WorkflowDefinition, lambda: [definition_of(DEFAULT, default=True)], check_workflows, "workflow"
)

"""Workflows: the statuses of an incident and who may make which step.

The names of the store are loaded when first used: Django reads this package before its models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imweb.workflows.model import DEFAULT, RESOLUTIONS, Status, Transition, Workflow

if TYPE_CHECKING:
    from imweb.workflows.store import all_statuses, default_workflow, get_workflow, workflow_of, workflows

__all__ = [
    "DEFAULT",
    "RESOLUTIONS",
    "Status",
    "Transition",
    "Workflow",
    "all_statuses",
    "default_workflow",
    "get_workflow",
    "workflow_of",
    "workflows",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from imweb.workflows import store

        return getattr(store, name)
    raise AttributeError(name)

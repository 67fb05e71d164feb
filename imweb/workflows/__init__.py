"""Workflows: the statuses of an incident and who may make which step."""

from imweb.workflows.model import DEFAULT, RESOLUTIONS, Status, Transition, Workflow
from imweb.workflows.store import all_statuses, default_workflow, get_workflow, workflows

__all__ = [
    "DEFAULT",
    "RESOLUTIONS",
    "Status",
    "Transition",
    "Workflow",
    "all_statuses",
    "default_workflow",
    "get_workflow",
    "workflows",
]

"""The workflows in force."""

from __future__ import annotations

from imweb.configuration.store import values
from imweb.workflows.definitions import WORKFLOWS
from imweb.workflows.model import Status, Workflow


def workflows() -> list[Workflow]:
    """Return every workflow, the default one first."""
    return [item.workflow for item in sorted(values(WORKFLOWS), key=lambda item: not item.default)]


def default_workflow() -> Workflow:
    """Return the workflow of an incident that names none."""
    return workflows()[0]


def get_workflow(workflow_id: str | None) -> Workflow | None:
    """Return a workflow by its id; None or an empty id means the default one; None when there is none such."""
    if not workflow_id:
        return default_workflow()
    return next((workflow for workflow in workflows() if workflow.id == workflow_id), None)


def workflow_of(incident_type: str | None, rule: str | None) -> Workflow:
    """Return the workflow that a new incident follows: its type's, else its rule's (id or name), else the default."""
    defined = values(WORKFLOWS)
    for field, value in (("incident_types", incident_type), ("rules", rule)):
        if value:
            for item in defined:
                if value in getattr(item, field):
                    return item.workflow
    return default_workflow()


def all_statuses() -> list[Status]:
    """Return every status of every workflow once, in order."""
    seen: dict[str, Status] = {}
    for workflow in workflows():
        for status in workflow.statuses:
            seen.setdefault(status.name, status)
    return list(seen.values())

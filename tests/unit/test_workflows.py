"""Workflows: what saving one refuses, and why."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.errors import ValidationFailed
from imweb.workflows.definitions import WORKFLOWS, WorkflowDefinition, check_workflows, definition_of
from imweb.workflows.model import DEFAULT


def workflow(*steps: tuple[str, str], **changes: Any) -> WorkflowDefinition:
    names = dict.fromkeys(name for step in steps for name in step)
    statuses = [{"name": n, "title": n.title(), "terminal": n.startswith("done")} for n in names]
    transitions = [{"source": source, "target": target} for source, target in steps]
    data = {"name": "own", "title": "Own", "initial": next(iter(names)), "statuses": statuses, "default": True}
    return WORKFLOWS.parse(data | {"transitions": transitions} | changes)


def reasons(*definitions: WorkflowDefinition) -> list[str]:
    return [fault.reason for fault in check_workflows(definitions)]


def test_the_default_has_no_fault_and_comes_back_from_its_definition() -> None:
    definition = definition_of(DEFAULT, default=True)
    assert check_workflows([definition]) == []
    assert definition.workflow == DEFAULT


def test_a_status_that_cannot_be_reached_is_refused() -> None:
    assert reasons(workflow(("open", "done"), ("lost", "done"))) == ["no way leads from 'Open' to 'Lost'"]


def test_a_status_that_strands_an_incident_is_refused() -> None:
    assert reasons(workflow(("open", "done"), ("open", "stuck"))) == ["an incident in 'Stuck' could never be closed"]


def test_a_graph_without_an_end_is_refused() -> None:
    assert reasons(workflow(("open", "work"), ("work", "open"))) == ["at least one status ends the work (terminal)"]


def test_steps_to_nowhere_doubles_and_loops_are_named() -> None:
    faulty = workflow(("open", "done"), ("open", "done"), ("open", "open"), initial="nowhere")
    assert reasons(faulty) == [
        "'nowhere' is none of the statuses",
        "a step leads to another status",
        "the step from 'open' to 'done' stands 2 times",
    ]


def test_a_step_that_could_never_be_made_is_refused() -> None:
    def asking(target: str) -> list[str]:
        steps = [{"source": "open", "target": "work"}, {"source": "work", "target": "done"}]
        return reasons(
            workflow(
                ("open", "work"),
                ("work", "done"),
                transitions=[s | ({"required": ["resolution"]} if s["target"] == target else {}) for s in steps],
            )
        )

    assert asking("done") == []
    assert asking("work") == [
        "the step from 'Open' to 'Work' asks for a resolution, which only a status that ends the work takes"
    ]


def test_workflows_together_need_one_default_and_agree_on_what_ends_the_work() -> None:
    one = workflow(("open", "done"), incident_types=["phishing"])
    two = workflow(("done", "open"), ("open", "done_too"), name="two", title="Two", incident_types=["phishing"])
    two = two.model_copy(
        update={"statuses": tuple(s.model_copy(update={"terminal": s.name == "done_too"}) for s in two.statuses)}
    )
    found = reasons(one, two)
    assert "exactly one workflow is the default" in found
    assert "'done' ends the work in one of the workflows only (Own)" in found
    assert "'phishing' belongs to 2 workflows; it can follow one" in found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"transitions": [{"source": "open", "target": "done", "permission": "root"}]}, "transitions.0.permission"),
        ({"transitions": [{"source": "open", "target": "done", "required": ["blood"]}]}, "transitions.0.required"),
        ({"statuses": [{"name": "Open!", "title": "Open"}]}, "statuses.0.name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_definition_names_its_fault(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        workflow(("open", "done"), **change)
    assert [detail.field for detail in caught.value.details] == [field]

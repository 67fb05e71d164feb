"""Settings forms without a server: faults beside their fields, a workflow's rows and matrix, the graph's geometry."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from imweb.errors import Detail, ValidationFailed, VersionConflict
from imweb.web.settings_pages import base, fields_form, severities_form, workflow_form
from imweb.workflows.definitions import COLORS, REQUIRABLE, STEP_PERMISSIONS, WORKFLOWS, definition_of
from imweb.workflows.graph import HEIGHT, WIDTH, graph
from imweb.workflows.model import DEFAULT, Status, Transition, Workflow


def form(text: str) -> QueryDict:
    """Return a posted form."""
    return QueryDict(text)


def test_a_reason_that_names_its_field_stands_beside_it() -> None:
    error = ValidationFailed.of(
        [Detail("", "options: name at least one"), Detail("label", "is needed"), Detail("", "x")]
    )
    assert base.faults_of(error) == {"options": ["name at least one"], "label": ["is needed"], "": ["x"]}


def test_a_collision_says_who_and_both_values() -> None:
    extra = {"yours": ["a"], "theirs": True, "user": "anna", "time": "2026-01-02T03:04:05+00:00"}
    collision = base.collision_of(VersionConflict("changed", [Detail("rank", "", extra)]), {"rank": "Rank"})
    assert (collision.user, collision.lines) == ("anna", [("Rank", "a", "yes")])


def test_every_word_of_a_search_has_to_be_there() -> None:
    assert base.matching(["Site select", "Score number"], "SITE sel", str) == ["Site select"]
    assert base.matching(["Site"], "", str) == ["Site"]


def test_a_field_form_keeps_options_for_lists_alone() -> None:
    posted = fields_form.posted(form("name=a&label=A&type=select&options=x%0A+y+%0A%0A&is_filter=on"), None)
    assert posted["options"] == ["x", "y"]
    assert (posted["is_filter"], posted["on_card"]) == (True, False)
    assert fields_form.posted(form("type=text&options=x"), "a")["options"] == []


@pytest.mark.parametrize(
    ("kind", "typed", "default"),
    [("number", "7", 7.0), ("number", "many", "many"), ("multiselect", "a, b", ["a", "b"]), ("text", "", None)],
)
def test_a_default_is_of_its_type(kind: str, typed: str, default: object) -> None:
    posted = fields_form.posted(form(f"type={kind}&default={typed}"), "a")
    assert posted["default"] == default


def test_contrasts_leave_out_what_is_no_colour() -> None:
    found = severities_form.contrasts({"color": "#eeeeee", "color_dark": "red"})
    assert [(item.theme, item.enough) for item in found] == [("light", False)]


def test_the_workflow_form_offers_all_that_a_definition_takes() -> None:
    assert set(workflow_form.COLOR_LABELS) == set(COLORS)
    assert set(workflow_form.REQUIRED) == set(REQUIRABLE)
    assert set(workflow_form.WHO) == set(STEP_PERMISSIONS)


def test_a_workflow_survives_its_form() -> None:
    definition = definition_of(DEFAULT, default=True)
    assert WORKFLOWS.parse(workflow_form.from_definition(definition).data) == definition


def test_rows_that_go_take_their_steps_along_and_indices_stay() -> None:
    text = "initial=0&s.0.title=A&s.1.title=B+b&s.1.gone=on&s.2.title=C&s.2.name=c&s.2.terminal=on"
    typed = workflow_form.typed(form(text + "&t.0.1.who=incident.transition&t.0.2.who=incident.transition"), None)
    assert [(row.index, row.name) for row in typed.used] == [(0, "a"), (2, "c")]
    assert [(step["source"], step["target"]) for step in typed.data["transitions"]] == [("a", "c")]
    assert typed.with_blank_rows()[-1].index == 4


def test_a_status_changes_its_place_with_its_steps() -> None:
    definition = definition_of(DEFAULT, default=True)
    names = [status.name for status in definition.statuses]
    typed = workflow_form.from_definition(definition)
    assert typed.moved("2:up") == 1
    assert [row.index for row in typed.used] == list(range(len(names)))
    moved = WORKFLOWS.parse(typed.data)
    assert [status.name for status in moved.statuses] == [names[0], names[2], names[1], *names[3:]]
    assert (moved.initial, set(moved.transitions)) == (definition.initial, set(definition.transitions))
    assert typed.moved("1:down") == 2
    assert WORKFLOWS.parse(typed.data) == definition


@pytest.mark.parametrize("move", ["0:up", "4:down", "99:up", "1:sideways", "", "x:up"])
def test_a_status_that_cannot_go_there_stays(move: str) -> None:
    definition = definition_of(DEFAULT, default=True)
    typed = workflow_form.from_definition(definition)
    assert len(typed.used) == 5
    assert typed.moved(move) == -1
    assert WORKFLOWS.parse(typed.data) == definition


def test_a_new_workflow_has_its_picture_before_its_name() -> None:
    text = "initial=0&s.0.title=A&s.1.title=B&s.1.terminal=on&t.0.1.who=incident.transition"
    check = workflow_form.check(workflow_form.typed(form(text), None), None)
    assert (check.faults, check.graph is not None) == ({}, True)
    wrong = workflow_form.check(workflow_form.typed(form(f"{text}&name=Not+so"), None), None)
    assert "takes small letters" in wrong.faults["name"][0]


def test_boxes_of_a_graph_do_not_touch_and_lie_within_it() -> None:
    drawn = graph(DEFAULT)
    for number, one in enumerate(drawn.boxes):
        assert 0 <= one.x <= drawn.width - WIDTH
        assert 0 <= one.y <= drawn.height - HEIGHT
        for other in drawn.boxes[number + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    assert len(drawn.arrows) == len(DEFAULT.transitions)
    places = {box.status.name: box.x for box in drawn.boxes}
    assert places["new"] < places["in_progress"] < places["verification"] < places["closed"] == places["rejected"]


def test_a_graph_draws_what_cannot_be_reached_yet() -> None:
    lone = Workflow(
        "w", "W", "a", (Status("a", "A"), Status("b", "B"), Status("c", "C", True)), (Transition("b", "a"),)
    )
    assert {box.status.name for box in graph(lone).boxes} == {"a", "b", "c"}

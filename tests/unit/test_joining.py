"""Joining a group is a change like others: appended, counted, written down; and what a lock says."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import VersionConflict
from imweb.incidents.documents import new_source
from imweb.incidents.editing import locking
from imweb.incidents.editing.change import apply
from imweb.incidents.editing.joining import join_step
from imweb.incidents.editing.rules import Rules
from imweb.incidents.editing.steps import Context, Step
from imweb.workflows import DEFAULT

NOW = 1_763_900_000_000
ENGINE = Actor(0, "grouping", permissions.ALL)
CONTEXT = Context(ENGINE, Rules(("low", "high"), {DEFAULT.id: DEFAULT}, DEFAULT), "2025-11-23T12:13:20.000Z", NOW)


def incident(**fields: Any) -> dict[str, Any]:
    return new_source("incident", "i1", {"title": "t", "status": "new", **fields}, user="lead", now_ms=NOW - 1_000)


def join(source: dict[str, Any], grouping: str = "same-host", result_id: str = "a1") -> dict[str, Any] | None:
    return apply(join_step(grouping, result_id, 7, "incident/i1"), "incident", "i1", source, CONTEXT)


def test_a_member_holds_the_group_its_grouping_and_its_number() -> None:
    new = join(incident(incident_aggregation_id=["x"], incident_aggregation_result_id=["a0"], group_numbers=[3]))
    assert new is not None
    assert new["incident_aggregation_id"] == ["x", "same-host"]
    assert new["incident_aggregation_result_id"] == ["a0", "a1"]
    assert new["group_numbers"] == [3, 7]
    assert (new["rev"], new["updated_by"]) == (2, "grouping")


def test_joining_is_written_down_once_under_an_id_of_its_own() -> None:
    new = join(incident())
    assert new is not None
    [entry] = new["pending"]
    assert (entry["type"], entry["user"], entry["rev"]) == ("group", "grouping", 2)
    assert {edit["fieldName"]: edit["newValue"] for edit in entry["edited"]} == {
        "incident_aggregation_id": ["same-host"],
        "incident_aggregation_result_id": ["a1"],
    }
    assert entry["change"] == join_step("same-host", "a1", 7, "incident/i1").change
    assert entry["change"] != join_step("same-host", "a2", 7, "incident/i1").change


@pytest.mark.parametrize("again", [{"result_id": "a1"}, {"result_id": "a2"}])
def test_a_member_does_not_join_again_nor_another_group_of_the_same_grouping(again: dict[str, str]) -> None:
    member = join(incident())
    assert member is not None
    assert join(member, **again) is None
    assert join(member, "same-user", "a3") is not None


def test_values_stored_as_plain_texts_stay() -> None:
    new = join(incident(incident_aggregation_id="x", incident_aggregation_result_id="a0", group_numbers=3))
    assert new is not None
    assert new["incident_aggregation_result_id"] == ["a0", "a1"]
    assert new["group_numbers"] == [3, 7]


def test_a_fenced_change_is_made_only_under_its_own_lock() -> None:
    def change(op: dict[str, Any] | None) -> Any:
        group = {**incident(), "key": "aggregation/a1", **({"op": op} if op else {})}
        step = Step("update", {"title": "new"}, None, "c", fence="job")
        return apply(step, "aggregation", "a1", group, CONTEXT)

    assert change(locking.spreading_op("job", NOW))["title"] == "new"
    for lost in (None, locking.spreading_op("other", NOW)):
        with pytest.raises(VersionConflict):
            change(lost)


def test_a_lock_expires_and_names_what_is_to_be_finished() -> None:
    op = locking.joining_op("me", NOW, ["i1", "i2"])
    assert op["incidents"] == ["i1", "i2"]
    assert not locking.expired(op, NOW + locking.HOLD_MS)
    assert locking.expired(op, NOW + locking.HOLD_MS + 1)
    assert locking.op_of({"op": {}}) is None
    assert locking.owner_of(locking.without({"op": op, "title": "t"})) == ""

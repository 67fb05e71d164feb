"""Taking one change back: all of it or nothing, its history written, and refused with who changed the same since."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import Role, User
from imweb.errors import NotFound, VersionConflict
from imweb.incidents import editing, history
from imweb.incidents.documents import iso
from imweb.opensearch import gateway, schema
from tests import stored
from tests.stored import at

HX = {"HX-Request": "true"}


@pytest.fixture
def one(indices: None) -> None:
    rule = {"id": "7", "name": "R"}
    stored.incidents({"i1": {"@timestamp": at(0), "title": "One", "severity": "high", "rule": rule}})


def source() -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), "i1")
    assert found is not None
    return found.source


def changed(user: User, changes: dict[str, Any], name: str) -> str:
    editing.update(actor_of(user), "incident", "i1", changes, operation=name)
    return editing.change_of(name, "incident", "i1")


def test_a_change_is_taken_back_whole_and_its_history_says_so(one: None, lead: User) -> None:
    before = source()
    change = changed(lead, {"severity": "low", "reviewer": "lead", "comment": "a mistake"}, "op-1")
    outcome = editing.take_back(actor_of(lead), "incident", "i1", change)
    after = source()
    assert outcome.result == "updated"
    assert (after["severity"], after.get("reviewer"), after.get("comment")) == (
        before["severity"],
        before.get("reviewer"),
        before.get("comment"),
    )
    newest, older = history.entries(actor_of(lead), "incident", "i1")[:2]
    assert newest.type == "undo"
    assert {(item["fieldName"], item["oldValue"], item["newValue"]) for item in newest.edited} == {
        ("severity", "low", "high"),
        ("reviewer", "lead", None),
        ("comment", "a mistake", None),
    }
    # What was said stays in the history.
    assert older.comment == "a mistake"


def test_a_verdict_is_taken_back_with_the_status(one: None, lead: User) -> None:
    changed(lead, {"status": "in_progress"}, "op-0")
    change = changed(lead, {"status": "closed", "resolution": "false_positive", "resolution_note": "known"}, "op-1")
    editing.take_back(actor_of(lead), "incident", "i1", change)
    after = source()
    assert after["status"] == "in_progress"
    assert {"resolution", "resolution_note", "closed_at"} & after.keys() == set()


def test_another_field_changed_since_does_not_stand_in_the_way_and_stays(one: None, lead: User, analyst: User) -> None:
    change = changed(lead, {"severity": "low"}, "op-1")
    changed(analyst, {"reviewer": "analyst"}, "op-2")
    editing.take_back(actor_of(lead), "incident", "i1", change)
    assert (source()["severity"], source()["reviewer"]) == ("high", "analyst")


def test_nothing_is_taken_back_when_somebody_changed_one_of_its_fields_since(
    one: None, lead: User, analyst: User
) -> None:
    change = changed(lead, {"severity": "low", "reviewer": "lead"}, "op-1")
    changed(lead, {"reviewer": "analyst"}, "op-2")
    changed(analyst, {"reviewer": None}, "op-3")
    with pytest.raises(VersionConflict, match="by analyst: reviewer") as caught:
        editing.take_back(actor_of(lead), "incident", "i1", change)
    assert [(item.field, item.extra["user"]) for item in caught.value.details] == [("reviewer", "analyst")]
    assert source()["severity"] == "low"


def test_it_is_taken_back_once_and_the_taking_back_can_be_taken_back(one: None, lead: User) -> None:
    change = changed(lead, {"severity": "low"}, "op-1")
    editing.take_back(actor_of(lead), "incident", "i1", change)
    with pytest.raises(VersionConflict, match="by you: severity"):
        editing.take_back(actor_of(lead), "incident", "i1", change)
    again = history.entries(actor_of(lead), "incident", "i1")[0].change
    editing.take_back(actor_of(lead), "incident", "i1", again)
    assert source()["severity"] == "low"


def test_only_ones_own_changes_of_this_document_are_known(one: None, lead: User, analyst: User) -> None:
    stored.incidents({"i2": {"@timestamp": at(0), "title": "Two", "severity": "high"}})
    change = changed(lead, {"severity": "low"}, "op-1")
    for user, doc_id, wanted in ((analyst, "i1", change), (lead, "i2", change), (lead, "i1", "0" * 32)):
        with pytest.raises(NotFound):
            editing.take_back(actor_of(user), "incident", doc_id, wanted)
    assert source()["severity"] == "low"


def test_after_ten_minutes_it_stays(one: None, lead: User) -> None:
    past = time.time_ns() // 1_000_000 - 601_000
    editing.update(actor_of(lead), "incident", "i1", {"severity": "low"}, operation="op-1", at_ms=past)
    assert source()["touched"]["severity"]["time"] == iso(past)
    with pytest.raises(VersionConflict, match="ten minutes"):
        editing.take_back(actor_of(lead), "incident", "i1", editing.change_of("op-1", "incident", "i1"))


def test_the_page_offers_an_undo_and_says_who_stands_in_its_way(one: None, lead: User, analyst: User) -> None:
    client = Client()
    client.force_login(lead)
    answer = client.post("/incidents/i1/key/assign", {"take": "1", "rev": source()["rev"]}, headers=HX)
    toast = json.loads(answer["HX-Trigger"])["im:toast"]
    assert toast["text"] == "One: Reviewer → lead"
    assert 'data-row="incident/i1"' in answer.content.decode()
    changed(analyst, {"severity": source()["severity"], "comment": "looking"}, "op-2")
    taken = client.post(toast["action"]["url"], headers=HX)
    told = json.loads(taken["HX-Trigger"])["im:toast"]
    assert (told["kind"], told["text"]) == ("ok", "One: Reviewer → lead taken back")
    assert "reviewer" not in source()
    second = json.loads(
        client.post("/incidents/i1/key/assign", {"take": "1"}, headers=HX)["HX-Trigger"],
    )["im:toast"]
    editing.update(actor_of(lead), "incident", "i1", {"reviewer": None})
    changed(analyst, {"reviewer": "analyst"}, "op-3")
    refused = client.post(second["action"]["url"], headers=HX)
    reason = "analyst has changed Reviewer again since; that stays. Nothing was taken back."
    assert json.loads(refused["HX-Trigger"])["im:toast"]["text"] == reason
    assert source()["reviewer"] == "analyst"
    # Without a script it is a page that says so.
    page = client.post(second["action"]["url"])
    assert page.status_code == 409
    assert reason in page.content.decode()


def test_what_was_taken_back_is_said_in_the_words_in_which_it_was_told(one: None, lead: User) -> None:
    client = Client()
    client.force_login(lead)
    changes = {"status": "closed", "resolution": "benign", "resolution_note": "known", "comment": "done"}
    change = changed(lead, changes, "op-1")
    taken = client.post(f"/incidents/i1/undo/{change}", headers=HX)
    told = json.loads(taken["HX-Trigger"])["im:toast"]["text"]
    assert told == "One: Status → Closed, Resolution → benign, Resolution note → known, comment taken back"
    again = json.loads(client.post(f"/incidents/i1/undo/{change}", headers=HX)["HX-Trigger"])["im:toast"]["text"]
    assert again.startswith("You have changed Status, Resolution, Resolution note")
    assert again.endswith("again since; that stays. Nothing was taken back.")


def test_what_is_hidden_is_not_told_with_what_was_taken_back(one: None, lead: User) -> None:
    change = changed(lead, {"severity": "low", "reviewer": "lead"}, "op-1")
    lead.roles.add(Role.objects.create(name="blind", label="Blind", hidden_fields=["reviewer"]))
    blind = User.objects.get(pk=lead.pk)
    blind.roles.exclude(name="blind").update(hidden_fields=["reviewer"])
    outcome = editing.take_back(actor_of(blind), "incident", "i1", change)
    assert outcome.undone == {"severity": "low"}


def test_who_comes_second_by_key_is_told_who_has_it(one: None, lead: User, analyst: User) -> None:
    client = Client()
    client.force_login(lead)
    rev = source()["rev"]
    changed(analyst, {"reviewer": "analyst"}, "op-1")
    answer = client.post("/incidents/i1/key/assign", {"take": "1", "rev": rev}, headers=HX).content.decode()
    assert "Somebody was faster" in answer
    assert "analyst" in answer
    assert source()["reviewer"] == "analyst"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/incidents/i1/key/status", 200),
        ("/incidents/i1/key/comment", 200),
        ("/incidents/i1/key/close", 200),
        ("/incidents/i1/key/assign", 200),
        ("/incidents/i1/key/explode", 404),
        ("/incidents/nobody/key/status", 404),
    ],
)
def test_the_small_forms_are_pages_too(one: None, lead: User, path: str, status: int) -> None:
    client = Client()
    client.force_login(lead)
    assert client.get(path).status_code == status


def test_without_a_script_the_card_s_newest_change_of_ones_own_can_be_taken_back(
    one: None, lead: User, analyst: User
) -> None:
    client = Client()
    client.force_login(lead)
    client.post("/incidents/i1/change", {"set": "severity", "v.severity": "low", "rev": "1"})
    page = client.get("/incidents/i1/").content.decode()
    found = re.findall(r'action="(/incidents/i1/undo/[^"]+)"', page)
    assert len(found) == 1

    other = Client()
    other.force_login(analyst)
    assert "/undo/" not in other.get("/incidents/i1/").content.decode()
    assert other.post(found[0]).status_code == 404
    assert source()["severity"] == "low"

    page = client.post(found[0], {"where": "page"}, follow=True).content.decode()
    assert "taken back" in page
    assert source()["severity"] == "high"
    assert "/undo/" not in page

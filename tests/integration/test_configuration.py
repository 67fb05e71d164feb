"""Settings objects: defaults without rows, revisions, two administrators at once, order, undo, recorded changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from imweb.configuration import store
from imweb.configuration.models import Change, Entry
from imweb.errors import NotFound, ValidationFailed, VersionConflict
from imweb.incidents import custom_fields
from imweb.incidents.severities import SEVERITIES, SIGMA, definition_of, severities
from imweb.workflows.definitions import WORKFLOWS
from imweb.workflows.model import DEFAULT
from imweb.workflows.store import workflow_of

pytestmark = [pytest.mark.django_db, pytest.mark.relational]

URGENT = {"name": "urgent", "label": "Urgent", "rank": 9, "color": "#a00000", "color_dark": "#ff6060"}


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


def names() -> list[str]:
    return [level.name for level in severities()]


def test_defaults_hold_without_a_row() -> None:
    assert names() == [level.name for level in reversed(SIGMA)]
    assert Entry.objects.count() == 0


def test_the_first_change_keeps_the_other_defaults() -> None:
    store.save(SEVERITIES, URGENT, by="admin", revision=0)
    assert names() == ["urgent", "critical", "high", "medium", "low", "informational"]
    (change,) = store.changes(SEVERITIES)
    assert (change.action, change.name, change.by, change.old) == ("created", "urgent", "admin", None)


def test_a_read_while_the_first_change_is_made_never_finds_nothing() -> None:
    looked: list[str] = []

    def change_after_the_first_look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not looked and sql.startswith("SELECT") and "configuration_entry" in sql:
            looked.append(sql)
            store.save(SEVERITIES, URGENT, by="admin")
        return result

    with connection.execute_wrapper(change_after_the_first_look):
        found = store.items(SEVERITIES, fresh=True)
    assert looked
    assert len(found) == 6


def test_saving_the_same_again_changes_nothing() -> None:
    first = store.save(SEVERITIES, URGENT, by="admin")
    assert store.save(SEVERITIES, URGENT, by="other").revision == first.revision
    assert len(store.changes(SEVERITIES)) == 1


def test_the_second_of_two_administrators_learns_who_changed_what() -> None:
    low = definition_of(SIGMA[1]).model_dump()
    store.save(SEVERITIES, low | {"label": "Minor"}, by="anna", revision=0)
    with pytest.raises(VersionConflict) as caught:
        store.save(SEVERITIES, low | {"label": "Small"}, by="ben", revision=0)
    (detail,) = caught.value.details
    assert detail.field == "label"
    assert (detail.extra["yours"], detail.extra["theirs"], detail.extra["user"]) == ("Small", "Minor", "anna")
    assert store.get(SEVERITIES, "low", fresh=True).value.label == "Minor"


def test_what_would_break_the_set_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(ValidationFailed, match="exactly one level"):
        store.remove(SEVERITIES, "medium", by="admin")
    assert "medium" in names()
    assert store.changes(SEVERITIES) == []


def test_undo_takes_back_a_change_a_creation_and_a_removal() -> None:
    store.save(SEVERITIES, URGENT, by="admin")
    store.save(SEVERITIES, URGENT | {"label": "Now"}, by="admin")
    restored = store.undo(SEVERITIES, "urgent", by="admin")
    assert restored is not None
    assert restored.value.label == "Urgent"
    store.remove(SEVERITIES, "low", by="admin")
    store.undo(SEVERITIES, "low", by="admin")
    assert "low" in names()
    store.save(SEVERITIES, URGENT | {"name": "extra", "rank": 10}, by="admin")
    store.undo(SEVERITIES, "extra", by="admin")
    assert "extra" not in names()
    with pytest.raises(NotFound):
        store.undo(SEVERITIES, "never", by="admin")


def test_removing_the_last_row_does_not_bring_the_defaults_back() -> None:
    own = {"name": "own", "title": "Own", "initial": "a", "statuses": [{"name": "a", "title": "A", "terminal": True}]}
    store.save(WORKFLOWS, own, by="admin")
    with pytest.raises(ValidationFailed):
        store.remove(WORKFLOWS, "default", by="admin")
    assert workflow_of(None, None) == DEFAULT


def test_order_names_each_once() -> None:
    with pytest.raises(ValidationFailed, match="every one of them once"):
        store.reorder(SEVERITIES, ["low"], by="admin")
    wanted = ["critical", "low", "medium", "high", "informational"]
    store.reorder(SEVERITIES, wanted, by="admin")
    assert [item.value.name for item in store.items(SEVERITIES)] == wanted


def test_an_incident_follows_the_workflow_of_its_type_then_of_its_rule() -> None:
    base = {"title": "X", "initial": "a", "statuses": [{"name": "a", "title": "A", "terminal": True}]}
    store.save(WORKFLOWS, base | {"name": "typed", "incident_types": ["phishing"]}, by="admin")
    store.save(WORKFLOWS, base | {"name": "ruled", "rules": ["r1"]}, by="admin")
    assert workflow_of("phishing", "r1").id == "typed"
    assert workflow_of("other", "r1").id == "ruled"
    assert workflow_of(None, "r2").id == "default"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["severity", "custom_field"])
def test_of_two_who_make_the_same_at_one_moment_one_is_told_and_overwrites_nothing(kind: str) -> None:
    start = threading.Barrier(2)

    def make(label: str) -> str:
        start.wait(30)
        try:
            if kind == "severity":
                store.save(SEVERITIES, URGENT | {"label": label}, by=label, revision=0)
            else:
                field = {"name": "site", "label": label, "type": "text"}
                custom_fields._change("site", custom_fields.PARSER.parse(field), by=label, revision=0)
        except VersionConflict as error:
            return error.reason
        finally:
            connections.close_all()
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        said = dict(zip(("Anna", "Ben"), pool.map(make, ("Anna", "Ben")), strict=True))
    (winner,) = (name for name, text in said.items() if text == "saved")
    (told,) = (text for text in said.values() if text != "saved")
    assert "nothing of yours was saved" in told
    if kind == "severity":
        assert store.get(SEVERITIES, "urgent", fresh=True).value.label == winner
    else:
        assert custom_fields.get("site").value.label == winner
    assert Change.objects.filter(kind=kind).count() == 1

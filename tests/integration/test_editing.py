"""Create, change and delete one document: every rule, every refusal, on a real OpenSearch."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import NotFound, PermissionDenied, ValidationFailed, VersionConflict
from imweb.incidents import editing, history
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import stored

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]

ADMIN = Actor(1, "admin", permissions.ALL)
LEAD = Actor(2, "lena", permissions.LEAD)
ANALYST = Actor(3, "anna", permissions.ANALYST)


def make(doc_id: str = "i-1", **fields: Any) -> str:
    editing.create(ADMIN, doc_id, {"title": "Logon", **fields})
    return doc_id


def raw(doc_id: str = "i-1", kind: str = "incident") -> dict[str, Any]:
    found = gateway().get(schema.alias_of(kind), doc_id)
    assert found is not None
    return found.source


def faults(error: pytest.ExceptionInfo[Any]) -> set[str]:
    return {detail.field for detail in error.value.details}


def test_create_fills_in_defaults_and_history() -> None:
    made = editing.create(ADMIN, None, {"title": "Logon", "entities": {"host": "h1"}, "rule": {"id": "r1"}})
    assert made.id.startswith("i")
    assert made.source["status"] == "new"
    assert made.source["severity"] == "medium"
    assert made.source["workflow_id"] == "default"
    assert made.rev == 1
    assert raw(made.id)["pending"] == []
    assert raw(made.id)["has_pending"] is False
    entries = history.entries(ADMIN, "incident", made.id)
    assert [entry.type for entry in entries] == ["create"]


def test_an_existing_id_is_never_overwritten() -> None:
    make()
    with pytest.raises(VersionConflict):
        editing.create(ADMIN, "i-1", {"title": "other"})
    assert raw()["title"] == "Logon"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"severity": "huge"}, "severity"),
        ({"severity": None}, "severity"),
        ({"status": "gone"}, "status"),
        ({"status": 5}, "status"),
        ({"workflow_id": "none"}, "workflow_id"),
        ({"reviewer": 5}, "reviewer"),
        ({"title": ["a"]}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"mitre": {"a": 1}}, "mitre"),
        ({"mitre": [1]}, "mitre"),
        ({"entities": {"spaceship": "x"}}, "entities"),
        ({"entities": {"host": {"a": 1}}}, "entities"),
        ({"rule": {"level": "x"}}, "rule"),
        ({"event": "text"}, "event"),
        ({"event": {"n": float("nan")}}, "event"),
        ({"@timestamp": "yesterday"}, "@timestamp"),
        ({"@timestamp": "now-1d"}, "@timestamp"),
        ({"rev": 5}, "rev"),
        ({"_id": "x"}, "_id"),
        ({"pending": []}, "pending"),
        ({"incidents_count": 5}, "incidents_count"),
        ({"test_object": {"a": 1}}, "test_object"),
        ({"test_mixed": [1, "a"]}, "test_mixed"),
        ({"bad-name": 1}, "bad-name"),
        ({"resolution": "benign"}, "resolution"),
        ({"resolution": "fine", "status": "closed"}, "resolution"),
        ({"_meta": {"id": "other"}}, "_meta.id"),
        ({"_meta": {"rev": "x"}}, "_meta.rev"),
        ({"_meta": 5}, "_meta"),
    ],
)
def test_a_refused_field_is_named_and_nothing_is_written(body: dict[str, Any], field: str) -> None:
    make()
    before = raw()
    with pytest.raises(ValidationFailed) as error:
        editing.update(ADMIN, "incident", "i-1", {"description": "x", **body})
    assert field in faults(error)
    assert raw() == before


def test_all_faults_are_reported_together() -> None:
    make()
    with pytest.raises(ValidationFailed) as error:
        editing.update(ADMIN, "incident", "i-1", {"severity": "x", "title": 1, "rev": 1, "_meta": {"id": "y"}})
    assert faults(error) == {"severity", "title", "rev", "_meta.id"}


def test_unknown_fields_are_mapped_in_both_indices_before_the_write() -> None:
    make(test_number=5, test_text="a", test_flag=True, test_list=["a", "b"])
    for alias in schema.document_aliases():
        mapping = gateway().mapping(alias)
        assert mapping["test_number"]["type"] == "double"
        assert mapping["test_text"]["type"] == "keyword"
        assert mapping["test_flag"]["type"] == "boolean"
    with pytest.raises(ValidationFailed) as error:
        editing.update(ADMIN, "incident", "i-1", {"test_number": "five"})
    assert faults(error) == {"test_number"}


def test_a_choice_takes_its_options_and_what_stands_but_a_detection_may_bring_others() -> None:
    CustomField.objects.create(name="site", label="Site", type="select", options=["north", "south"])
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a", "b"])
    apply_custom_fields()
    make(site="elsewhere", tags=["old"])
    with pytest.raises(ValidationFailed) as error:
        editing.update(ADMIN, "incident", "i-1", {"site": "west", "tags": ["a", "west"], "description": "x"})
    assert faults(error) == {"site", "tags"}
    assert "north, south" in error.value.reason
    assert raw()["rev"] == 1
    editing.update(ADMIN, "incident", "i-1", {"site": "south", "tags": ["old", "b"]})
    assert (raw()["site"], raw()["tags"]) == ("south", ["old", "b"])
    with pytest.raises(ValidationFailed):
        editing.update(ADMIN, "incident", "i-1", {"site": "elsewhere"})


def test_strict_fields_refuse_unknown_ones(settings: Any) -> None:
    settings.IM_STRICT_FIELDS = True
    with pytest.raises(ValidationFailed) as error:
        editing.create(ADMIN, "i-1", {"never_seen_before": 1})
    assert faults(error) == {"never_seen_before"}


def test_update_writes_change_and_history_together() -> None:
    make()
    outcome = editing.update(LEAD, "incident", "i-1", {"severity": "high", "comment": "worse"})
    assert outcome.result == "updated"
    assert outcome.document.rev == 2
    source = raw()
    assert source["touched"]["severity"]["old"] == "medium"
    assert source["pending"] == []
    entry = history.entries(ADMIN, "incident", "i-1")[0]
    assert entry.comment == "worse"
    assert entry.edited == ({"fieldName": "severity", "oldValue": "medium", "newValue": "high"},)
    assert entry.as_json()["user"] == "lena"


def test_noop_changes_nothing() -> None:
    make()
    outcome = editing.update(LEAD, "incident", "i-1", {"severity": "medium", "reviewer": None})
    assert outcome.result == "noop"
    assert raw()["rev"] == 1
    assert len(history.entries(ADMIN, "incident", "i-1")) == 1


def test_equal_comments_are_each_kept() -> None:
    make()
    for _ in range(2):
        assert editing.update(ANALYST, "incident", "i-1", {"comment": "same", "_meta": {"rev": 1}}).result == "updated"
    assert [e.comment for e in history.entries(ADMIN, "incident", "i-1")] == ["same", "same", None]


def test_other_fields_merge_and_the_same_field_collides() -> None:
    make()
    editing.update(LEAD, "incident", "i-1", {"severity": "high"}, rev=1)
    editing.update(ADMIN, "incident", "i-1", {"title": "New", "_meta": {"rev": 1}})
    with pytest.raises(VersionConflict) as error:
        editing.update(ADMIN, "incident", "i-1", {"severity": "low"}, rev=1)
    detail = error.value.details[0].as_json()
    assert (detail["field"], detail["yours"], detail["theirs"], detail["user"]) == ("severity", "low", "high", "lena")
    assert detail["time"]
    assert raw()["severity"] == "high"
    assert raw()["title"] == "New"


def test_workflow_steps_bookkeeping_and_reopening() -> None:
    make()
    with pytest.raises(ValidationFailed) as error:
        editing.update(ANALYST, "incident", "i-1", {"status": "verification"})
    assert faults(error) == {"status"}
    editing.update(ANALYST, "incident", "i-1", {"status": "in_progress"})
    assert raw()["responded_at"]
    editing.update(ANALYST, "incident", "i-1", {"status": "closed", "resolution": "benign"})
    assert raw()["closed_at"]
    with pytest.raises(PermissionDenied):
        editing.update(ANALYST, "incident", "i-1", {"status": "in_progress"})
    editing.update(LEAD, "incident", "i-1", {"status": "in_progress"})
    assert "closed_at" not in raw()
    assert "resolution" not in raw()


def test_each_change_needs_its_permission() -> None:
    make()
    for changes in ({"severity": "low"}, {"reviewer": "lena"}, {"title": "x"}, {"brand_new": 1}):
        with pytest.raises(PermissionDenied):
            editing.update(ANALYST, "incident", "i-1", changes)
    editing.update(ANALYST, "incident", "i-1", {"reviewer": "anna"})
    editing.update(ANALYST, "incident", "i-1", {"reviewer": None})
    viewer = replace(ANALYST, permissions=frozenset({permissions.VIEW}))
    for changes in ({"comment": "x"}, {"reviewer": "anna"}, {"status": "in_progress"}):
        with pytest.raises(PermissionDenied):
            editing.update(viewer, "incident", "i-1", changes)
    with pytest.raises(PermissionDenied):
        editing.create(ANALYST, None, {"title": "x"})
    with pytest.raises(PermissionDenied):
        editing.delete(LEAD, "i-1")
    assert "brand_new" not in gateway().mapping(schema.incidents_alias())


def test_unknown_ids_are_not_found() -> None:
    with pytest.raises(NotFound):
        editing.update(ADMIN, "incident", "none", {"title": "x"})
    with pytest.raises(NotFound):
        editing.delete(ADMIN, "none")
    with pytest.raises(NotFound):
        history.entries(ADMIN, "incident", "none")


def test_computed_fields_of_a_group_are_refused() -> None:
    stored.group("a-1", {"i-1": {}})
    for field, value in (("incidents_count", 5), ("incident_aggregation_result_id", "x"), ("rule", {"id": "1"})):
        with pytest.raises(ValidationFailed) as error:
            editing.update(ADMIN, "aggregation", "a-1", {field: value})
        assert faults(error) == {field}
    assert editing.update(ADMIN, "aggregation", "a-1", {"status": "in_progress"}).result == "updated"


def test_delete_and_create_again_keeps_both_histories() -> None:
    make()
    editing.update(ADMIN, "incident", "i-1", {"comment": "first life"})
    editing.delete(ADMIN, "i-1")
    assert gateway().get(schema.incidents_alias(), "i-1") is None
    assert [e.type for e in history.entries(ADMIN, "incident", "i-1")] == ["delete", "comment", "create"]
    make()
    editing.update(ADMIN, "incident", "i-1", {"comment": "second life"})
    kinds = [e.type for e in history.entries(ADMIN, "incident", "i-1")]
    assert kinds == ["comment", "create", "delete", "comment", "create"]


def test_history_is_paged_by_its_cursor() -> None:
    make()
    for number in range(5):
        editing.update(ADMIN, "incident", "i-1", {"comment": str(number)})
    walked: list[str | None] = []
    before = None
    while page := history.entries(ADMIN, "incident", "i-1", size=2, before=before):
        walked += [entry.comment for entry in page]
        before = page[-1].cursor
    assert walked == ["4", "3", "2", "1", "0", None]


@pytest.mark.django_db(transaction=True)
def test_a_hundred_writers_lose_no_comment() -> None:
    make()
    failures: list[BaseException] = []

    def say() -> None:
        from django.db import connection

        try:
            editing.update(ANALYST, "incident", "i-1", {"comment": "same"})
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=say) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = history.entries(ADMIN, "incident", "i-1")
    assert len([entry for entry in found if entry.comment == "same"]) == 100
    assert raw()["rev"] == 101
    assert raw()["pending"] == []

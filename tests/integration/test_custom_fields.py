"""Custom fields on the real server: defined, mapped, filtered by, renamed, hidden; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client, override_settings

from imweb.accounts.models import User
from imweb.configuration.models import Change
from imweb.errors import NotFound, ValidationFailed, VersionConflict
from imweb.incidents import custom_fields
from imweb.incidents.custom_fields import FieldDefinition
from imweb.incidents.models import CustomField
from imweb.incidents.registry import registry
from imweb.incidents.tasks import apply_custom_fields
from imweb.opensearch import client, gateway, schema
from imweb.opensearch.node import free_port
from tests import stored

TYPES: dict[str, tuple[Any, str]] = {
    "number": (7.5, "double"),
    "text": ("INC-1", "keyword"),
    "select": ("north", "keyword"),
    "multiselect": (["north"], "keyword"),
    "datetime": ("2025-11-23T12:00:00Z", "date"),
    "markdown": ("**seen** before", "text"),
}


def data(name: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    """Return a definition as a form sends it."""
    options = ["north", "south"] if "select" in kind else []
    return {"name": name, "label": name.title(), "type": kind, "options": options, **more}


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_is_mapped_alike_for_incidents_and_groups(new_indices: None, kind: str) -> None:
    saved = custom_fields.save(data("made", kind), by="admin", revision=0)
    assert saved.warning == ""
    assert [gateway().mapping(alias)["made"]["type"] for alias in schema.document_aliases()] == [TYPES[kind][1]] * 2
    stored.incidents({"i1": {"made": TYPES[kind][0]}})
    known = registry(fresh=True).get("made")
    assert known is not None
    assert known.custom_type == kind


def test_the_data_under_a_name_is_shown_with_counts_and_a_misfit_is_refused(new_indices: None) -> None:
    stored.incidents({f"i{n}": {"code": ["alpha", "beta"][n > 0]} for n in range(4)})
    found = custom_fields.probe("code", "number")
    assert found.values == [("beta", 3), ("alpha", 1)]
    assert "whole texts" in found.clash
    with pytest.raises(ValidationFailed, match="values there: beta, alpha"):
        custom_fields.save(data("code", "number"), by="admin", revision=0)
    assert not CustomField.objects.exists()
    custom_fields.save(data("code", "select", options=["alpha"]), by="admin", revision=0)


def test_a_new_label_keeps_the_data_and_removing_hides_it(new_indices: None) -> None:
    custom_fields.save(data("site", "select"), by="admin", revision=0)
    stored.incidents({"i1": {"site": "north"}})
    custom_fields.save(data("site", "select", label="Location"), by="admin", revision=1)
    assert custom_fields.probe("site").values == [("north", 1)]
    custom_fields.remove("site", by="admin", revision=2)
    assert custom_fields.get("site").value.hidden
    assert custom_fields.probe("site").values == [("north", 1)]
    custom_fields.restore("site", by="admin")
    assert not custom_fields.get("site").value.hidden


@pytest.mark.parametrize(
    ("kind", "default", "offered"),
    [
        ("number", 5.0, 'value="5"'),
        ("text", "INC-", 'value="INC-"'),
        ("select", "south", '<option value="south" selected>'),
        ("multiselect", ["south"], 'value="south" checked'),
        ("datetime", "2025-11-23T08:00:00Z", 'value="2025-11-23T08:00"'),
        ("markdown", "## Seen", ">## Seen</textarea>"),
    ],
)
def test_the_default_is_offered_while_nothing_is_filled_in_and_stored_by_saving_alone(
    new_indices: None, lead: User, kind: str, default: Any, offered: str
) -> None:
    custom_fields.save(data("made", kind, default=default), by="admin", revision=0)
    stored.incidents({"i1": {}, "i2": {"made": TYPES[kind][0]}})
    client = Client()
    client.force_login(lead)
    assert offered in client.get("/incidents/i1/").content.decode()
    assert offered not in client.get("/incidents/i2/").content.decode()
    found = gateway().get(schema.incidents_alias(), "i1")
    assert found is not None
    assert "made" not in found.source


def test_a_type_whose_data_is_stored_otherwise_is_refused(new_indices: None) -> None:
    custom_fields.save(data("score", "number"), by="admin", revision=0)
    with pytest.raises(ValidationFailed, match="stored as numbers"):
        custom_fields.save(data("score", "text"), by="admin", revision=1)
    custom_fields.save(data("ticket"), by="admin", revision=0)
    custom_fields.save(data("ticket", "select"), by="admin", revision=1)
    assert custom_fields.get("ticket").value.type == "select"


def test_the_second_of_two_administrators_learns_who_changed_what(new_indices: None) -> None:
    custom_fields.save(data("site", "select"), by="anna", revision=0)
    custom_fields.save(data("site", "select", label="Place"), by="anna", revision=1)
    with pytest.raises(VersionConflict, match="anna changed 'site'") as caught:
        custom_fields.save(data("site", "select", label="Office"), by="ben", revision=1)
    (detail,) = caught.value.details
    assert (detail.field, detail.extra["yours"], detail.extra["theirs"]) == ("label", "Office", "Place")


def test_order_and_undo(new_indices: None) -> None:
    for name in ("one", "two", "three"):
        custom_fields.save(data(name), by="admin", revision=0)
    custom_fields.reorder(["three", "one", "two"], by="admin")
    assert [item.value.name for item in custom_fields.items()] == ["three", "one", "two"]
    with pytest.raises(ValidationFailed, match="every field once"):
        custom_fields.reorder(["three", "one"], by="admin")
    custom_fields.save(data("one", label="First"), by="admin", revision=1)
    assert custom_fields.undo("one", by="admin").label == "One"
    assert custom_fields.undo("two", by="admin").hidden
    with pytest.raises(NotFound):
        custom_fields.undo("never", by="admin")
    assert Change.objects.filter(kind=custom_fields.KIND).count() == 7


@contextmanager
def opensearch_down() -> Iterator[None]:
    """OpenSearch at a port where nothing listens."""
    with override_settings(OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        client.reading.cache_clear()
        client.writing.cache_clear()
        yield
    client.reading.cache_clear()
    client.writing.cache_clear()


def test_saved_while_opensearch_is_down_and_mapped_by_the_task_once_it_is_back(new_indices: None) -> None:
    with opensearch_down():
        saved = custom_fields.save(data("later", "number"), by="admin", revision=0)
        assert "OpenSearch does not answer" in saved.warning
        assert not CustomField.objects.get(name="later").mapped
    apply_custom_fields()
    assert CustomField.objects.get(name="later").mapped
    assert gateway().mapping(schema.incidents_alias())["later"]["type"] == "double"


def test_the_task_maps_what_waits_and_a_misfit_keeps_nothing_else_waiting(new_indices: None) -> None:
    stored.incidents({"i1": {"taken": "a text"}})
    for name in ("taken", "waiting"):
        CustomField.objects.create(name=name, label=name, type="number")
    apply_custom_fields()
    assert gateway().mapping(schema.incidents_alias())["waiting"]["type"] == "double"
    assert dict(CustomField.objects.values_list("name", "mapped")) == {"taken": False, "waiting": True}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "1st"}, "name"),
        ({"name": "severity"}, "name"),
        ({"label": ""}, "label"),
        ({"type": "ip"}, "type"),
        ({"type": "select", "options": []}, ""),
        ({"type": "select", "options": ["a", "a"]}, "options"),
        ({"type": "select", "options": ["a"], "default": "b"}, ""),
        ({"type": "number", "default": "many"}, ""),
        ({"other": 1}, "other"),
    ],
)
def test_a_definition_that_cannot_work_names_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        custom_fields.PARSER.parse(data("fine") | given)
    assert [detail.field for detail in caught.value.details] == [field]


def test_a_definition_survives_storing() -> None:
    definition = FieldDefinition(name="tags", label="Tags", type="multiselect", options=("a", "b"), default=("a",))
    assert custom_fields.PARSER.parse(custom_fields.PARSER.stored(definition)) == definition

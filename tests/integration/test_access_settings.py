"""Roles with filters and hidden fields, and the declaring of access fields: what is kept, refused, and said before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts import permissions
from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import Role, User
from imweb.accounts.roles import RoleDefinition
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.errors import ValidationFailed
from imweb.incidents import access, custom_fields, declaring, editing, roles, services
from imweb.incidents.models import CustomField
from imweb.opensearch import gateway, schema
from tests import services as services_of_tests
from tests import stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh(indices: None) -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def role_form(**values: Any) -> dict[str, Any]:
    return {"label": "IT only", "permission": ["incident.view"], "row_filter": "", **values}


def test_no_field_is_declared_at_first_and_only_fitting_ones_can_be() -> None:
    assert access.access_fields() == ()
    CustomField.objects.create(name="tenant", label="Tenant", type="select", options=["a"])
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a"])
    stored.incidents({"i1": {"department": "x"}})
    custom_fields.registry.forget()
    offered = {item.name for item in declaring.candidates(custom_fields.registry.registry())}
    assert offered == {"source", "incident_type", "rule.id", "rule.name", "tenant"}
    refused = {
        "status": "changes while an incident is worked on",
        "entities.host": "may hold several values",
        "tags": "may hold several values",
        "department": "is not defined; define it as a field of one value first",
        "title": "holds no whole texts",
        "nothing": "there is no such field",
    }
    for name, reason in refused.items():
        with pytest.raises(ValidationFailed, match=reason):
            declaring.declare(name, by="test")
    for _again in range(2):
        declaring.declare("rule.name", by="test")
        assert access.access_fields() == ("rule.name",)
        mapped = gateway().mapping(schema.history_alias())["access"]["properties"]["rule"]["properties"]["name"]
        assert mapped["type"] == "keyword"
        declaring.withdraw("rule.name", by="test")


def test_a_role_keeps_its_filter_only_over_declared_fields(client: Client) -> None:
    url = reverse("settings-role-new")
    answer = client.post(url, role_form(name="it", row_filter="source:IT"))
    assert answer.status_code == 400
    assert "is no access field: none are declared yet" in answer.content.decode()
    declaring.declare("source", by="test")
    assert client.post(url, role_form(name="it", row_filter="source:IT")).status_code == 302
    assert Role.objects.get(name="it").row_filter == "source:IT"
    edit = reverse("settings-role-edit", args=["it"])
    answer = client.post(edit, role_form(row_filter="source:IT and severity:high"))
    assert "&quot;severity&quot; is no access field; declared are source" in answer.content.decode()
    # The caret stands below the field that is meant.
    assert "source:IT and severity:high\n              ^" in answer.content.decode()
    assert client.post(edit, role_form(row_filter="source:OT", hidden=["description"])).status_code == 302
    kept = Change.objects.filter(kind="role", name="it").first()
    assert kept is not None
    assert (kept.old["row_filter"], kept.new["row_filter"], kept.by) == ("source:IT", "source:OT", "admin")


def test_a_filter_does_not_go_with_pages_that_show_everything(client: Client) -> None:
    declaring.declare("source", by="test")
    form = role_form(name="x", row_filter="source:IT", permission=["incident.view", "settings.manage"])
    answer = client.post(reverse("settings-role-new"), form)
    assert "such pages show everything" in answer.content.decode()
    assert not Role.objects.filter(name="x").exists()
    client.post(reverse("settings-role-new"), role_form(name="x", row_filter="source:IT"))
    client.post(reverse("settings-role", args=["x"]), {"permission": ["incident.view", "audit.view"]})
    assert Role.objects.get(name="x").permissions == ["incident.view"]
    # Nor when it comes by another role that does not see incidents itself.
    user = User.objects.create_user("mixed")
    user.roles.add(Role.objects.get(name="x"))
    user.roles.add(Role.objects.create(name="y", label="y", permissions=["system.view", "token.own"]))
    assert user.granted == {"incident.view", "token.own"}


def test_a_field_that_a_role_needs_stays_declared(client: Client) -> None:
    declaring.declare("source", by="test")
    client.post(reverse("settings-role-new"), role_form(name="it", row_filter="source:IT"))
    client.post(reverse("settings-access-withdraw", args=["source"]))
    assert access.access_fields() == ("source",)
    page = client.get(reverse("settings-access")).content.decode()
    assert "Declare no longer" not in page
    client.post(reverse("settings-role-remove", args=["it"]))
    client.post(reverse("settings-access-withdraw", args=["source"]))
    assert access.access_fields() == ()


def test_an_access_field_cannot_become_one_of_several_values() -> None:
    custom_fields.save({"name": "tenant", "label": "Tenant", "type": "select", "options": ["a"]}, by="test")
    declaring.declare("tenant", by="test")
    with pytest.raises(ValidationFailed, match="one of this type may hold several values"):
        custom_fields.save({"name": "tenant", "label": "T", "type": "multiselect", "options": ["a"]}, by="test")
    custom_fields.save({"name": "tenant", "label": "T", "type": "text"}, by="test")


def test_the_preview_counts_what_the_role_would_see(client: Client) -> None:
    declaring.declare("source", by="test")
    stored.incidents({f"i{n}": {"source": "IT" if n < 3 else "OT"} for n in range(10)})
    url = reverse("settings-role-check")
    assert "sees <b>3</b> of <b>10</b>" in client.post(url, role_form(row_filter="source:IT")).content.decode()
    assert "sees <b>10</b> of <b>10</b>" in client.post(url, role_form()).content.decode()
    assert "sees <b>7</b> of <b>10</b>" in client.post(url, role_form(row_filter="not source:it")).content.decode()
    assert "does not see incidents" in client.post(url, role_form(permission=["token.own"])).content.decode()
    assert "Cannot read" in client.post(url, role_form(row_filter="source:IT)")).content.decode()


def test_the_page_says_what_declaring_touches(client: Client) -> None:
    stored.incidents({f"i{n}": {"source": "IT"} if n < 3 else {} for n in range(5)})
    page = client.get(reverse("settings-access") + "?field=source").content.decode()
    assert '<td>IT</td><td class="is-num">3</td>' in page
    assert "nobody can change the field" in page
    # A field that cannot be declared is not offered for it.
    assert "Declare it" not in client.get(reverse("settings-access") + "?field=status").content.decode()
    client.post(reverse("settings-access-declare"), {"field": "source"})
    assert access.access_fields() == ("source",)


def test_groups_that_differ_are_counted_in_a_sentence_that_fits_their_number(client: Client) -> None:
    url = reverse("settings-access")
    stored.group("one", {"o0": {"source": "IT"}, "o1": {"source": "OT"}})
    declaring.declare("source", by="test")
    assert "<b>1</b> group (of <b>1</b>) holds incidents" in client.get(url).content.decode()
    stored.group("two", {"t0": {"source": "IT"}, "t1": {"source": "OT"}})
    assert "<b>2</b> groups (of <b>2</b>) hold incidents" in client.get(url).content.decode()


def test_groups_of_before_are_marked_with_what_their_incidents_agree_in() -> None:
    custom_fields.save({"name": "tenant", "label": "Tenant", "type": "select", "options": ["a"]}, by="test")
    stored.group("agree", {f"a{n}": {"source": "IT", "tenant": "a"} for n in range(3)}, source="IT")
    stored.group("differ", {"d0": {"source": "IT", "tenant": "a"}, "d1": {"source": "OT", "tenant": "a"}})
    stored.group("lack", {"l0": {"source": "IT", "tenant": "a"}, "l1": {"source": "IT"}}, source="IT")
    stored.group("none", {"n0": {"source": "IT"}, "n1": {"source": "IT"}}, source="IT")
    for name in ("source", "tenant"):
        declaring.declare(name, by="test")
    user = User.objects.create_user("ann")
    user.roles.add(Role.objects.create(name="a", label="a", permissions=["incident.view"], row_filter="tenant:a"))
    actor = actor_of(user)
    with pytest.raises(Exception, match="no aggregation result"):
        services.get_document(actor, "aggregation", "agree")
    assert declaring.mark_groups() == 4
    assert declaring.mark_groups() == 0

    def marks(one: str) -> Any:
        found = gateway().get(schema.aggregations_alias(), one)
        assert found
        return found.source["partition"], found.source.get("tenant"), found.source["rev"]

    assert marks("agree") == (["source", "tenant"], "a", 1)
    assert marks("differ") == (["tenant"], "a", 1)
    assert marks("lack") == (["source"], None, 1)
    assert marks("none") == (["source", "tenant"], None, 1)
    assert services.get_document(actor, "aggregation", "agree").id == "agree"
    assert services.get_document(actor, "aggregation", "differ").id == "differ"
    for one in ("lack", "none"):
        with pytest.raises(Exception, match="no aggregation result"):
            services.get_document(actor, "aggregation", one)
    assert declaring.groups() == declaring.Groups(4, 2)


def test_marks_of_an_earlier_declaration_count_for_nothing() -> None:
    """While the field was withdrawn incidents were edited, so the group may have come to differ in it."""
    stored.group("g", {"a0": {"source": "IT"}, "a1": {"source": "IT"}}, source="IT")
    declaring.declare("source", by="test")
    declaring.mark_groups()
    declaring.withdraw("source", by="test")
    editing.update(Actor(1, "x", permissions.ALL), "incident", "a1", {"source": "OT"})
    gateway().refresh(schema.document_aliases())
    declaring.declare("source", by="test")

    def partition() -> Any:
        found = gateway().get(schema.aggregations_alias(), "g")
        return found and found.source["partition"]

    assert partition() == []
    assert declaring.mark_groups() == 0
    assert partition() == []


def test_roles_are_made_and_removed_but_never_one_that_somebody_has(client: Client, analyst: User) -> None:
    for form, field in (({"name": "Bad Name"}, "small letters"), ({"name": "analyst"}, "there is a role of this name")):
        answer = client.post(reverse("settings-role-new"), role_form(**form))
        assert (answer.status_code, field in answer.content.decode()) == (400, True)
    assert client.post(reverse("settings-role-new"), role_form(name="q", label="")).status_code == 400
    client.post(reverse("settings-role-new"), role_form(name="q"))
    analyst.roles.add(Role.objects.get(name="q"))
    client.post(reverse("settings-role-remove", args=["q"]))
    assert Role.objects.filter(name="q").exists()
    analyst.roles.clear()
    client.post(reverse("settings-role-remove", args=["q"]))
    assert not Role.objects.filter(name="q").exists()
    assert client.get(reverse("settings-role-edit", args=["q"])).status_code == 404
    # Nobody could undo it any more.
    answer = client.post(reverse("settings-role-edit", args=["admin"]), role_form(label="Administrator"))
    assert answer.status_code == 400
    answer = client.post(reverse("settings-role-edit", args=["analyst"]), role_form(hidden=["status", "nothing"]))
    text = answer.content.decode()
    assert "&#x27;status&#x27; is needed everywhere" in text
    assert "&#x27;nothing&#x27; is no field" in text


def test_two_administrators_who_edit_one_role_are_told(client: Client) -> None:
    client.post(reverse("settings-role-new"), role_form(name="q"))
    edit = reverse("settings-role-edit", args=["q"])

    def seen(html: str) -> str:
        found = re.search(r'name="seen" value="(\w+)"', html)
        assert found
        return found[1]

    before = seen(client.get(edit).content.decode())
    roles.save_role(RoleDefinition("q", "Theirs", frozenset({"incident.view"})), by="olga")
    mine = role_form(label="Mine", seen=before)
    answer = client.post(edit, mine)
    text = answer.content.decode()
    assert (answer.status_code, "olga" in text, "Theirs" in text) == (409, True, True)
    assert Role.objects.get(name="q").label == "Theirs"
    # A fault on the way does not make him forget what he saw.
    assert seen(client.post(edit, role_form(label="", seen=before)).content.decode()) == before
    assert client.post(edit, mine | {"seen": seen(text)}).status_code == 302
    assert Role.objects.get(name="q").label == "Mine"


@pytest.mark.django_db(transaction=True)
def test_a_worker_marks_the_groups_after_a_field_was_declared(celery_worker: Any) -> None:
    stored.group("agree", {"a0": {"source": "IT"}, "a1": {"source": "IT"}}, source="IT")
    celery_worker()
    declaring.declare("source", by="test")

    def marked() -> bool:
        found = gateway().get(schema.aggregations_alias(), "agree")
        return found is not None and found.source.get("partition") == ["source"]

    services_of_tests.until(marked, 30)

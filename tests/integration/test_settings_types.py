"""The settings page of incident types over HTTP: who opens it, what it saves, refuses, foretells and takes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.incident_types import INCIDENT_TYPES, IncidentType
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.incidents import custom_fields, incident_types, registry
from imweb.incidents.access import access_fields
from imweb.opensearch.node import free_port
from imweb.web.models import SavedView
from imweb.web.settings_pages import types_form
from imweb.workflows.definitions import WORKFLOWS
from tests import stored
from tests.integration.pits_ground import servers

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
NEW = "settings-type-new"
FORM: dict[str, Any] = {
    "name": "phishing",
    "title": "Phishing",
    "severity": "high",
    "reviewer": "",
    "workflow": "mail",
    "workflow_was": "",
    "place.score": "2",
    "place.teams": "1",
    "required.teams": "on",
    "default.score": "7",
    "default.teams": ["red", "blue"],
    "revision": "0",
}


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()
    registry.forget()


@pytest.fixture
def client(indices: None, administrator: User) -> Client:
    """An administrator's browser; three custom fields, a second workflow, and a role that sees incidents."""
    for name, kind, more in (("score", "number", {}), ("teams", "multiselect", {"options": ["red", "blue"]})):
        custom_fields.save({"name": name, "label": name.title(), "type": kind, **more}, by="admin")
    base = WORKFLOWS.stored(store.get(WORKFLOWS, "default", fresh=True).value)
    store.save(WORKFLOWS, base | {"name": "mail", "title": "Mail", "default": False}, by="admin")
    Role.objects.create(name="hr", label="HR", permissions=["incident.view"])
    client = Client()
    client.force_login(administrator)
    return client


def found(name: str = "phishing") -> IncidentType:
    return incident_types.get(name).value


def names() -> list[str]:
    return [item.value.name for item in store.items(INCIDENT_TYPES, fresh=True)]


def text(answer: Any) -> str:
    said: str = answer.content.decode()
    return said.replace("&#x27;", "'").replace("&#39;", "'").replace("&quot;", '"')


def undo(client: Client) -> Any:
    last = Change.objects.filter(kind="incident_type").first()
    assert last is not None
    return client.post(reverse("settings-types-undo"), {"change": last.pk}, follow=True)


def test_only_an_administrator_opens_the_pages(client: Client, analyst: User, lead: User) -> None:
    client.post(reverse(NEW), FORM)
    pages = [reverse("settings-types"), reverse(NEW), reverse("settings-type", args=["phishing"])]
    pages.append(reverse("settings-type-remove", args=["phishing"]))
    assert [client.get(path).status_code for path in pages] == [200] * 4
    for user in (analyst, lead):
        other = Client()
        other.force_login(user)
        assert [other.get(path).status_code for path in pages] == [403] * 4
        assert [other.post(path, FORM | {"name": "more"}).status_code for path in pages[1:]] == [403] * 3
    assert names() == ["phishing"]


def test_a_type_is_saved_as_typed_and_is_listed_with_what_stands(client: Client) -> None:
    stored.incidents({"a": {"incident_type": "phishing"}, "b": {"incident_type": "Data leak"}})
    assert client.post(reverse(NEW), FORM).status_code == 302
    saved = found()
    assert [(one.name, one.required, one.default) for one in saved.fields] == [
        ("teams", True, ("red", "blue")),
        ("score", False, 7.0),
    ]
    assert (saved.severity, saved.reviewer, saved.roles) == ("high", "", ())
    assert incident_types.workflow_of("phishing") == "mail"
    page = text(client.get(reverse("settings-types")))
    for shown in ("Phishing", "High", ">Mail</a>", "everybody", '<td class="is-num">1</td>', "no type yet"):
        assert shown in page
    assert "/settings/types/new?name=Data%20leak" in page
    assert 'value="Data leak"' in text(client.get("/settings/types/new?name=Data%20leak"))
    assert "No type is called that" in text(client.get("/settings/types?q=malware"))
    # What a search leaves has no order, and no column for it.
    assert "im-set-handle" in text(client.get("/settings/types"))
    searched = text(client.get("/settings/types?q=phish"))
    assert "im-set-handle" not in searched
    assert ">Order</span>" not in searched
    assert searched.count('<th scope="col"') == text(client.get("/settings/types")).count('<th scope="col"') - 1
    form = text(client.get(reverse("settings-type", args=["phishing"])))
    assert 'name="place.teams" value="1"' in form
    assert '<option value="mail" selected>' in form
    # The workflow's own page shows the same, and changes it too.
    assert "phishing" in text(client.get(reverse("settings-workflow", args=["mail"])))


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"title": ""}, "title", "is needed"),
        ({"name": "a/b"}, "name", "takes letters, digits, _, ., - and blanks; it begins with a letter or a digit"),
        ({"default.score": "much"}, "fields", "score: a number"),
        ({"default.teams": ["green"]}, "fields", "'green' is none of the options"),
        ({"place.score": "first"}, "fields", "the place of “Score” is a whole number from 1"),
        ({"severity": "terrible"}, "severity", "no level named 'terrible'"),
        ({"reviewer": "nobody"}, "reviewer", "no active user named 'nobody'"),
        ({"role": ["nobody"]}, "roles", "no role named 'nobody'"),
        ({"role": ["hr"], "reviewer": "hans"}, "reviewer", "would not see them"),
        ({"workflow": "none"}, "workflow", "no workflow named 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field_and_nothing_typed_is_lost(
    client: Client, changes: dict[str, Any], field: str, reason: str
) -> None:
    User.objects.create_user("hans", "hans@example.test", "x")
    answer = client.post(reverse(NEW), FORM | {"title": "Typed here"} | changes)
    assert answer.status_code == 400
    assert f"<b>{types_form.LABELS[field]}</b>" in text(answer)
    assert reason in text(answer)
    assert "Typed here" in text(answer) or "title" in changes
    assert names() == []
    assert access_fields() == ()


def test_before_saving_it_says_what_it_would_mean_and_writes_nothing(client: Client, lead: User) -> None:
    stored.incidents({f"i{n}": {"incident_type": "phishing"} for n in range(3)})
    said = text(client.post(reverse("settings-type-check"), FORM | {"role": ["hr"]}))
    for part in ("Teams", "required", "red, blue", "High", "Mail", "becomes an access field", ">admin<"):
        assert part in said
    assert "lead" not in said
    assert "score: a number" in text(client.post(reverse("settings-type-check"), FORM | {"default.score": "x"}))
    assert names() == []
    client.post(reverse(NEW), FORM)
    SavedView.objects.create(owner=lead, name="mine", query="f.incident_type=phishing")
    form = text(client.get(reverse("settings-type", args=["phishing"])))
    assert "<b>3</b> \n" in form or "<b>3</b> incidents and groups" in form
    assert "<b>1</b> saved view" in form


def test_closing_a_type_declares_its_field_and_says_how_many_groups_mix_types(client: Client) -> None:
    members = {"m0": {"incident_type": "phishing"}, "m1": {"incident_type": "fraud"}}
    stored.group("g", members, incident_type=["phishing", "fraud"])
    assert client.post(reverse(NEW), FORM | {"role": ["hr"]}).status_code == 302
    assert access_fields() == ("incident_type",)
    assert found().roles == ("hr",)
    assert "1 group is such a one now" in text(client.get(reverse("settings-type", args=["phishing"])))
    listed = text(client.get(reverse("settings-types")))
    assert '<span class="im-badge is-accent">HR</span>' in listed
    refused = text(client.post(reverse("settings-access-withdraw", args=["incident_type"]), follow=True))
    assert "the incident types Phishing need it" in refused
    refused = text(client.post(reverse("settings-role-remove", args=["hr"]), follow=True))
    assert "the incident types Phishing are open to it" in refused
    assert "everybody sees its incidents" in text(client.get(reverse("settings-type-remove", args=["phishing"])))


def test_the_last_change_is_taken_back_with_the_workflow_that_went_with_it(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    edit = reverse("settings-type", args=["phishing"])
    client.post(edit, FORM | {"title": "Mail fraud", "workflow": "default", "workflow_was": "mail", "revision": "1"})
    assert (found().title, incident_types.workflow_of("phishing")) == ("Mail fraud", "default")
    assert "taken back" in text(undo(client))
    assert (found().title, incident_types.workflow_of("phishing")) == ("Phishing", "mail")
    # The workflow alone is a change of the type too.
    revision = incident_types.get("phishing").revision
    client.post(edit, FORM | {"workflow": "", "workflow_was": "mail", "revision": str(revision)})
    assert incident_types.workflow_of("phishing") == ""
    undo(client)
    assert incident_types.workflow_of("phishing") == "mail"
    remove = {"revision": str(incident_types.get("phishing").revision)}
    assert client.post(reverse("settings-type-remove", args=["phishing"]), remove).status_code == 302
    assert (names(), incident_types.workflow_of("phishing")) == ([], "")
    undo(client)
    assert (found().title, incident_types.workflow_of("phishing")) == ("Phishing", "mail")


def test_a_change_that_somebody_followed_is_not_taken_back(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    seen = Change.objects.filter(kind="incident_type").latest("pk").pk
    incident_types.save({"name": "fraud", "title": "Fraud"}, by="other")
    answer = client.post(reverse("settings-types-undo"), {"change": seen})
    assert answer.status_code == 409
    assert names() == ["phishing", "fraud"]


def test_two_administrators_are_told_who_changed_what_and_lose_nothing_typed(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    edit = reverse("settings-type", args=["phishing"])
    incident_types.save({"name": "phishing", "title": "Theirs"}, by="other", revision=1)
    mine = FORM | {"title": "Ours", "workflow_was": "mail", "revision": "1"}
    answer = client.post(edit, mine)
    assert answer.status_code == 409
    for part in ("other changed", "Theirs", "Ours", 'value="2"'):
        assert part in text(answer)
    assert found().title == "Theirs"
    assert client.post(edit, mine | {"revision": "2"}).status_code == 302
    assert found().title == "Ours"
    assert client.post(reverse(NEW), FORM).status_code == 400, "a second one of the name"
    # Where only the default of a field differs, both are said.
    revision = incident_types.get("phishing").revision
    client.post(edit, mine | {"default.score": "8", "revision": str(revision)})
    answer = text(client.post(edit, mine | {"default.score": "9", "revision": str(revision)}))
    assert "<td>teams required = red, blue; score = 9.0</td>" in answer
    assert "<td>teams required = red, blue; score = 8.0</td>" in answer


def test_a_workflow_chosen_elsewhere_meanwhile_is_told_too(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    data = WORKFLOWS.stored(store.get(WORKFLOWS, "mail", fresh=True).value) | {"incident_types": []}
    store.save(WORKFLOWS, data, by="other")
    edit = reverse("settings-type", args=["phishing"])
    mine = FORM | {"title": "Ours", "workflow_was": "mail", "revision": "1"}
    assert client.post(edit, FORM | {"workflow": "default", "workflow_was": "mail", "revision": "1"}).status_code == 409
    answer = client.post(edit, mine)
    assert answer.status_code == 409
    assert "other gave the type another workflow" in text(answer)
    assert 'name="workflow_was" value=""' in text(answer)
    assert client.post(edit, mine | {"workflow_was": ""}).status_code == 302
    assert incident_types.workflow_of("phishing") == "mail"


def test_the_order_is_changed_and_taken_back(client: Client) -> None:
    for name in ("one", "two", "three"):
        incident_types.save({"name": name, "title": name}, by="admin")
    client.post(reverse("settings-types-order"), {"move": "three:up"})
    assert names() == ["one", "three", "two"]
    undo(client)
    assert names() == ["one", "two", "three"]
    refused = client.post(reverse("settings-types-order"), {"order": ["one"]}, headers={"accept": "application/json"})
    assert refused.status_code == 400


def test_every_change_stands_in_the_audit_trail(client: Client) -> None:
    from imweb.audit.models import Waiting

    client.post(reverse(NEW), FORM)
    entries = [row.entry for row in Waiting.objects.all() if row.entry["target"] == "incident_type/phishing"]
    assert [(entry["user"], entry["details"]["action"]) for entry in entries] == [("admin", "created")]
    assert entries[0]["new"]["severity"] == "high"


def test_without_opensearch_a_type_is_saved_but_none_is_closed_for_the_first_time(
    client: Client, settings: Any
) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        assert client.post(reverse(NEW), FORM).status_code == 302
        assert "OpenSearch does not answer" in text(client.get(reverse("settings-types")))
        edit = reverse("settings-type", args=["phishing"])
        answer = client.post(edit, FORM | {"role": ["hr"], "workflow_was": "mail", "revision": "1"})
        assert answer.status_code == 400
        assert "needed to close a type for the first time" in text(answer)
    assert found().roles == ()
    assert access_fields() == ()

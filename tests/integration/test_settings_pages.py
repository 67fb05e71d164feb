"""Settings pages over HTTP: who may open them, what they save, refuse, move and take back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import ApiToken, User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.grouping.rules import RULES
from imweb.incidents import custom_fields, pits
from imweb.incidents.severities import severities
from imweb.opensearch import schema
from imweb.web.models import SavedView
from imweb.web.settings_pages import touched
from imweb.workflows import default_workflow
from imweb.workflows.definitions import WORKFLOWS
from tests import stored

FIELD = {"name": "site", "label": "Site", "type": "select", "options": "north\nsouth", "is_filter": "on"}
PAGES = ["settings-fields", "settings-severities", "settings-workflows", "settings-users", "system"]
FORMS = ["settings-field-new", "settings-severity-new", "settings-workflow-new", "settings-user-new"]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def workflow_form(client: Client, name: str = "default") -> dict[str, Any]:
    """Return what the form of a workflow sends when nothing is changed."""
    item = store.get(WORKFLOWS, name, fresh=True)
    names = [status.name for status in item.value.statuses]
    data: dict[str, Any] = {"title": item.value.title, "revision": item.revision, "existing": name}
    for n, status in enumerate(item.value.statuses):
        data |= {f"s.{n}.name": status.name, f"s.{n}.title": status.title, f"s.{n}.color": status.color}
        data |= {f"s.{n}.terminal": "on"} if status.terminal else {}
        data |= {"initial": str(n)} if status.name == item.value.initial else {}
    for step in item.value.transitions:
        data[f"t.{names.index(step.source)}.{names.index(step.target)}.who"] = step.permission
    return data


@pytest.mark.parametrize("url_name", PAGES + FORMS)
def test_only_an_administrator_opens_settings(
    indices: None, client: Client, analyst: User, lead: User, url_name: str
) -> None:
    assert client.get(reverse(url_name)).status_code == 200
    for user in (analyst, lead):
        other = Client()
        other.force_login(user)
        answer = other.get(reverse(url_name))
        assert answer.status_code == 403
        assert "permission" in answer.content.decode()


def test_a_field_is_defined_and_stands_in_the_filter_bar(new_indices: None, client: Client) -> None:
    answer = client.post(reverse("settings-field-new"), FIELD)
    assert answer.status_code == 302
    bar = client.get(reverse("incidents")).content.decode()
    assert 'name="f.site"' in bar
    assert '<option value="north"' in bar


def test_a_faulty_form_comes_back_with_what_was_typed(new_indices: None, client: Client) -> None:
    answer = client.post(reverse("settings-field-new"), FIELD | {"name": "status", "label": "My label"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert 'value="My label"' in page
    assert "a field of the product itself" in page
    answer = client.post(reverse("settings-field-new"), FIELD | {"name": "size"})
    assert "a parameter of lists in the API" in answer.content.decode()


def test_the_check_shows_live_values_and_a_conflict_before_saving(new_indices: None, client: Client) -> None:
    stored.incidents({f"i{n}": {"site": "north"} for n in range(3)})
    page = client.post(reverse("settings-field-check"), FIELD | {"type": "number"}).content.decode()
    assert "is in the index already as whole texts" in page
    assert "3 incidents and groups have a value under this name:" in page
    assert not custom_fields.items()


def test_what_a_change_touches_is_said_before(new_indices: None, client: Client, analyst: User) -> None:
    custom_fields.save({"name": "site", "label": "Site", "type": "text"}, by="anna", revision=0)
    stored.incidents({f"i{n}": {"site": "north"} for n in range(2)})
    for number, query in enumerate(("f.site=north", "q=site%3Anorth", "sort=site%3Aasc", "severity=low", "q=low")):
        SavedView.objects.create(owner=analyst, name=str(number), query=query)
    rule = {"name": "by_site", "title": "By site", "comparison": ["site"], "severity": "low"}
    store.save(RULES, rule, by="anna", revision=0)
    found = touched.by_field("site")
    assert (found.incidents, found.views, found.rules) == (2, 3, ["By site"])
    level = touched.by_value("severity", "low")
    assert (level.views, level.rules) == (1, ["By site"])
    page = client.get(reverse("settings-field", args=["site"])).content.decode()
    assert "<b>3</b> saved views and lists of columns" in page


def test_views_that_name_a_value_in_their_search_text_are_counted(indices: None, analyst: User) -> None:
    named = ["severity:low", 'severity:"low"', "severity:(high or low)", "severity:>=low", "not  severity : low"]
    other = ["severity:lower", "rule.severity:low", "severity:high low", "severity:very-low", "title:severity"]
    for number, text in enumerate(named + other):
        SavedView.objects.create(owner=analyst, name=str(number), query=urlencode({"q": text}))
    assert touched.by_value("severity", "low").views == len(named)
    assert touched.by_field("severity").views == len(named) + 3


def test_the_second_administrator_is_told_who_changed_what_and_loses_nothing(new_indices: None, client: Client) -> None:
    custom_fields.save({"name": "site", "label": "Site", "type": "text"}, by="anna", revision=0)
    custom_fields.save({"name": "site", "label": "Place", "type": "text"}, by="anna", revision=1)
    url = reverse("settings-field", args=["site"])
    mine = {"label": "Office", "type": "text", "is_filter": "on", "on_card": "on", "revision": "1"}
    answer = client.post(url, mine)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "anna changed" in page
    assert 'value="Office"' in page
    assert "<td>Office</td><td>Place</td>" in page
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision is not None
    assert client.post(url, mine | {"revision": revision[1]}).status_code == 302
    assert custom_fields.get("site").value.label == "Office"


def test_order_by_buttons_and_undo(new_indices: None, client: Client) -> None:
    for name in ("one", "two"):
        custom_fields.save({"name": name, "label": name, "type": "text"}, by="admin", revision=0)
    client.post(reverse("settings-fields-order"), {"move": "two:up"})
    assert [item.value.name for item in custom_fields.items()] == ["two", "one"]
    last = Change.objects.filter(kind="custom_field").first()
    assert last is not None
    client.post(reverse("settings-fields-undo"), {"change": last.pk})
    assert [item.value.name for item in custom_fields.items()] == ["one", "two"]
    assert client.post(reverse("settings-fields-undo"), {"change": last.pk}).status_code == 409
    assert client.post(reverse("settings-fields-order"), {"move": "three:up"}).status_code == 400


def test_pages_and_changes_call_things_as_people_do(indices: None, client: Client) -> None:
    crumb = '<li aria-current="page">{}</li>'
    assert crumb.format("Low") in client.get(reverse("settings-severity", args=["low"])).content.decode()
    page = client.get(reverse("settings-workflow", args=["default"])).content.decode()
    assert crumb.format(default_workflow().title) in page
    # The legend of the picture says a colour's name as the choice has it.
    assert "Quiet: the work has ended." in page
    assert ">Quiet</option>" in page
    for name in ("one", "two"):
        custom_fields.save({"name": name, "label": name.capitalize(), "type": "text"}, by="anna")
    custom_fields.reorder(["two", "one"], by="anna")
    page = client.get(reverse("settings-fields")).content.decode()
    assert "order: Two, One" in page
    assert "created “Two”" in page


def test_a_colour_that_nobody_can_see_is_refused(indices: None, client: Client) -> None:
    url = reverse("settings-severity", args=["low"])
    data = {"label": "Low", "rank": "2", "color": "#eeeeee", "color_dark": "#74a9de", "revision": "0"}
    answer = client.post(url, data)
    assert answer.status_code == 400
    assert "contrast 1.1 in the light theme" in answer.content.decode()


def test_ranks_follow_the_order_and_the_default_moves(indices: None, client: Client) -> None:
    client.post(reverse("settings-severities-order"), {"move": "high:up"})
    store.forget()
    assert [level.name for level in severities()][:2] == ["high", "critical"]
    client.post(reverse("settings-severity-default", args=["low"]))
    store.forget()
    assert [level.name for level in severities() if level.default] == ["low"]


def test_a_workflow_saved_as_it_is_changes_nothing(indices: None, client: Client) -> None:
    before = store.get(WORKFLOWS, "default", fresh=True).value
    assert client.post(reverse("settings-workflow", args=["default"]), workflow_form(client)).status_code == 302
    assert store.get(WORKFLOWS, "default", fresh=True).value == before


def test_statuses_are_put_into_another_order_before_they_are_saved(indices: None, client: Client) -> None:
    url = reverse("settings-workflow", args=["default"])
    before = store.get(WORKFLOWS, "default", fresh=True).value
    page = client.post(url, workflow_form(client) | {"s.0.title": "Brand new", "move": "1:up"}).content.decode()
    titles = re.findall(r'name="s\.\d+\.title" value="([^"]+)"', page)
    assert titles == [before.statuses[1].title, "Brand new", *(status.title for status in before.statuses[2:])]
    # Incidents still begin in the status that has moved, and nothing is written yet.
    assert re.search(r'name="initial" value="1" checked', page)
    assert store.get(WORKFLOWS, "default", fresh=True).value == before
    # The Return key presses the first button, which saves.
    first = re.search(r"<button[^>]*>", page[page.index('id="workflow-form"') :])
    assert first
    assert first[0] == '<button type="submit" hidden>'


def test_a_stranded_or_unreachable_status_is_refused_with_the_reason(indices: None, client: Client) -> None:
    url = reverse("settings-workflow", args=["default"])
    form = workflow_form(client)
    lone = form | {"s.5.title": "Waiting", "s.5.name": "waiting", "s.5.color": "default"}
    page = client.post(url, lone)
    assert page.status_code == 400
    assert "no way leads from &#x27;New&#x27; to &#x27;Waiting&#x27;" in page.content.decode()
    stuck = lone | {"t.0.5.who": "incident.transition"}
    assert "could never be closed" in client.post(url, stuck).content.decode()
    good = stuck | {"t.5.1.who": "incident.transition", "t.5.1.need": ["comment", "reviewer"]}
    assert client.post(url, good).status_code == 302
    store.forget()
    step = default_workflow().step("waiting", "in_progress")
    assert step is not None
    assert step.required == ("comment", "reviewer")


def test_a_token_is_shown_once_works_and_is_revoked(indices: None, client: Client, analyst: User) -> None:
    mine = Client()
    mine.force_login(analyst)
    url = reverse("settings-tokens")
    assert mine.post(url, {"name": "x", "days": "90", "scope": "settings.manage"}).status_code == 400
    page = mine.post(url, {"name": "report", "days": "30", "scope": "incident.view"}).content.decode()
    found = re.search(r"data-secret>(im_[\w-]+)<", page)
    assert found is not None
    assert found[1] not in mine.get(url).content.decode()
    call = {"HTTP_AUTHORIZATION": f"Bearer {found[1]}"}
    assert Client().get("/_im/incidents", **call).status_code == 200
    token = ApiToken.objects.get(name="report")
    assert token.scopes == ["incident.view"]
    assert "report" in client.get(url).content.decode()
    assert client.post(reverse("settings-token-revoke", args=[token.pk])).status_code == 302
    assert Client().get("/_im/incidents", **call).status_code == 401


def test_nobody_revokes_another_ones_token_without_the_permission(indices: None, lead: User, analyst: User) -> None:
    token, _secret = ApiToken.issue(lead, "hers")
    mine = Client()
    mine.force_login(analyst)
    assert mine.post(reverse("settings-token-revoke", args=[token.pk])).status_code == 404
    assert "hers" not in mine.get(reverse("settings-tokens")).content.decode()


def test_a_user_is_made_changed_and_shut_out(indices: None, client: Client) -> None:
    answer = client.post(reverse("settings-user-new"), {"username": "j.novak", "role": "lead", "email": "j@x.test"})
    found = re.search(r"data-secret>([^<]+)<", answer.content.decode())
    assert found is not None
    theirs = Client()
    signed_in = theirs.post(reverse("login"), {"username": "j.novak", "password": found[1]})
    assert signed_in.status_code == 302
    url = reverse("settings-user", args=["j.novak"])
    client.post(url, {"role": ["analyst"], "email": "", "active": "on"})
    user = User.objects.get(username="j.novak")
    assert [role.name for role in user.roles.all()] == ["analyst"]
    assert theirs.get(reverse("incidents")).status_code == 200
    client.post(url, {"role": ["analyst"]})
    assert theirs.get(reverse("incidents")).status_code == 302
    assert client.post(reverse("settings-user-new"), {"username": "J.Novak"}).status_code == 400


def test_the_last_who_manages_users_stays_one(indices: None, client: Client, administrator: User) -> None:
    url = reverse("settings-user", args=[administrator.username])
    answer = client.post(url, {"role": ["lead"], "active": "on"})
    assert answer.status_code == 400
    assert "has to be able to manage users" in answer.content.decode()
    client.post(reverse("settings-role", args=["admin"]), {"permission": ["incident.view"]})
    assert User.objects.get(pk=administrator.pk).may("users.manage")
    assert client.post(url, {"role": ["admin"]}).status_code == 400


def test_the_system_page_shows_a_point_in_time_and_closes_it(
    indices: None, client: Client, administrator: User
) -> None:
    lease = pits.open_pit(administrator.pk, True)
    (slot,) = pits.overview().slots
    page = client.get(reverse("system")).content.decode()
    assert slot.pit[:20] in page
    assert schema.incidents_alias() in page
    client.post(reverse("system-close-pit", args=[slot.pit]))
    assert pits.overview().slots == []
    assert lease.token

"""A change of settings takes incidents along: by a mapping, back with its undo, later while OpenSearch is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.grouping import engine, service
from imweb.grouping.rules import RULES
from imweb.incidents import editing, history
from imweb.incidents.models import Job
from imweb.incidents.severities import SETS, SEVERITIES, definition_of, severities
from imweb.notifications.rules import RULES as NOTICES
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from imweb.web.models import SavedView, SettingsMove
from imweb.web.tasks import begin_moves
from imweb.workflows import default_workflow, get_workflow
from imweb.workflows.definitions import WORKFLOWS
from tests import stored
from tests.integration.pits_ground import servers
from tests.integration.test_settings_pages import workflow_form

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
SIGMA = [level.name for level in SETS["sigma"]]
TO_FOUR = {"to.informational": "normal", "to.low": "information", "to.medium": "warning", "to.high": "warning"}
FOUR = ["normal", "information", "warning", "warning", "critical"]
SET = "settings-severity-set"
UNDO = "settings-severities-undo"
PHISHING = {
    "name": "phish",
    "title": "Phishing",
    "initial": "open",
    "statuses": [{"name": "open", "title": "Open"}, {"name": "closed", "title": "Closed", "terminal": True}],
    "transitions": [{"source": "open", "target": "closed"}],
}


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


@pytest.fixture
def five() -> list[str]:
    """One incident of each of the five levels."""
    return stored.incidents({f"i{n}": {"severity": name} for n, name in enumerate(SIGMA)})


def read(name: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), name)
    assert found is not None
    return found.source


def levels_of(ids: list[str]) -> list[str]:
    gateway().refresh(schema.document_aliases())
    return [read(name)["severity"] for name in ids]


def text(answer: Any) -> str:
    return str(answer.content.decode()).replace("&#x27;", "'")


def take_back(client: Client, url_name: str, kind: str) -> str:
    """Press undo and return the page after it."""
    last = Change.objects.filter(kind=kind).first()
    assert last is not None
    page = text(client.post(reverse(url_name), {"change": last.pk}, follow=True))
    store.forget()
    return page


def test_the_other_ready_set_moves_incidents_its_undo_moves_them_back_and_that_ones_undo_forth(
    client: Client, five: list[str], administrator: User
) -> None:
    url = reverse(SET, args=["customer"])
    assert text(client.get(url)).count("<select") == 4
    assert client.post(url, {"to.high": "warning"}).status_code == 400
    assert client.post(url, TO_FOUR).status_code == 302
    assert [level.name for level in severities()] == ["critical", "warning", "information", "normal"]
    assert levels_of(five) == FOUR
    client.get(reverse("settings-severities"))
    page = take_back(client, UNDO, "severity")
    said = "The last change is taken back; 4 incidents and groups have their former values again."
    assert re.findall(r'<div class="im-toast[^>]*>.*?<p>(.*?)</p>', page, re.DOTALL) == [said]
    assert "− Warning, Information, Normal" in page
    assert [level.name for level in severities()] == SIGMA[::-1]
    assert levels_of(five) == SIGMA
    entries = history.entries(actor_of(administrator), "incident", "i1")
    assert [entry.edited[0]["newValue"] for entry in entries[:2]] == ["low", "information"]
    take_back(client, UNDO, "severity")
    assert levels_of(five) == FOUR
    assert [level.name for level in severities()] == ["critical", "warning", "information", "normal"]


def test_what_a_stopped_job_moved_goes_back_and_one_that_runs_is_waited_for(client: Client, five: list[str]) -> None:
    client.post(reverse(SET, args=["customer"]), TO_FOUR)
    Job.objects.filter(pk=SettingsMove.objects.earliest("pk").task).update(state="running")
    assert "still being moved" in take_back(client, UNDO, "severity")
    assert [level.name for level in severities()] == ["critical", "warning", "information", "normal"]
    Job.objects.update(state="cancelled")
    take_back(client, UNDO, "severity")
    assert levels_of(five) == SIGMA


def test_groups_are_moved_and_brought_back_like_incidents(client: Client) -> None:
    stored.group("g1", {"m1": {"severity": "low"}}, severity="high", status="verification")
    client.post(reverse(SET, args=["customer"]), TO_FOUR)
    client.post(
        reverse("settings-workflow", args=["default"]),
        workflow_form(client) | {"s.2.gone": "on", "to.verification": "new"},
    )
    held = gateway().get(schema.aggregations_alias(), "g1")
    assert held is not None
    assert (held.source["severity"], held.source["status"]) == ("warning", "new")
    take_back(client, UNDO, "severity")
    take_back(client, "settings-workflows-undo", "workflow")
    held = gateway().get(schema.aggregations_alias(), "g1")
    assert held is not None
    assert (held.source["severity"], held.source["status"]) == ("high", "verification")


def test_a_group_that_was_moved_goes_on_following_its_incidents_and_one_set_by_hand_does_not(
    client: Client, administrator: User
) -> None:
    service.save_rule({"name": "hosts", "title": "Hosts", "comparison": ["entities.host"], "look_back": 3_660}, by="x")

    def came(number: int, **fields: str) -> None:
        both = {f"{host}{number}{n}": {"entities": {"host": [host]}, **fields} for host in ("a", "b") for n in range(2)}
        stored.incidents(both)
        engine.run()
        gateway().refresh(schema.document_aliases())

    def severities_of() -> dict[str, str]:
        hits = gateway().search({"query": {"match_all": {}}}, index=schema.aggregations_alias())["hits"]["hits"]
        return {hit["_source"]["comparison_fields"]["entities.host"]: hit["_source"]["severity"] for hit in hits}

    came(1, severity="low")
    (group,) = (hit["_id"] for hit in gateway().search(
        {"query": {"term": {"entities.host": "b"}}}, index=schema.aggregations_alias())["hits"]["hits"]
    )  # fmt: skip
    editing.update(actor_of(administrator), "aggregation", group, {"severity": "medium"})
    client.post(reverse(SET, args=["customer"]), TO_FOUR)
    came(2, severity="critical")
    assert severities_of() == {"a": "critical", "b": "warning"}
    take_back(client, UNDO, "severity")
    engine.run()
    came(3, severity="high")
    assert severities_of() == {"a": "critical", "b": "medium"}


def test_what_waits_is_begun_by_beat(settings: Any) -> None:
    assert settings.CELERY_BEAT_SCHEDULE["settings.move"]["task"] == begin_moves.name


def test_what_somebody_changed_since_stays_and_any_administrator_may_take_it_back(
    client: Client, five: list[str], lead: User
) -> None:
    client.post(reverse(SET, args=["customer"]), TO_FOUR)
    editing.update(actor_of(lead), "incident", "i0", {"severity": "critical"})
    # Of a single change ten minutes are the limit; settings are taken back whenever that is.
    other = User.objects.create_user("other", "other@example.test", "other-password")
    other.roles.set(User.objects.get(username="admin").roles.all())
    theirs = Client()
    theirs.force_login(other)
    take_back(theirs, UNDO, "severity")
    assert levels_of(five) == ["critical", *SIGMA[1:]]


def test_the_page_says_what_goes_away_touches(client: Client, five: list[str], analyst: User) -> None:
    SavedView.objects.create(owner=analyst, name="low ones", query="severity=low")
    rule = {"name": "by_host", "title": "By host", "comparison": ["entities.host"], "severity": "low"}
    service.save_rule(rule | {"filter": "severity:(low OR high)"}, by="anna")
    page = re.sub(r"\s+", " ", text(client.get(reverse(SET, args=["customer"]))))
    row = page[page.index(">low</code>") : page.index(">informational</code>")]
    assert re.findall(r'is-num">(\d+)<', row) == ["1", "1"]
    assert "<td>1: By host</td>" in row


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (RULES, {"name": "x", "title": "Hosts", "comparison": ["entities.host"], "filter": "severity:>=medium"}),
        (RULES, {"name": "x", "title": "Hosts", "comparison": ["entities.host"], "severity": "high"}),
        (NOTICES, {"name": "x", "title": "Hosts", "events": ["new_incident"], "channel": "console", "concerned": True,
                   "filter": "severity:>=medium"}),
    ],
)  # fmt: skip
def test_a_set_without_a_level_that_a_rule_needs_is_refused_with_the_rules_name(
    client: Client, five: list[str], kind: Any, rule: dict[str, Any]
) -> None:
    store.save(kind, rule, by="admin")
    answer = client.post(reverse(SET, args=["customer"]), TO_FOUR)
    assert answer.status_code == 400
    assert "“Hosts” would not work any more" in text(answer)
    assert '<option value="information" selected' in text(answer)
    assert [level.name for level in severities()] == SIGMA[::-1]
    assert levels_of(five) == SIGMA
    removed = client.post(reverse("settings-severity-remove", args=["medium"]), {"to.medium": "low"})
    if rule.get("severity") != "high":
        assert removed.status_code == 400
    store.save(
        kind, rule | {"filter": "title:x", **({"severity": "highest"} if "severity" in rule else {})}, by="admin"
    )
    assert client.post(reverse(SET, args=["customer"]), TO_FOUR).status_code == 302


def test_of_two_administrators_who_exchange_levels_the_second_is_told_and_keeps_his_choice(
    client: Client, five: list[str]
) -> None:
    url = reverse(SET, args=["customer"])
    seen = re.search(r'name="change" value="(\d*)"', text(client.get(url)))
    assert seen is not None
    store.save(WORKFLOWS, PHISHING, by="anna")  # another page's change is no collision
    low = next(level for level in severities() if level.name == "low")
    store.save(SEVERITIES, SEVERITIES.stored(definition_of(low)) | {"label": "Minor"}, by="anna")
    mine = TO_FOUR | {"to.low": "normal"}
    answer = client.post(url, mine | {"change": seen[1]})
    page = text(answer)
    assert answer.status_code == 409
    assert "anna changed the settings meanwhile" in page
    assert '<th scope="row">low</th>' in page
    low_row = page[page.index('name="to.low"') :]
    assert '<option value="normal" selected' in low_row[: low_row.index("</select>")]
    assert levels_of(five) == SIGMA
    again = re.search(r'name="change" value="(\d*)"', page)
    assert again is not None
    assert client.post(url, mine | {"change": again[1]}).status_code == 302
    assert levels_of(five)[1] == "normal"


def test_an_order_made_from_an_old_page_is_refused_and_a_scripts_page_learns_the_new_one(client: Client) -> None:
    url = reverse("settings-severities-order")
    htmx = {"HX-Request": "true"}
    answer = client.post(
        url, {"order": ["high", "critical", "medium", "low", "informational"], "change": ""}, headers=htmx
    )
    last = Change.objects.filter(kind="severity").first()
    assert last is not None
    assert f'data-change="{last.pk}"' in text(answer)
    assert "reordered" in text(answer) or "changed" in text(answer)
    assert client.post(url, {"order": SIGMA, "change": ""}, headers=htmx).status_code == 409
    assert client.post(url, {"order": SIGMA, "change": last.pk}, headers=htmx).status_code == 200


def test_incidents_of_a_removed_status_are_moved_by_the_mapping_and_back_by_its_undo(client: Client) -> None:
    stored.incidents({"i1": {"status": "verification"}, "i2": {"status": "new"}})
    url = reverse("settings-workflow", args=["default"])
    form = workflow_form(client) | {"s.2.gone": "on"}
    SavedView.objects.create(owner=User.objects.get(), name="to verify", query="status=verification")
    refused = client.post(url, form)
    assert refused.status_code == 400
    assert 'name="to.verification"' in text(refused)
    assert "1 incident or group · 1 saved view · 0 rules" in text(refused)
    page = text(client.post(url, form | {"to.verification": "in_progress"}, follow=True))
    assert "1 incident or group moved from “Verification” to “In Progress”." in page
    assert [read(name)["status"] for name in ("i1", "i2")] == ["in_progress", "new"]
    store.forget()
    assert default_workflow().status("verification") is None
    take_back(client, "settings-workflows-undo", "workflow")
    assert default_workflow().status("verification") is not None
    assert [read(name)["status"] for name in ("i1", "i2")] == ["verification", "new"]


def test_incidents_in_a_status_that_their_workflow_has_not_are_shown_and_moved_within_it(client: Client) -> None:
    store.save(WORKFLOWS, PHISHING, by="admin")
    # The default workflow has this status, theirs has not.
    stored.incidents(
        {"i1": {"status": "parked"}, "i2": {"status": "new"}, "i3": {"status": "new", "workflow_id": "phish"}}
    )
    page = text(client.get(reverse("settings-workflows")))
    assert "/parked?workflow=default" in page
    assert "/new?workflow=phish" in page
    assert "/new?workflow=default" not in page
    assert "Phishing" in page
    assert "· 1 incident or group ·" in page
    url = reverse("settings-status-unknown", args=["new"])
    assert "Phishing" in text(client.get(url, {"workflow": "phish"}))
    page = text(client.post(url, {"workflow": "phish", "to.new": "open"}, follow=True))
    assert "1 incident or group moved from “New” to “Open”." in page
    assert "/parked?workflow=default" in page
    assert "/new?workflow=phish" not in page, "what was moved is counted where it is now"
    url = reverse("settings-status-unknown", args=["parked"])
    page = text(client.post(url, {"workflow": "default", "to.parked": "in_progress"}, follow=True))
    assert "1 incident or group moved from “parked” to “In Progress”." in page
    assert "Move them" not in page
    found = [(read(name)["workflow_id"], read(name)["status"]) for name in ("i1", "i2", "i3")]
    assert found == [("default", "in_progress"), ("default", "new"), ("phish", "open")]


def test_a_removed_workflow_gives_its_incidents_to_the_default_one_and_its_undo_takes_them_again(
    client: Client,
) -> None:
    store.save(WORKFLOWS, PHISHING, by="admin", revision=0)
    base = {"workflow_id": "phish"}
    stored.incidents({"i1": base | {"status": "open"}, "i2": base | {"status": "closed"}})
    client.post(reverse("settings-workflow-remove", args=["phish"]), {"revision": "1"})
    store.forget()
    assert get_workflow("phish") is None
    found = [(read(i)["workflow_id"], read(i)["status"]) for i in ("i1", "i2")]
    assert found == [("default", "new"), ("default", "closed")]
    take_back(client, "settings-workflows-undo", "workflow")
    assert get_workflow("phish") is not None
    found = [(read(i)["workflow_id"], read(i)["status"]) for i in ("i1", "i2")]
    assert found == [("phish", "open"), ("phish", "closed")]


def test_what_is_saved_while_opensearch_is_away_moves_incidents_once_it_is_back(
    client: Client, five: list[str], settings: Any
) -> None:
    stored.incidents({"v1": {"status": "verification"}})
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        page = text(client.get(reverse(SET, args=["customer"])))
        assert "not known now" in page
        page = text(client.post(reverse(SET, args=["customer"]), TO_FOUR, follow=True))
        assert "OpenSearch does not answer" in page
        assert "These incidents are moved once OpenSearch answers:" in page
        assert "“Low” → “Information”" in page
        store.forget()
        assert len(severities()) == 4
        form = workflow_form(client) | {"s.2.gone": "on"}
        refused = client.post(reverse("settings-workflow", args=["default"]), form)
        assert 'name="to.verification"' in text(refused), "nobody knows whether incidents are in it"
        page = text(
            client.post(reverse("settings-workflow", args=["default"]), form | {"to.verification": "new"}, follow=True)
        )
        assert "becomes “New” by itself once it is back" in page
        begin_moves()
        assert SettingsMove.objects.filter(task="").count() == 5
    assert levels_of(five) == SIGMA
    begin_moves()
    assert levels_of(five) == FOUR
    assert read("v1")["status"] == "new"
    assert not SettingsMove.objects.filter(task="").exists()
    page = text(client.get(reverse("settings-severities")))
    assert "These incidents are moved" not in page


def test_a_move_that_still_waits_is_forgotten_when_its_change_is_taken_back(
    client: Client, five: list[str], settings: Any
) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        client.post(reverse(SET, args=["customer"]), TO_FOUR)
        take_back(client, UNDO, "severity")
    begin_moves()
    assert levels_of(five) == SIGMA
    assert [level.name for level in severities()] == SIGMA[::-1]

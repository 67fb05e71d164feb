"""The settings page of grouping rules over HTTP: who opens it, what it saves, refuses, tries, orders and takes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.grouping import engine
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents.times import to_iso
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from imweb.web.settings_pages import grouping_form
from tests import stored
from tests.integration.pits_ground import servers

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
FORM: dict[str, Any] = {
    "name": "same-host",
    "title": "Same host",
    "enabled": "on",
    "filter": "severity:>=medium",
    "comparison": ["entities.host", "", ""],
    "window": "fixed",
    "length": "2",
    "unit": "hours",
    "minimum": "2",
    "look_back": "3660",
    "function_name": ["users", ""],
    "function": ["distinct", "count"],
    "function_field": ["entities.user", ""],
    "group_title": "{incidents_count} on {comparison.host} by {function.users}",
    "group_description": "",
    "severity": "highest",
    "reviewer": "",
    "additional": "source\n",
    "revision": "0",
}
NEW = "settings-grouping-new"


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


def rule(name: str = "same-host") -> GroupingRule:
    return store.get(RULES, name, fresh=True).value


def names() -> list[str]:
    return [item.value.name for item in store.items(RULES, fresh=True)]


def text(answer: Any) -> str:
    found: str = answer.content.decode()
    return found.replace("&#x27;", "'").replace("&#39;", "'").replace("&quot;", '"')


@pytest.mark.parametrize("url_name", ["settings-grouping", NEW])
def test_only_an_administrator_opens_the_pages(client: Client, analyst: User, lead: User, url_name: str) -> None:
    assert client.get(reverse(url_name)).status_code == 200
    for user in (analyst, lead):
        other = Client()
        other.force_login(user)
        assert other.get(reverse(url_name)).status_code == 403
        assert other.post(reverse(NEW), FORM).status_code == 403
    assert names() == []


def test_a_rule_is_saved_as_typed_groups_and_is_listed_with_what_stands(client: Client) -> None:
    stored.incidents({f"i{n}": {"entities": {"host": ["h1"]}, "severity": "high"} for n in range(3)})
    assert client.post(reverse(NEW), FORM).status_code == 302
    saved = rule()
    assert (saved.window.kind, saved.window.minutes, saved.comparison) == ("fixed", 120, ("entities.host",))
    assert [(one.name, one.function, one.field) for one in saved.functions] == [("users", "distinct", "entities.user")]
    assert (saved.additional, saved.enabled, saved.and_go_on) == (("source",), True, False)
    engine.run()
    page = text(client.get(reverse("settings-grouping")))
    for shown in ("Same host", "severity:&gt;=medium", "in spans of 2 hours"):
        assert shown in page
    assert '<td class="is-num">1</td>' in page
    assert '<td class="is-num">3</td>' in page
    form = text(client.get(reverse("settings-grouping-rule", args=["same-host"])))
    assert "It has made 1 group of 3 incidents; it stays." in form
    assert "<b>4</b>" in form, "what a change touches: three incidents and their group"


def test_groups_and_incidents_of_a_rule_are_of_one_moment(client: Client) -> None:
    stored.incidents({f"i{n}": {"entities": {"host": [f"h{n % 2}"]}, "severity": "high"} for n in range(5)})
    client.post(reverse(NEW), FORM)
    assert '<td class="is-num">0</td>' in text(client.get(reverse("settings-grouping")))
    engine.run()
    # The incidents alone can be searched, as when each index shows what is new in its own time.
    gateway().refresh(schema.incidents_alias())
    (row,) = grouping_form.rows(store.items(RULES, fresh=True))
    assert (row.groups, row.incidents) == (2, 5)


def test_a_rule_without_groups_says_so_and_is_removed_under_its_title(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    page = text(client.get(reverse("settings-grouping-remove", args=["same-host"])))
    assert '<li aria-current="page">Same host</li>' in page
    assert "It has made no groups." in page
    stored.group("g1", {"m1": {}, "m2": {}}, incident_aggregation_id="same-host")
    stored.group("g2", {"m3": {}, "m4": {}}, incident_aggregation_id="same-host")
    page = text(client.get(reverse("settings-grouping-remove", args=["same-host"])))
    assert "It has made 2 groups of 4 incidents; they stay." in page


def test_the_list_says_how_much_is_waiting_to_be_grouped(client: Client) -> None:
    engine.run()
    url = reverse("settings-grouping")
    assert "waiting to be grouped" not in text(client.get(url))
    stored.incidents({"i0": {}})
    assert "1 new or changed incident is waiting to be grouped." in text(client.get(url))
    stored.incidents({"i1": {}, "i2": {}})
    assert "Up to 3 new or changed incidents are waiting to be grouped." in text(client.get(url))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"filter": "severity:high and hots:x"}, 'there is no field "hots"'),
        ({"comparison": ["entities.hots"], "group_title": "x"}, "did you mean 'entities.host'"),
        ({"comparison": [""]}, "at least 1 item"),
        ({"group_title": "{comparison.user}"}, "{comparison.user} is unknown; use {incidents_count}"),
        ({"length": "soon"}, "valid integer"),
        ({"minimum": "0"}, "greater than or equal to 1"),
        ({"window": "sliding"}, "'fixed' or 'open'"),
        ({"severity": "terrible"}, "'highest', or one of the levels"),
        ({"reviewer": "nobody"}, "there is no user named 'nobody'"),
        ({"function_field": ["title", ""], "function": ["sum", "count"]}, "cannot be used here"),
        ({"name": "Same Host"}, "takes small letters, digits, _ and -; it begins with a letter and has at most 64"),
        ({"unit": "fortnights", "length": "99999999"}, "less than or equal to"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_the_reason_and_nothing_typed_is_lost(
    client: Client, changes: dict[str, Any], reason: str
) -> None:
    answer = client.post(reverse(NEW), FORM | changes)
    assert answer.status_code == 400
    assert reason in text(answer)
    assert 'value="Same host"' in text(answer)
    assert names() == []


def test_a_fault_in_the_filter_is_pointed_at(client: Client) -> None:
    page = text(client.post(reverse("settings-grouping-check"), FORM | {"filter": "severity:high and hots:x"}))
    assert "severity:high and <mark>h</mark>ots:x" in page
    assert "<b>Filter</b>: there is no field" in page, "as the form calls it"


def test_the_check_says_what_the_rule_would_do_and_how_many_match(client: Client) -> None:
    stored.incidents({"i1": {"severity": "high"}, "i2": {"severity": "low"}})
    page = text(client.post(reverse("settings-grouping-check"), FORM))
    assert "with the same Host go together in spans of 2 hours, once there are 2." in page
    assert "<b>1</b> incident matches the filter now." in page
    assert "{function.users}" in page


def test_trying_shows_the_groups_of_the_last_day_and_writes_nothing(client: Client) -> None:
    import time
    from datetime import UTC

    now = to_iso(int(time.time() * 1000) - 60_000, UTC)
    fields = {"@timestamp": now, "entities": {"host": ["h1"], "user": ["u"]}, "severity": "high"}
    stored.incidents({"i1": fields, "i2": fields, "i3": {**fields, "entities": {"host": ["h2"]}}})
    for htmx in (True, False):
        headers = {"HX-Request": "true"} if htmx else {}
        answer = client.post(reverse("settings-grouping-try"), FORM, headers=headers)
        page = text(answer)
        assert answer.status_code == 200
        assert "2 on h1 by 1" in page
        assert "1 groups, and 1 stand alone" in page
        assert ("<html" in page) is not htmx
    bad = client.post(reverse("settings-grouping-try"), FORM | {"filter": "("}, headers={"HX-Request": "true"})
    assert "It could not be tried." in text(bad)
    assert names() == []
    assert gateway().count({"match_all": {}}, index=schema.aggregations_alias()) == 0


def test_order_search_rest_and_undo(client: Client) -> None:
    for name in ("one", "two", "three"):
        client.post(reverse(NEW), FORM | {"name": name, "title": name.title()})
    client.post(reverse("settings-grouping-order"), {"move": "three:up"})
    assert names() == ["one", "three", "two"]
    client.post(reverse("settings-grouping-order"), {"order": ["two", "one", "three"]}, headers={"HX-Request": "true"})
    assert names() == ["two", "one", "three"]
    last = Change.objects.first()
    assert last is not None
    client.post(reverse("settings-grouping-undo"), {"change": last.pk})
    assert names() == ["one", "three", "two"]
    found = text(client.get(reverse("settings-grouping"), {"q": "thr"}))
    assert 'data-name="three"' in found
    assert 'data-name="one"' not in found
    assert "data-order" not in found, "a part of the list has no order"
    client.post(reverse("settings-grouping-switch", args=["one"]), {"revision": 1})
    assert rule("one").enabled is False
    stale = client.post(reverse("settings-grouping-switch", args=["one"]), {"revision": 1}, follow=True)
    assert "changed 'one' meanwhile" in text(stale)
    assert client.get(reverse("settings-grouping-remove", args=["one"])).status_code == 200
    client.post(reverse("settings-grouping-remove", args=["one"]), {"revision": 2})
    assert names() == ["three", "two"]
    last = Change.objects.first()
    assert last is not None
    client.post(reverse("settings-grouping-undo"), {"change": last.pk})
    assert rule("one").enabled is False


def test_the_second_administrator_is_told_who_changed_what_and_loses_nothing(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    url = reverse("settings-grouping-rule", args=["same-host"])
    store.save(RULES, RULES.stored(rule()) | {"minimum": 5}, by="other", revision=1)
    answer = client.post(url, FORM | {"title": "Mine", "revision": "1"})
    page = text(answer)
    assert answer.status_code == 409
    assert "other changed 'same-host' meanwhile" in page
    assert "Smallest group" in page
    assert 'value="Mine"' in page
    assert rule().minimum == 5
    assert client.post(url, FORM | {"title": "Mine", "revision": "2"}).status_code == 302
    assert (rule().title, rule().minimum) == ("Mine", 2)


def test_the_list_says_what_has_become_wrong_with_a_rule(client: Client, lead: User) -> None:
    client.post(reverse(NEW), FORM | {"reviewer": "lead"})
    assert "im-error" not in text(client.get(reverse("settings-grouping")))
    lead.is_active = False
    lead.save()
    store.save(RULES, RULES.stored(rule()) | {"filter": "hots:x"}, by="a file of before")
    page = text(client.get(reverse("settings-grouping")))
    assert "Reviewer: there is no user named 'lead'" in page
    assert 'Filter: there is no field "hots"' in page


def test_a_name_that_is_taken_is_refused(client: Client) -> None:
    client.post(reverse(NEW), FORM)
    answer = client.post(reverse(NEW), FORM | {"title": "Another"})
    assert answer.status_code == 400
    assert "there is a rule of this name already" in text(answer)
    assert client.get(reverse("settings-grouping-rule", args=["nothing"])).status_code == 404


def test_a_rule_is_saved_while_opensearch_is_away_and_the_page_says_so(client: Client, settings: Any) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        assert client.post(reverse(NEW), FORM).status_code == 302
        page = text(client.get(reverse("settings-grouping")))
        assert "OpenSearch does not answer. Rules can be saved" in page
        assert "Same host" in page
        tried = client.post(reverse("settings-grouping-try"), FORM, headers={"HX-Request": "true"})
        assert tried.status_code == 200
        assert "Nothing was written" not in text(tried)
        assert "OpenSearch" in text(tried)
    stored.incidents({f"i{n}": {"entities": {"host": ["h1"]}, "severity": "high"} for n in range(2)})
    assert engine.run().joined == 2

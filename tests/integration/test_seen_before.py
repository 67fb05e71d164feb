"""What was seen before, on the host and by the user, and the way from a row to those like it."""

from __future__ import annotations

import html as entities
import re
import time
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import Role, User
from imweb.incidents import insights, services
from imweb.incidents.documents import iso
from tests import stored
from tests.stored import at

LIST = "/incidents/?start=2025-11-01&end=2025-12-31&mode=incidents"


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


@pytest.fixture
def seen(indices: None) -> None:
    """One rule: four times on WS-1 by three users, twice by ann elsewhere, once by ann without a host."""

    def fired(user: str, host: str = "", **more: Any) -> dict[str, Any]:
        places = {"user": user} | ({"host": host} if host else {})
        return {"@timestamp": at(0), "rule": {"id": "7", "name": "Rule"}, "entities": places, **more}

    stored.incidents(
        {
            "a": fired("ann", "WS-1"),
            "b": fired("bob", "WS-1", status="closed", resolution="benign"),
            "c": fired("bob", "WS-1", status="closed", resolution="benign"),
            "d": fired("eve", "WS-1", status="closed", resolution="false_positive"),
            "e": fired("ann", "WS-2", status="closed", resolution="true_positive"),
            "f": fired("ann", "WS-3"),
            "g": fired("ann"),
            "h": {**fired("ann", "WS-1"), "rule": {"id": "8", "name": "Other"}},
            "old": fired("ann", "WS-1", **{"@timestamp": at(-40 * 86_400)}),
        }
    )


def test_the_same_rule_is_counted_on_the_host_and_by_the_user(seen: None, lead: User) -> None:
    actor = actor_of(lead)
    docs = [services.get_document(actor, "incident", name) for name in ("a", "b", "g", "h")]
    found = insights.seen_before(actor, docs, stored.NOW + 1_000)
    said = {key: [(item.by, item.count, item.resolutions) for item in known] for key, known in found.items()}
    assert said == {
        "incident/a": [("host", 3, {"benign": 2, "false_positive": 1}), ("user", 3, {"true_positive": 1})],
        # Its own verdict does not count.
        "incident/b": [("host", 3, {"benign": 1, "false_positive": 1}), ("user", 1, {"benign": 1})],
        # Without a host only the user is the same.
        "incident/g": [("user", 3, {"true_positive": 1})],
    }


def test_the_user_is_not_counted_for_whom_he_is_hidden(seen: None, lead: User) -> None:
    role = Role.objects.get(users=lead)
    role.hidden_fields = ["entities.user"]
    role.save()
    actor = actor_of(User.objects.get(pk=lead.pk))
    doc = services.get_document(actor, "incident", "a")
    assert [item.by for item in insights.seen_before(actor, [doc], stored.NOW + 1_000)[doc.key]] == ["host"]


def test_a_row_leads_to_those_like_it_in_the_same_time(client: Client, seen: None) -> None:
    page = client.get(f"{LIST}&severity=medium&q=Suspicious").content.decode()
    ways = {}
    for line in re.findall(r'<tr data-key=".*?</tr>', page, re.S):
        key = re.findall(r'data-key="incident/(\w+)"', line)[0]
        ((url, label),) = re.findall(r'class="im-similar" href="([^"]*)" title="([^"]*)"', line)
        ways[key] = (entities.unescape(url), label)
    assert ways["a"][1] == "Similar: same rule, same host"
    assert ways["g"][1] == "Similar: same rule, same user"
    rows = re.findall(r'<tr data-key="incident/(\w+)"', client.get(ways["a"][0]).content.decode())
    assert sorted(rows) == ["a", "b", "c", "d"]
    rows = re.findall(r'<tr data-key="incident/(\w+)"', client.get(ways["g"][0]).content.decode())
    assert sorted(rows) == ["a", "e", "f", "g"]


def test_the_card_says_both_and_offers_the_same_verdict(client: Client, indices: None) -> None:
    now = iso(int(time.time() * 1000))
    same = {"@timestamp": now, "rule": {"id": "7", "name": "Rule"}, "entities": {"host": "WS-1", "user": "ann"}}
    ended = {"status": "closed", "resolution": "benign"}
    stored.incidents({"a": same, "b": {**same, **ended}, "c": {**same, **ended}})
    page = client.get("/incidents/a/").content.decode()
    assert "this rule on this host 2 × in 30 days, 2 benign" in page
    assert "this rule by this user 2 × in 30 days, 2 benign" in page
    assert "Same verdict: benign" in page
    assert "Similar in 30 days" in page

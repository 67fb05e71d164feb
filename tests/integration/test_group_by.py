"""The list folded by a field: exact counts in the frozen set, each group's rows, and whole groups changed in bulk."""

from __future__ import annotations

import html as entities
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from imweb.accounts.models import Role, User
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import stored
from tests.stored import at

LIST = "/incidents/?start=2025-11-01&end=2025-12-31"
LEVELS = ["critical", "high", "medium", "low"]


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


@pytest.fixture
def detections(indices: None) -> None:
    """Forty incidents on five hosts, every eighth without one; a group of four whose members are all on WS-9."""
    CustomField.objects.create(name="score", label="Score", type="number")
    CustomField.objects.create(name="ticket", label="Ticket", type="text")
    apply_custom_fields()
    stored.incidents({f"i{n:02}": _incident(n) for n in range(40)})
    members = {f"m{n}": _incident(n) | {"entities": {"host": "WS-9"}, "severity": "critical"} for n in range(4)}
    stored.group("result-1", members, severity="low", title="A group", entities={"host": ["WS-9"]})


def _incident(number: int) -> dict[str, Any]:
    return {
        "@timestamp": at(-60 * number),
        "title": f"Detection {number:02}",
        "severity": LEVELS[number % 4],
        "rule": {"id": "7", "name": "Rule *"},
        "score": -0.0 if number % 2 else 2.5,
        "ticket": ["INC-*", "INC-1", "inc-1"][number % 3],
        "entities": {} if number % 8 == 7 else {"host": f"WS-{number % 5}", "user": "ann"},
    }


def _groups(client: Client, query: str) -> dict[str, tuple[int, str]]:
    """Return what the page shows: the groups' names with their counts and the addresses of their rows."""
    answer = client.get(f"{LIST}&{query}")
    assert answer.status_code == 200, answer.content.decode()[-600:]
    found = {}
    for line in re.findall(r'<tr class="im-fold">.*?</tr>', answer.content.decode(), re.S):
        name = re.search(r'class="im-fold-value[^>]*>(.*?)</span>', line, re.S)
        link = re.search(r'class="im-count" href="([^"]*)"[^>]*>.*?</svg>([\d,]+)</a>', line, re.S)
        assert name, line
        assert link, line
        found[entities.unescape(name[1])] = (int(link[2].replace(",", "")), entities.unescape(link[1]))
    return found


def _keys(page: str) -> list[str]:
    return re.findall(r'<tr data-key="([^"]+)"', page)


def test_groups_count_every_row_once_and_lead_to_exactly_their_rows(client: Client, detections: None) -> None:
    found = _groups(client, "mode=all&group_by=entities.host")
    assert {name: count for name, (count, _url) in found.items()} == {
        "WS-0": 7, "WS-1": 7, "WS-2": 7, "WS-3": 7, "WS-4": 7, "WS-9": 5, "no host": 5,
    }  # fmt: skip
    # What came later belongs to none of them: the links stay in the frozen set.
    stored.incidents({"later": _incident(0)})
    for name, (count, url) in found.items():
        page = client.get(url).content.decode()
        assert len(_keys(page)) == count, name
        assert "group_by" not in url
        assert f"<b>{count} rows</b>" in page


def test_a_part_of_a_grouped_list_brings_no_hidden_member_out(client: Client, detections: None) -> None:
    # The group is low, its members are critical and stand behind it.
    found = _groups(client, "group_by=severity")
    assert {name: count for name, (count, _url) in found.items()} == {
        "Critical": 10, "High": 10, "Medium": 10, "Low": 11,
    }  # fmt: skip
    assert len(_keys(client.get(found["Critical"][1]).content.decode())) == 10


@pytest.mark.parametrize(
    ("field", "groups"),
    [
        ("ticket", {"INC-*": 14, "INC-1": 13, "inc-1": 13}),
        ("score", {"0": 20, "2.5": 20}),
        ("reviewer", {"nobody": 40}),
        ("rule", {"Rule *": 40}),
    ],
)
def test_values_are_themselves_and_no_patterns(
    client: Client, detections: None, field: str, groups: dict[str, int]
) -> None:
    found = _groups(client, f"mode=incidents&not.entities.host=WS-9&group_by={field}")
    assert {name: count for name, (count, _url) in found.items()} == groups
    for count, url in found.values():
        assert f"<b>{count} rows</b>" in client.get(url).content.decode()


def test_a_group_opens_in_place_and_pages_count_groups(client: Client, indices: None) -> None:
    stored.incidents({f"i{n:03}": {**_incident(n), "source": f"s{n // 2:02}"} for n in range(60)})
    page = client.get(f"{LIST}&group_by=source").content.decode()
    assert "<b>30 groups</b>" in page
    assert page.count('class="im-fold"') == 25
    following = re.findall(r'<a href="([^"]*)" data-next', page)[0].replace("&amp;", "&")
    second = client.get(following).content.decode()
    assert re.findall(r"im-fold-value[^>]*>(s\d\d)<", second) == ["s25", "s26", "s27", "s28", "s29"]
    opened = re.findall(r'hx-get="(/incidents/list/fold[^"]*)"', second)[0].replace("&amp;", "&")
    rows = client.get(opened, headers={"HX-Request": "true"}).content.decode()
    assert _keys(rows) == ["incident/i050", "incident/i051"]
    assert client.get(opened).status_code == 302, "without a script it is the list of them"


def test_ticked_groups_are_changed_whole_and_nothing_else(client: Client, detections: None) -> None:
    page = client.get(f"{LIST}&mode=all&group_by=entities.host").content.decode()
    following = entities.unescape(re.findall(r'id="fold-form".*?name="next" value="([^"]*)"', page, re.S)[0])
    stored.incidents({"later": _incident(1)})
    form = client.post("/incidents/list/fold/change", {"next": following, "fold": ["WS-1", "~"]}).content.decode()
    assert "Change 12 rows" in form
    hidden = dict(re.findall(r'name="(next|scope|keys|total)" value="([^"]*)"', form))
    posted = {name: entities.unescape(value) for name, value in hidden.items()}
    client.post("/incidents/bulk/", posted | {"set.reviewer": "kim", "step": "apply"})
    stood = gateway().mget([(schema.incidents_alias(), f"i{n:02}") for n in range(40)])
    changed = {n for n, doc in enumerate(stood) if doc and doc.source.get("reviewer") == "kim"}
    assert changed == {n for n in range(40) if n % 8 == 7 or n % 5 == 1}
    (later,) = gateway().mget([(schema.incidents_alias(), "later")])
    assert later
    assert not later.source.get("reviewer")


def test_what_cannot_be_grouped_by_is_refused_by_name(client: Client, detections: None, lead: User) -> None:
    answer = client.get(f"{LIST}&group_by=hots")
    assert answer.status_code == 400
    assert "is no field" in entities.unescape(answer.content.decode())
    assert client.get(f"{LIST}&group_by=description").status_code == 400
    assert client.get(f"{LIST}&is.hots=x").status_code == 400
    role = Role.objects.get(users=lead)
    role.hidden_fields = ["entities.user"]
    role.save()
    for query in ("group_by=entities.user", "group_by=user", "is.entities.user=ann"):
        answer = client.get(f"{LIST}&{query}")
        assert answer.status_code == 400, query
        assert "is no field" in entities.unescape(answer.content.decode())


def test_an_exact_part_survives_its_chip_being_turned(client: Client, detections: None) -> None:
    url = _groups(client, "mode=incidents&group_by=ticket")["INC-*"][1]
    assert parse_qs(urlsplit(url).query)["is.ticket"] == ["INC-*"]
    page = client.get(url).content.decode()
    turned = re.findall(r'<a href="([^"]*)" title="Invert"', page)[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(turned).query)["not.is.ticket"] == ["INC-*"]
    assert "<b>28 rows</b>" in client.get(turned).content.decode()

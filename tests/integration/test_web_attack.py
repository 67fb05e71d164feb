"""The ATT&CK matrix against a plain count over the same documents, and what each of its links leads to."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import Role, User
from imweb.audit import trail
from imweb.incidents import mitre
from imweb.incidents.figures import attack as attack_module
from imweb.incidents.figures import walking
from imweb.opensearch.node import free_port
from tests import stored
from tests.integration.pits_ground import servers
from tests.stored import at

WINDOW = "start=2025-11-01&end=2025-12-31"
IDS = ["TA0002", "T1059", "T1059.001", "T1059.003", "t1059.001", "T1053.005", "T1562.001", "T9999", "execution"]
TAGGED = "T1059", "T1059.001", "T1059.003", "t1059.001"


class Cells(HTMLParser):
    """What stands in each cell by its id: its number as text and where it leads; and the words of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: dict[str, tuple[str, str]] = {}
        self.words: list[str] = []
        self._id = self._url = ""
        self._bold = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "li" and found.get("data-id"):
            self._id = str(found["data-id"])
        elif tag == "a" and self._id and self._id not in self.cells:
            self._url = str(found.get("href"))
        self._bold = tag == "b"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())
            if self._bold and self._id and self._id not in self.cells:
                self.cells[self._id] = (data.strip(), self._url)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(7)
    return {
        f"i{number}": {
            "@timestamp": at(-600 * number),
            "mitre": chance.sample(IDS, chance.randrange(6)),
            "entities": {"host": chance.sample(["A", "B", "C", "D"], chance.randrange(3))},
            "severity": chance.choice(["high", "low"]),
        }
        for number in range(300)
    }


@pytest.fixture
def documents(indices: None) -> dict[str, dict[str, Any]]:
    """Three hundred incidents, and a group whose union of ids must not be counted beside its members'."""
    made = _documents()
    stored.incidents(made)
    member = {"@timestamp": at(-5), "mitre": ["T1190"], "severity": "high", "entities": {"host": "Z"}}
    stored.group("g1", {"m1": member}, mitre=["T1190", "T1059"], severity="high")
    return {**made, "m1": member}


@pytest.fixture
def client(analyst: User) -> Client:
    client = Client()
    client.force_login(analyst)
    return client


def _with(documents: dict[str, dict[str, Any]], ids: Iterable[str]) -> list[dict[str, Any]]:
    wanted = set(ids)
    return [doc for doc in documents.values() if wanted & set(doc["mitre"])]


def _listed(client: Client, url: str) -> int:
    """Return how many rows the list at an address has."""
    page = client.get(url)
    assert page.status_code == 200, url
    found = re.search(r"<b>([\d,]+) rows?</b>", page.content.decode())
    assert found, url
    return int(found[1].replace(",", ""))


def test_each_cell_counts_what_a_plain_count_does_and_leads_there(
    client: Client, documents: dict[str, dict[str, Any]]
) -> None:
    page = Cells(client.get(f"/attack/?{WINDOW}").content.decode())
    expected = {
        "T1059": len(_with(documents, TAGGED)),
        "T1059.001": len(_with(documents, ["T1059.001", "t1059.001"])),
        "T1059.003": len(_with(documents, ["T1059.003"])),
        "T1053": len(_with(documents, ["T1053.005"])),
        "T1053.005": len(_with(documents, ["T1053.005"])),
        "T1190": 1,
        "T1562.001": len(_with(documents, ["T1562.001"])),
        "T9999": len(_with(documents, ["T9999"])),
    }
    counted = {key: int(number) for key, (number, _url) in page.cells.items() if key in expected}
    assert counted == expected
    assert {key: _listed(client, url) for key, (_number, url) in page.cells.items() if key in expected} == expected
    assert "301 incidents" in page.text
    assert f"{sum(bool(doc['mitre']) for doc in documents.values())} with ATT&CK ids" in page.text
    assert "unknown id" in page.text
    assert "retired, now T1685" in page.text


def test_hosts_are_counted_once_each_also_over_sub_techniques(
    client: Client, documents: dict[str, dict[str, Any]]
) -> None:
    page = Cells(client.get(f"/attack/?{WINDOW}&by=hosts&severity=high").content.decode())
    high = {key: doc for key, doc in documents.items() if doc["severity"] == "high"}
    for key, ids in (("T1059", TAGGED), ("T1053.005", ["T1053.005"]), ("T9999", ["T9999"])):
        hosts = {host for doc in _with(high, ids) for host in doc["entities"]["host"]}
        assert int(page.cells[key][0]) == len(hosts), key
    assert "severity=high" in page.cells["T1059"][1]


def test_a_cell_keeps_a_technique_that_is_filtered_by(client: Client, documents: dict[str, dict[str, Any]]) -> None:
    page = Cells(client.get(f"/attack/?{WINDOW}&mitre=T9999&q=severity:high").content.decode())
    both = [doc for doc in _with(documents, ["T9999"]) if doc["severity"] == "high"]
    expected = len([doc for doc in both if set(doc["mitre"]) & {"T1059.003"}])
    number, url = page.cells["T1059.003"]
    assert (int(number), _listed(client, url)) == (expected, expected)
    assert expected


def test_everything_shows_the_whole_matrix_and_what_is_open_stays_in_links(
    client: Client, documents: dict[str, dict[str, Any]]
) -> None:
    html = client.get(f"/attack/?{WINDOW}&techniques-shown=all&sub-techniques=open").content.decode()
    known = {row.technique.id for column in mitre.matrix() for row in column.rows}
    drawn = set(re.findall(r'class="im-technique" data-id="([^"]+)"', html))
    assert drawn == known
    assert "<details open>" in html
    hosts = re.search(r'href="(/attack/\?[^"]*by=hosts[^"]*)"', html)
    assert hosts
    query = parse_qs(urlsplit(hosts[1].replace("&amp;", "&")).query)
    assert (query["techniques-shown"], query["sub-techniques"]) == (["all"], ["open"])


def test_the_layer_is_what_navigator_reads(client: Client, documents: dict[str, dict[str, Any]]) -> None:
    answer = client.get(f"/attack/layer?{WINDOW}")
    assert answer["Content-Disposition"].startswith('attachment; filename="attack-layer-')
    layer = answer.json()
    # https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md
    assert set(layer["versions"]) == {"attack", "navigator", "layer"}
    assert layer["versions"]["layer"] == "4.5"
    assert tuple(int(part) for part in layer["versions"]["navigator"].split(".")) >= (4, 9, 0)
    assert layer["domain"] == "enterprise-attack"
    assert isinstance(layer["name"], str)
    assert layer["name"] == "Incidents from 2025-11-01 00:00 to 2025-12-31 23:59"
    assert layer["gradient"]["maxValue"] > layer["gradient"]["minValue"]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", color) for color in layer["gradient"]["colors"])
    assert layer["layout"]["layout"] in ("side", "flat", "mini")
    assert layer["layout"]["aggregateFunction"] in ("average", "min", "max", "sum")
    allowed = {"techniqueID", "tactic", "comment", "enabled", "score", "color", "metadata", "links"}
    for item in layer["techniques"]:
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", item["techniqueID"])
        assert set(item) <= allowed | {"showSubtechniques"}
        assert isinstance(item["score"], int)
        known = mitre.technique(item["techniqueID"])
        assert known
        assert not known.retired
    scores = {item["techniqueID"]: item["score"] for item in layer["techniques"]}
    assert scores["T1059"] == len(_with(documents, TAGGED)) == layer["gradient"]["maxValue"]
    assert set(scores) == {"T1059", "T1059.001", "T1059.003", "T1053", "T1053.005", "T1190"}
    others = {item["name"].rpartition(" ")[2]: item["value"] for item in layer["metadata"]}
    assert others["T9999"] == str(len(_with(documents, ["T9999"])))


def test_a_layer_taken_away_stands_in_the_audit_trail(client: Client, documents: Any, administrator: User) -> None:
    trail.ensure_index()
    before = datetime.now(UTC).isoformat()
    assert client.get(f"/attack/layer?{WINDOW}&q=severity:high").status_code == 200
    kept = trail.entries(actor_of(administrator), trail.Wanted(kind="export", user="analyst")).entries
    new = [entry for entry in kept if entry.target == "attack.layer" and entry.at >= before]
    assert [entry.details["asked"]["q"] for entry in new] == [["severity:high"]]


def test_more_hosts_than_can_be_counted_are_refused_not_guessed(
    client: Client, documents: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attack_module, "MAX_PAIRS", 3)
    answer = client.get(f"/attack/?{WINDOW}&by=hosts")
    assert answer.status_code == 400
    assert "more than 3 pairs of technique and host" in Cells(answer.content.decode()).text
    monkeypatch.setattr(walking, "PAGE", 2)
    monkeypatch.setattr(attack_module, "MAX_PAIRS", 1_000)
    small = Cells(client.get(f"/attack/?{WINDOW}&by=hosts").content.decode())
    monkeypatch.setattr(walking, "PAGE", 10_000)
    assert small.cells == Cells(client.get(f"/attack/?{WINDOW}&by=hosts").content.decode()).cells


def _refused(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 400, url
    return Cells(answer.content.decode()).text


def test_mistakes_name_their_place_and_keep_the_text(client: Client, documents: Any) -> None:
    answer = client.get("/attack/?q=severity:(")
    assert answer.status_code == 400
    html = answer.content.decode()
    assert 'value="severity:("' in html
    assert 'id="q-error"' in html
    assert "no_such" in _refused(client, "/attack/?no_such=1")
    assert "From" in _refused(client, "/attack/?start=yesterdayish")
    moved = client.get("/attack/?add=severity&value=high&by=hosts")
    assert (moved.status_code, moved["Location"]) == (302, "/attack/?severity=high&by=hosts")
    # A value that the page does not know is as if it were not there.
    assert client.get(f"/attack/?{WINDOW}&by=moons").status_code == 200


def test_nothing_seen_says_so_and_offers_a_way_on(client: Client, documents: Any) -> None:
    text = Cells(client.get("/attack/?start=2020-01-01&end=2020-01-02").content.decode()).text
    assert "No incident in this time" in text
    assert "Last 30 days" in text


def test_opensearch_down_is_said_in_place_and_in_a_toast(client: Client, documents: Any, settings: Any) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        page = client.get(f"/attack/?{WINDOW}")
        assert page.status_code == 503
        assert "The search does not answer" in page.content.decode()
        assert "im-query" in page.content.decode()
        part = client.get(f"/attack/?{WINDOW}", headers={"HX-Request": "true", "HX-Target": "view"})
        assert (part.status_code, part["HX-Retarget"]) == (503, "#toasts")


def test_hosts_hidden_by_a_role_are_not_counted(documents: Any) -> None:
    role = Role.objects.create(name="less", permissions=["incident.view"], hidden_fields=["entities.host"])
    user = User.objects.create_user("lars")
    user.roles.set([role])
    client = Client()
    client.force_login(user)
    page = client.get(f"/attack/?{WINDOW}").content.decode()
    assert "by=hosts" not in page
    assert "T1059" in page
    assert "hosts are hidden" in _refused(client, f"/attack/?{WINDOW}&by=hosts")


@pytest.mark.parametrize(("path", "needed"), [("/attack/", "incident.view"), ("/attack/layer", "incident.export")])
def test_the_permission_is_asked_for(indices: None, path: str, needed: str) -> None:
    def of(*permissions: str) -> Client:
        role = Role.objects.create(name="-".join(permissions) or "none", permissions=list(permissions))
        user = User.objects.create_user(role.name)
        user.roles.set([role])
        client = Client()
        client.force_login(user)
        return client

    assert Client().get(path).status_code == 302
    both = ("incident.view", "incident.export")
    assert of(*(name for name in both if name != needed)).get(path).status_code == 403
    assert of(*both).get(path).status_code == 200


def test_an_htmx_swap_carries_the_view_and_its_address(client: Client, documents: Any) -> None:
    answer = client.get(f"/attack/?{WINDOW}&by=hosts", headers={"HX-Request": "true", "HX-Target": "view"})
    html = answer.content.decode()
    assert answer["HX-Push-Url"].startswith("/attack/?start=2025-11-01")
    assert "<title>ATT&amp;CK matrix" in html
    assert "<nav" not in html
    assert 'id="view"' in html

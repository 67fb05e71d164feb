"""The statistics against a plain evaluation of the same documents, and what each of their links leads to."""

from __future__ import annotations

import itertools
import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.errors import QueryRejected, SearchTimeout
from imweb.incidents import pits
from imweb.incidents.access import ACCESS_FIELDS
from imweb.incidents.documents import iso, new_source
from imweb.incidents.figures import durations as durations_module
from imweb.incidents.figures import statistics as statistics_module
from imweb.incidents.figures import tops as tops_module
from imweb.incidents.figures.attack import attack_figures
from imweb.incidents.figures.durations import SHOWN
from imweb.incidents.figures.statistics import AGES, OVER, Statistics, statistics
from imweb.incidents.figures.tops import Top, Value
from imweb.incidents.params import Filters
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from tests import stored
from tests.integration.pits_ground import servers

NOW = int(time.time() * 1000) // 1000 * 1000
HOUR, DAY = 3_600_000, 86_400_000
LEVELS = ["critical", "high", "medium", "low", "odd"]
STATUSES = ["new", "in_progress", "closed", "rejected", "unheard_of"]
ENDS = {"closed", "rejected"}
VERDICTS = ["true_positive", "false_positive", "benign"]
TACTICS = ["TA0001", "TA0002", "TA0003"]
Doc = dict[str, Any]


def _one(chance: random.Random, number: int) -> Doc:
    status = chance.choice(STATUSES)
    came = NOW - chance.randrange(60 * DAY)
    found: Doc = {
        "@timestamp": iso(came - chance.randrange(60_000)),
        "title": f"Incident {number}",
        "status": status,
        "rule": {"id": "r", "name": f"Rule {min(int(chance.expovariate(0.25)), 15)}"},
        "entities": {"host": chance.sample(["A", "B", "C"], chance.randrange(3))},
        "mitre": [*chance.sample(TACTICS, chance.randrange(3)), "T1059"],
        "source": chance.choice(["IT", "OT"]),
        "_created_at": came,
    }
    if chance.random() < 0.9:
        found["severity"] = chance.choice(LEVELS)
    if chance.random() < 0.5:
        found["reviewer"] = chance.choice(["ann", "bob"])
    if status != "new":
        found["_responded_at"] = came + int(math.exp(chance.uniform(0, 16))) * chance.choice([1, 1000])
    if status in ENDS:
        found["_closed_at"] = found["_responded_at"] + chance.randrange(10 * DAY)
        if chance.random() < 0.8:
            found["resolution"] = chance.choice(VERDICTS)
    return found


@pytest.fixture(scope="module")
def made() -> dict[str, Doc]:
    """Four hundred incidents of the last two months; fields with an underscore are bookkeeping."""
    chance = random.Random(11)
    return {f"s{number}": _one(chance, number) for number in range(400)}


@pytest.fixture
def documents(indices: None, made: dict[str, Doc]) -> list[Doc]:
    """The documents as they are stored, and a group that must not be counted beside its members."""
    lines: list[Doc] = []
    for doc_id, fields in made.items():
        body = {"workflow_id": "default"} | {name: value for name, value in fields.items() if name[0] != "_"}
        source = new_source("incident", doc_id, body, user="test", now_ms=NOW)
        source |= {name[1:]: iso(value) for name, value in fields.items() if name[0] == "_"}
        lines += [{"index": {"_index": schema.alias_of("incident"), "_id": doc_id}}, source]
    assert not [item for item in gateway().bulk(lines) if "error" in item["index"]]
    member = {"@timestamp": iso(NOW - 5 * DAY), "severity": "low", "rule": {"id": "m", "name": "Of a group"}}
    stored.group("g1", {"m1": member}, severity="critical", rule={"id": "m", "name": "Of a group"})
    pits.note_write(None)
    return [*made.values(), {**member, "status": "new", "title": "Suspicious logon"}]


@pytest.fixture
def client(analyst: User) -> Client:
    client = Client()
    client.force_login(analyst)
    return client


def _count(user: User, filters: Filters | None = None, over: str = "severity") -> Statistics:
    actor = actor_of(user, default_zone="Europe/Warsaw")
    return statistics(actor, filters or _window(30), over)


def _window(days: int) -> Filters:
    return Filters(start_time=NOW - days * DAY, end_time=NOW, zone="Europe/Warsaw")


def _time(doc: Doc) -> int:
    return int(datetime.fromisoformat(doc["@timestamp"]).timestamp() * 1000)


def _inside(documents: Iterable[Doc], days: int = 30) -> list[Doc]:
    return [doc for doc in documents if NOW - days * DAY <= _time(doc) <= NOW]


def _values(doc: Doc, name: str) -> set[str]:
    value: Any = doc
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    found = value if isinstance(value, list) else [] if value is None else [value]
    return {one for one in found if name != "mitre" or one.startswith("TA")}


def _ranked(documents: Iterable[Doc], name: str) -> list[Value]:
    counts = Counter(value for doc in documents for value in _values(doc, name))
    return [Value(value, count) for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _agrees(top: Top, documents: list[Doc], size: int) -> None:
    name = top.field.name
    assert list(top.values) == _ranked(documents, name)[:size], name
    shown = set(top.names())
    held = [doc for doc in documents if (_values(doc, name) or (name == "mitre" and doc.get("mitre")))]
    assert top.missing == len(documents) - len(held), name
    assert top.others == len([doc for doc in held if not _values(doc, name) & shown]), name


def test_every_count_is_what_a_plain_count_is(documents: list[Doc], analyst: User) -> None:
    found = _count(analyst)
    inside = _inside(documents)
    assert found.total == len(inside) > 100
    for name in ("severity", "status", "resolution"):
        _agrees(found.tops[name], inside, 1_000)
    for name in ("rule.name", "reviewer", "source", "entities.host", "mitre"):
        _agrees(found.tops[name], inside, 10)
    assert found.tops["rule.name"].others, "more rules than are shown"
    for rule in found.tops["rule.name"].names():
        own = [doc for doc in inside if doc["rule"]["name"] == rule]
        verdicts = [doc["resolution"] for doc in own if doc.get("resolution")]
        counted = found.tops["rule.name"].verdicts[rule]
        assert (counted.decided, counted.false_positives) == (len(verdicts), verdicts.count("false_positive"))


def test_values_that_shards_cannot_order_are_walked_to_the_same_result(
    documents: list[Doc], analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _count(analyst).tops
    monkeypatch.setattr(tops_module, "is_exact", lambda terms: False)
    assert _count(analyst).tops == usual
    monkeypatch.setattr(tops_module, "MAX_VALUES", 4)
    assert not _count(analyst).tops["rule.name"].complete


@pytest.mark.parametrize("over", OVER)
def test_bars_hold_each_incident_once(documents: list[Doc], analyst: User, over: str) -> None:
    found = _count(analyst, over=over)
    assert found.over
    inside = _inside(documents)
    assert sum(sum(item.counts) for item in found.over.series) == len(inside)
    starts = found.over.starts
    for item in found.over.series:
        if item.value is None:
            continue
        own = [_time(doc) for doc in inside if item.value in _values(doc, over)]
        ends = [*starts[1:], math.inf]
        bars = [sum(low <= at < high for at in own) for low, high in zip(starts, ends, strict=True)]
        assert list(item.counts) == bars, item.value


def test_the_backlog_is_all_that_is_open_whatever_the_time_range(documents: list[Doc], analyst: User) -> None:
    found = _count(analyst, _window(2))
    assert found.backlog
    still = [doc for doc in documents if doc["status"] not in ENDS]
    assert found.backlog.total == len(still) == sum(age.total for age in found.backlog.ages)
    assert found.backlog.nobody == len([doc for doc in still if not doc.get("reviewer")])
    edges = [-math.inf, *(hours * HOUR for hours in AGES), math.inf]
    for number, age in enumerate(found.backlog.ages):
        own = [doc for doc in still if edges[number] < found.now_ms - _time(doc) <= edges[number + 1]]
        # The first row takes what is exactly an hour old, as each row takes its lower edge in time.
        assert age.total == len(own), number
        assert age.counts == Counter(doc.get("severity", "") for doc in own)


def _nearest_rank(values: list[int], quantile: float) -> int | None:
    return sorted(values)[math.ceil(quantile * len(values)) - 1] if values else None


def test_durations_are_exact_by_nearest_rank(documents: list[Doc], analyst: User) -> None:
    found = _count(analyst, _window(60)).durations
    assert found
    inside = _inside(documents, 60)
    for measure, field in (("response", "_responded_at"), ("close", "_closed_at")):
        for level in ("", "critical", "high", "medium", "low", "informational"):
            own = [doc for doc in inside if field in doc and level in ("", doc.get("severity"))]
            took = [(doc[field] - doc["_created_at"]) // 1000 for doc in own]
            counted = found.took[measure][level]
            expected = (len(took), _nearest_rank(took, 0.5), _nearest_rank(took, 0.9))
            assert (counted.count, counted.median, counted.p90) == expected, (measure, level)
            if not level:
                edges = [-1, *SHOWN, math.inf]
                spread = [sum(low <= one < high for one in took) for low, high in itertools.pairwise(edges)]
                assert list(found.spread[measure]) == spread


def test_coarser_buckets_need_more_rounds_and_find_the_same(
    documents: list[Doc], analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _count(analyst).durations
    monkeypatch.setattr(durations_module, "BUCKETS", 7)
    assert _count(analyst).durations == usual


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (QueryRejected("cannot execute [inline] scripts"), "This cluster runs no scripts"),
        (SearchTimeout("too long"), "It took too long"),
    ],
)
def test_where_durations_cannot_be_had_the_page_says_so(
    documents: list[Doc], client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def refused(*_rest: Any) -> None:
        raise error

    monkeypatch.setattr(statistics_module, "durations", refused)
    text = _text(client.get("/statistics/?start=now-30d").content.decode())
    assert words in text
    assert "Backlog by age" in text


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


class Table(HTMLParser):
    """Every link in a table with the number that it stands beside: the cell's own, else the row's first."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str, int]] = []
        self._panel = self._url = ""
        self._row: list[tuple[str, str]] = []
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "section":
            self._panel = str(found.get("data-panel", ""))
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th"):
            self._row.append(("", ""))
        elif tag == "a" and self._row:
            self._row[-1] = (self._row[-1][0], str(found["href"]))

    def handle_data(self, data: str) -> None:
        if self._row:
            self._row[-1] = (self._row[-1][0] + data, self._row[-1][1])

    def handle_endtag(self, tag: str) -> None:
        if tag != "tr" or not self._panel:
            return
        numbers = [(text.split()[0], url) for text, url in self._row if text.strip()[:1].isdecimal()]
        for text, url in self._row[1:]:
            if url:
                self.links.append((self._panel, url, int(text.split()[0].replace(",", ""))))
        name, url = self._row[0] if self._row else ("", "")
        if url and numbers:
            self.links.append((f"{self._panel}: {name.strip()}", url, int(numbers[0][0].replace(",", ""))))
        self._row = []


def _listed(client: Client, url: str) -> int:
    page = client.get(url)
    assert page.status_code == 200, url
    found = re.search(r"<b>([\d,]+) rows?</b>", page.content.decode())
    assert found, url
    return int(found[1].replace(",", ""))


def test_each_number_leads_to_the_list_that_it_counts(client: Client, documents: list[Doc]) -> None:
    start, end = (
        datetime.fromtimestamp(at / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (NOW - 30 * DAY, NOW)
    )
    address = f"/statistics/?start={start}&end={end}&not.severity=odd&status=new&status=closed&mitre=T1059"
    links = [link for link in Table(client.get(address).content.decode()).links if not link[0].startswith("took")]
    assert {link[0].partition(":")[0] for link in links} >= {"backlog", "severity", "rule.name", "mitre", "reviewer"}
    assert {"reviewer: nobody", "mitre: only other values"} <= {link[0] for link in links}
    # One of each kind: opening all of them takes the better part of a minute.
    kinds = {link[0].split(" ")[0] + str(link[1].count("=")): link for link in links if link[2]}
    for name, url, count in kinds.values():
        assert _listed(client, url) == count, (name, url)


def test_the_chart_says_where_its_marks_lead(client: Client, documents: list[Doc]) -> None:
    html = client.get("/statistics/?start=now-30d&by=status").content.decode()
    legend = html[html.index("im-over-legend") :].partition("</ul>")[0]
    found = re.findall(r'href="([^"]+)".*?<b>([\d,]+)</b>', legend)
    assert len(found) >= 5
    for url, count in found:
        assert _listed(client, unescape(url)) == int(count), url
    bars = html[html.index("<caption") :].partition("</table>")[0]
    rows = re.findall(r'<th scope="row"><a href="([^"]+)".*?([\d,]+)</td></tr>', bars)
    for url, count in (rows[0], rows[len(rows) // 2], rows[-1]):
        assert _listed(client, unescape(url)) == int(count), url


def test_nothing_in_this_time_still_shows_the_backlog(client: Client, documents: list[Doc]) -> None:
    text = _text(client.get("/statistics/?start=2020-01-01&end=2020-01-02").content.decode())
    assert "No incident in this time" in text
    assert "Backlog by age" in text
    assert "Time to respond" not in text


def test_all_time_takes_its_window_from_the_incidents(analyst: User, documents: list[Doc]) -> None:
    found = _count(analyst, Filters(zone="Europe/Warsaw"))
    assert found.total == len(documents)
    assert (found.start_ms, found.end_ms) == (min(map(_time, documents)), max(map(_time, documents)))


def test_mistakes_and_an_outage_are_said_in_place(client: Client, documents: list[Doc], settings: Any) -> None:
    wrong = client.get("/statistics/?q=severity:(")
    assert wrong.status_code == 400
    assert 'id="q-error"' in wrong.content.decode()
    assert client.get("/statistics/?no_such=1").status_code == 400
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        page = client.get("/statistics/")
        assert page.status_code == 503
        assert "The search does not answer" in page.content.decode()


def _client_of(**fields: Any) -> Client:
    role = Role.objects.create(name="some", label="Some", **fields)
    user = User.objects.create_user("someone")
    user.roles.set([role])
    client = Client()
    client.force_login(user)
    return client


def test_the_permission_is_asked_for(indices: None) -> None:
    assert Client().get("/statistics/").status_code == 302
    assert _client_of(permissions=["incident.export"]).get("/statistics/").status_code == 403


def test_fields_hidden_by_a_role_are_in_no_figure(documents: list[Doc]) -> None:
    hidden = ["rule.name", "entities.host", "reviewer", "mitre", "severity"]
    client = _client_of(permissions=["incident.view"], hidden_fields=hidden)
    answer = client.get("/statistics/?start=now-30d")
    assert answer.status_code == 200
    html = answer.content.decode()
    assert set(re.findall(r'data-panel="([^"]+)"', html)) == {"backlog", "took", "status", "resolution", "source"}
    assert "Rule 1" not in html
    assert "nobody" not in html
    assert "Critical" not in html
    assert client.get("/statistics/?start=now-30d&by=reviewer").status_code == 200
    matrix = _text(client.get("/attack/?start=now-30d").content.decode())
    assert "ATT&CK ids are hidden from your roles" in matrix
    assert "TA0001" not in matrix


def test_hostile_text_stays_text(client: Client, indices: None) -> None:
    script = '<script>alert(1)</script>"{{7*7}}{% now %}'
    long = "x" * 5_000
    stored.incidents(
        {
            f"h{number}": {
                "@timestamp": iso(NOW - HOUR),
                "title": value,
                "rule": {"id": "r", "name": value},
                "source": value,
                "reviewer": value,
                "severity": "hi<b>gh",
                "status": "o'pen",
                "entities": {"host": value, "user": value},
                "mitre": [value, "T1059"],
            }
            for number, value in enumerate((script, "safe\u202efdp.exe", long))
        }
    )
    for address in (
        "/attack/?",
        "/attack/?by=hosts&techniques-shown=all&",
        *(f"/statistics/?by={name}&" for name in OVER),
    ):
        answer = client.get(f"{address}start=now-1d")
        assert answer.status_code == 200, address
        html = answer.content.decode()
        assert "<script>alert" not in html, address
        assert "\u202e" not in re.sub(r"%E2%80%AE", "", html), address
        assert "49" not in re.findall(r">([^<]*\{\{[^<]*)<", html), address
    layer = client.get("/attack/layer?start=now-1d").json()
    assert any(script in item["name"] for item in layer["metadata"])


def test_a_row_filter_holds_in_every_figure(documents: list[Doc]) -> None:
    store.forget()
    store.save(ACCESS_FIELDS, {"name": "source"}, by="test")
    try:
        role = Role.objects.create(name="ot", permissions=["incident.view"], row_filter="source:OT")
        user = User.objects.create_user("olga")
        user.roles.set([role])
        found = _count(user)
        own = [doc for doc in documents if doc.get("source") == "OT"]
        inside = _inside(own)
        assert found.total == len(inside)
        for name in ("severity", "rule.name", "source", "entities.host"):
            _agrees(found.tops[name], inside, 1_000 if name == "severity" else 10)
        assert found.backlog
        assert found.backlog.total == len([doc for doc in own if doc["status"] not in ENDS])
        assert found.durations
        assert found.durations.took["close"][""].count == len([doc for doc in inside if "_closed_at" in doc])
        matrix = attack_figures(actor_of(user, default_zone="UTC"), _window(30))
        assert matrix.techniques["T1059"].incidents == len(inside)
    finally:
        store.forget()

"""Paging in a point in time visits each document exactly once while another process writes; without it, it does not."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from imweb.accounts.actor import actor_of
from imweb.accounts.models import ApiToken, User
from imweb.incidents import pits, services
from imweb.incidents.params import parse_listing
from imweb.incidents.registry import registry
from tests.integration.stirring import Stirrer, stirring

Json = dict[str, Any]
Fetch = Callable[[Json], Json]
DATA = Path(__file__).parents[3] / "shared/data/detections.ndjson"
SIZE = 25
DAY: Json = {"start_time": "now-1d", "end_time": "now"}
ORDERS: list[list[Json]] = [
    [{"@timestamp": "desc"}],
    [{"@timestamp": "asc"}],
    [{"severity": "desc"}],
    [{"rule.name": "asc"}],
]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not beside this repository"),
]


@pytest.fixture
def imported(indices: None) -> set[str]:
    """The ids of the 158 detections, placed in the last day."""
    from imweb.demo.importing import parse

    call_command("import_detections", DATA, rebase="now")
    return {parse(line).id for line in DATA.read_bytes().splitlines()}


@pytest.fixture
def stirrer(process_env: dict[str, str]) -> Iterator[Stirrer]:
    """Another process that writes."""
    with stirring(process_env) as found:
        yield found


@pytest.fixture
def pages(analyst: User) -> Fetch:
    """Pages from the service that both faces call."""
    actor = actor_of(analyst)
    return lambda asked: services.list_documents(actor, parse_listing(asked, registry=registry(), zone="UTC")).as_json()


@pytest.fixture
def script(live_server: Any, analyst: User) -> Iterator[Script]:
    """A script that talks to a real web server."""
    found = Script(live_server.url, analyst)
    yield found
    found.connection.close()


class Script:
    """A client with a connection of its own and a token."""

    def __init__(self, url: str, user: User) -> None:
        where = urlsplit(url)
        self.connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        _token, secret = ApiToken.issue(user, "paging")
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Json) -> Json:
        """Send a body with any method, as the contract has it."""
        self.connection.request(method, f"/_im/{path}", json.dumps(body), self.headers)
        response = self.connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        answer: Json = json.loads(content)
        return answer


def walk(fetch: Fetch, asked: Json, stirrer: Stirrer) -> list[str]:
    """Walk by offset, with writes between any two pages."""
    seen: list[str] = []
    for offset in range(0, 100 * SIZE, SIZE):
        docs = fetch({**asked, "from": offset, "size": SIZE})["docs"]
        seen += [doc["_meta"]["id"] for doc in docs]
        if len(docs) < SIZE:
            return seen
        stirrer.round()
    pytest.fail("the list has no end")


def walk_on(fetch: Fetch, asked: Json, stirrer: Stirrer) -> list[str]:
    """Walk by cursor, with writes between any two pages."""
    seen: list[str] = []
    cursor = None
    for _page in range(100):
        page = fetch({**asked, "size": SIZE, **({"search_after": cursor} if cursor else {})})
        seen += [doc["_meta"]["id"] for doc in page["docs"]]
        if (cursor := page["next"]) is None:
            return seen
        stirrer.round()
    pytest.fail("the list has no end")


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(
    ("way", "sort"), [*((walk_on, sort) for sort in ORDERS), (walk, ORDERS[0]), (walk, ORDERS[2])], ids=_name
)
def test_a_point_in_time_shows_each_exactly_once(
    imported: set[str], pages: Fetch, stirrer: Stirrer, analyst: User, way: Callable[..., list[str]], sort: list[Json]
) -> None:
    lease = pits.open_pit(analyst.pk, True)
    seen = way(pages, {**DAY, "pit": lease.token, "sort": sort}, stirrer)
    assert stirrer.rounds >= len(imported) // SIZE
    assert len(seen) == 158
    assert set(seen) == imported


def test_every_page_of_a_point_in_time_counts_the_same(
    imported: set[str], pages: Fetch, stirrer: Stirrer, analyst: User
) -> None:
    lease = pits.open_pit(analyst.pk, True)
    asked = {**DAY, "pit": lease.token, "size": SIZE, "with_total_docs": True}
    totals = set()
    for offset in (0, 25, 150):
        totals.add(pages({**asked, "from": offset})["total_docs"])
        stirrer.round()
    assert totals == {158}
    # One search alone reads live; a total without a point in time may be a second old.
    assert len(pages({**DAY, "size": 1_000})["docs"]) > 158


def test_without_it_the_same_walk_goes_wrong(imported: set[str], pages: Fetch, stirrer: Stirrer) -> None:
    seen = walk(pages, DAY, stirrer)
    assert [doc_id for doc_id, count in Counter(seen).items() if count > 1], "what was pushed down is seen again"
    assert set(seen) != imported


@pytest.mark.parametrize("way", [walk, walk_on])
def test_a_script_over_http_sees_each_exactly_once(
    imported: set[str], stirrer: Stirrer, script: Script, way: Callable[..., list[str]]
) -> None:
    pit = script.call("GET", "incidents/pit", {})["id"]
    seen = way(lambda asked: script.call("GET", "incidents_full_types", asked), {**DAY, "pit": pit}, stirrer)
    assert sorted(seen) == sorted(imported)
    assert script.call("DELETE", "incidents/pit", {"id": pit}) == {"id": pit, "released": True}


def test_a_script_over_http_without_it_does_not(imported: set[str], stirrer: Stirrer, script: Script) -> None:
    seen = walk(lambda asked: script.call("GET", "incidents_full_types", asked), DAY, stirrer)
    assert sorted(seen) != sorted(imported)
    assert len(seen) > len(set(seen))

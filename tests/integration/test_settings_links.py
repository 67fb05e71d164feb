"""Links out of cards, made on their settings page and shown on the card."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from django.test import Client

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents.links import ENTITY_LINKS
from tests import stored
from tests.stored import at

URL = "https://discover.example/app#/?_g=(time:(from:'{from}',to:'{to}'))&_q=(query:'host:%22{rison_value}%22')"
FORM = {"name": "discover", "title": "Discover ± 15 min", "url": URL, "entity": ["host"], "minutes": "15"}


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


def standing() -> list[str]:
    return [item.value.name for item in store.items(ENTITY_LINKS, fresh=True)]


def test_a_link_is_tried_saved_shown_on_cards_and_taken_back(client: Client, indices: None) -> None:
    hostile = """WS-1'!"><script>alert(1)</script>"""
    stored.incidents({"i1": {"@timestamp": at(0), "entities": {"host": hostile, "user": "ann"}}})
    page = client.post("/settings/links/check", FORM).content.decode()
    assert "the card of <b>1</b> incident" in page
    assert client.post("/settings/links/new", FORM).status_code == 302
    store.forget()
    card = client.get("/incidents/i1/").content.decode()
    [found] = re.findall(r'<a class="im-out" href="([^"]+)" target="_blank" rel="noopener noreferrer">', card)
    way = html.unescape(found)
    assert way.startswith("https://discover.example/app#/?_g=(time:(from:'2025-11-23T")
    assert "WS-1%21%27%21%21%5C%22%3E%3Cscript%3E" in way
    assert "<script>alert" not in card

    listed = client.get("/settings/links").content.decode()
    change = re.search(r'name="change" value="(\d+)"', listed)
    assert change
    client.post("/settings/links/undo", {"change": change[1]})
    assert standing() == []


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(client: Client, indices: None) -> None:
    answer = client.post("/settings/links/new", FORM | {"url": "javascript:alert({value})", "minutes": "soon"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "begins with https:// or http://" in page
    assert "valid integer" in page
    assert "javascript:alert({value})</textarea>" in page
    assert 'value="host" checked' in page
    assert standing() == []
    client.post("/settings/links/new", FORM)
    page = client.post("/settings/links/new", FORM).content.decode()
    assert "there is a link of this name already" in page


def test_the_second_administrator_is_told_who_changed_what(client: Client, indices: None) -> None:
    client.post("/settings/links/new", FORM)
    store.save(ENTITY_LINKS, {**ENTITY_LINKS.stored(store.get(ENTITY_LINKS, "discover").value), "minutes": 5}, by="ada")
    answer = client.post("/settings/links/edit/discover", FORM | {"minutes": "30", "revision": "1"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "ada" in page
    assert 'name="minutes" value="30"' in page
    assert store.get(ENTITY_LINKS, "discover", fresh=True).value.minutes == 5


def test_order_search_and_removal(client: Client, indices: None) -> None:
    for name in ("one", "two", "three"):
        client.post("/settings/links/new", FORM | {"name": name, "title": f"The {name}"})
    client.post("/settings/links/order", {"move": "three:up"})
    assert standing() == ["one", "three", "two"]
    page = client.get("/settings/links?q=three").content.decode()
    assert "The three" in page
    assert "The two" not in page.partition("im-set-history")[0].partition("<tbody>")[2].partition("</tbody>")[0]
    client.post("/settings/links/remove/two", {"revision": str(store.get(ENTITY_LINKS, "two", fresh=True).revision)})
    assert standing() == ["one", "three"]

"""Saved views: one's own and shared ones, pinned with counts, one of them opened first."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from imweb.accounts.models import User
from imweb.web.models import SavedView
from tests import stored
from tests.stored import at

WINDOW = "start=2025-11-01&end=2025-12-31"


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


def _save(client: Client, name: str, query: str, **more: str) -> SavedView:
    answer = client.post("/views/save", {"name": name, "next": f"/incidents/?{query}", **more})
    assert answer.status_code == 303, answer.content
    return SavedView.objects.get(name=name)


def _nav(client: Client) -> dict[str, str]:
    html = client.get("/views/").content.decode()
    items = re.findall(r'class="im-nav-item[^>]*href="([^"]*)"[^>]*>.*?<span>(.*?)</span>(?:<b>(.*?)</b>)?', html)
    return {name: count for _url, name, count in items}


def test_a_view_keeps_filters_and_not_the_place(client: Client, indices: None) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(-n), "severity": ["low", "high"][n % 2]} for n in range(9)})
    view = _save(client, "High ones", f"{WINDOW}&severity=high&q=severity:high&size=50&from=50&rs=abcdef", pinned="1")
    assert view.query == "q=severity%3Ahigh&start=2025-11-01&end=2025-12-31&severity=high"
    assert _nav(client)["High ones"] == "4"
    page = client.get("/help").content.decode()
    assert (
        page.index("<h2>Triage</h2>")
        < page.index("<h2>Saved views</h2>")
        < page.index("High ones")
        < page.index("<h2>Insight</h2>")
    )
    _save(client, "High ones", f"{WINDOW}&severity=low", pinned="1")
    assert SavedView.objects.count() == 1


def test_the_first_view_opens_after_sign_in(client: Client, indices: None) -> None:
    assert client.get("/")["Location"] == "/incidents/"
    view = _save(client, "Mine", "reviewer=lead", default="1")
    assert client.get("/")["Location"] == "/incidents/?reviewer=lead"
    client.post(f"/views/{view.pk}", {"action": "undefault"})
    assert client.get("/")["Location"] == "/incidents/"


def test_others_see_shared_views_and_cannot_change_them(client: Client, indices: None, analyst: User) -> None:
    shared = _save(client, "For all", "severity=high", shared="1")
    private = _save(client, "For me", "severity=low")
    other = Client()
    other.force_login(analyst)
    page = other.get("/views/").content.decode()
    assert "For all" in page
    assert "For me" not in page
    assert other.post(f"/views/{shared.pk}", {"action": "delete"}).status_code == 403
    assert other.post(f"/views/{private.pk}", {"action": "pin"}).status_code == 404
    assert other.post(f"/views/{shared.pk}", {"action": "pin"}).status_code == 303
    assert "For all" in _nav(other)
    assert other.post("/views/save", {"name": "x", "next": "/incidents/", "shared": "1"}).status_code == 403
    client.post(f"/views/{shared.pk}", {"action": "unshare"})
    assert "For all" not in _nav(other)


def test_seven_are_pinned_and_faults_are_named(client: Client, indices: None) -> None:
    for number in range(7):
        _save(client, f"View {number}", f"severity=s{number}", pinned="1")
    answer = client.post("/views/save", {"name": "Eighth", "next": "/incidents/", "pinned": "1"})
    assert answer.status_code == 400
    assert "at most 7" in answer.content.decode()
    assert not SavedView.objects.filter(name="Eighth").exists()
    assert client.post("/views/save", {"name": " ", "next": "/incidents/"}).status_code == 400
    assert client.post("/views/99999", {"action": "pin"}).status_code == 404
    assert client.post(f"/views/{SavedView.objects.first().pk}", {"action": "eat"}).status_code == 400  # type: ignore[union-attr]

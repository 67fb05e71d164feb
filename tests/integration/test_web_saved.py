"""Saved views: one's own and shared ones, pinned with counts, one of them opened first."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from imweb.accounts.models import Role, User
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
    _save(client, "High ones", f"{WINDOW}&severity=high&q=severity:high", pinned="1", default="1")
    assert SavedView.objects.count() == 1


def test_a_name_that_is_taken_is_replaced_only_when_asked(client: Client, indices: None) -> None:
    old = _save(client, "Mine", "severity=high", pinned="1")
    sent = {"name": "Mine", "next": "/incidents/?severity=low&size=50", "default": "1"}
    asked = client.post("/views/save", sent)
    html = asked.content.decode()
    assert asked.status_code == 400
    assert "you have a view of this name already" in html
    assert 'name="next" value="/incidents/?severity=low&amp;size=50"' in html
    assert 'name="default" value="1" checked' in html
    assert 'name="pinned" value="1">' in html
    assert 'href="/incidents/?severity=high"' in html
    old.refresh_from_db()
    assert old.query == "severity=high"
    assert client.get("/")["Location"] == "/incidents/"
    assert client.post("/views/save", {**sent, "replace": "1"}).status_code == 303
    old.refresh_from_db()
    assert (old.query, SavedView.objects.count()) == ("severity=low", 1)
    assert client.get("/")["Location"] == "/incidents/?severity=low"


def test_a_replaced_view_counts_its_own_rows_at_once(client: Client, indices: None) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(-n), "severity": "low" if n else "high"} for n in range(4)})
    _save(client, "Counted", f"{WINDOW}&severity=high&mode=incidents", pinned="1")
    assert _nav(client)["Counted"] == "1"
    _save(client, "Counted", f"{WINDOW}&severity=low&mode=incidents", pinned="1", replace="1")
    assert _nav(client)["Counted"] == "3"


def test_a_view_is_renamed_and_keeps_its_pin(client: Client, indices: None, analyst: User) -> None:
    view, _other = _save(client, "Old", "severity=high", pinned="1", shared="1"), _save(client, "Taken", "severity=low")
    for name, reason in [("Taken", "you have another view"), (" ", "1 to 60"), ("x" * 61, "1 to 60"), ("a\0b", "NUL")]:
        refused = client.post(f"/views/{view.pk}", {"action": "rename", "name": name})
        assert refused.status_code == 400
        assert reason in refused.content.decode()
        assert f'value="{name}"' in refused.content.decode()
    assert client.post(f"/views/{view.pk}", {"action": "rename", "name": "  New   name "}).status_code == 303
    assert "New name" in _nav(client)
    foreign = Client()
    foreign.force_login(analyst)
    assert foreign.post(f"/views/{view.pk}", {"action": "rename", "name": "Theirs"}).status_code == 403
    assert SavedView.objects.get(pk=view.pk).name == "New name"


def test_a_deleted_view_comes_back_with_every_pin(client: Client, indices: None, analyst: User) -> None:
    view = _save(client, "For all", "severity=high", pinned="1", shared="1", default="1")
    other = Client()
    other.force_login(analyst)
    other.post(f"/views/{view.pk}", {"action": "pin"})
    client.post(f"/views/{view.pk}", {"action": "delete"})
    assert "For all" not in _nav(other)
    assert "Bring it back" in client.get("/views/").content.decode()
    assert other.post(f"/views/{view.pk}", {"action": "restore"}).status_code == 404
    # The name went to another one meanwhile: nothing is overwritten, nothing forgotten.
    new = _save(client, "For all", "severity=low")
    assert client.post(f"/views/{view.pk}", {"action": "restore"}).status_code == 409
    client.post(f"/views/{new.pk}", {"action": "rename", "name": "Newer"})
    assert client.post(f"/views/{view.pk}", {"action": "restore"}).status_code == 303
    assert "For all" in _nav(client)
    assert "For all" in _nav(other)
    assert client.get("/")["Location"] == "/incidents/?severity=high"
    assert client.post(f"/views/{view.pk}", {"action": "restore"}).status_code == 404


def test_what_somebody_may_not_share_any_more_does_not_come_back_shared(client: Client, lead: User) -> None:
    view = _save(client, "For all", "severity=high", shared="1")
    client.post(f"/views/{view.pk}", {"action": "delete"})
    lead.roles.clear()
    lead.roles.add(Role.objects.get(name="analyst"))
    assert client.post(f"/views/{view.pk}", {"action": "restore"}).status_code == 403
    assert not SavedView.objects.exists()


def test_a_second_click_on_bring_it_back_is_told_so(client: Client, indices: None) -> None:
    view = _save(client, "Mine", "severity=high")
    client.post(f"/views/{view.pk}", {"action": "delete"})
    # The first click has made it and not yet said so to the session.
    SavedView.objects.create(pk=view.pk, owner=view.owner, name=view.name, query=view.query)
    again = client.post(f"/views/{view.pk}", {"action": "restore"})
    assert again.status_code == 409
    assert "It is back already" in again.content.decode()


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

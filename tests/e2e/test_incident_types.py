"""An administrator shapes an incident type in a browser: told what it means, closed to others, seen on the card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.incident_types import INCIDENT_TYPES
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.incidents import custom_fields, editing, incident_types
from tests import stored

Desk = Callable[..., Page]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def shaped(indices: None, administrator: User) -> None:
    """Two custom fields, and incidents of a type that nobody has defined."""
    custom_fields.save({"name": "sender", "label": "Sender", "type": "text"}, by="admin")
    lures = {"type": "multiselect", "options": ["invoice", "parcel"]}
    custom_fields.save({"name": "lures", "label": "Lures", **lures}, by="admin")
    stored.incidents({f"i{n}": {"incident_type": "phishing", "title": f"Lure {n}"} for n in range(3)})
    Role.objects.create(name="hr", label="HR", permissions=["incident.view"])


def names() -> list[str]:
    return [item.value.name for item in store.items(INCIDENT_TYPES, fresh=True)]


def test_a_type_is_made_from_what_incidents_hold_and_shapes_the_next_one(
    desk: Desk, shaped: None, live_server: Any, administrator: User, lead: User
) -> None:
    page = desk(administrator, tolerate=("status of 400",))
    url = live_server.url
    page.goto(f"{url}/settings/types")
    expect(page.get_by_text("No types yet")).to_be_visible()
    page.get_by_role("link", name="Add phishing").click()
    expect(page.get_by_label("Stored as")).to_have_value("phishing")
    page.get_by_label("Title", exact=True).fill("Phishing mail")
    page.get_by_label("Severity").select_option("high")
    page.get_by_label("Place of Sender on the card").fill("2")
    page.get_by_label("Place of Lures on the card").fill("1")
    page.get_by_label("Sender is required").check()
    page.get_by_label("invoice").check()
    side = page.locator("#check")
    expect(side).to_contain_text("Phishing mail")
    expect(side).to_contain_text("invoice")
    expect(side).to_contain_text("required")
    expect(side).to_contain_text("Everybody whose roles show the incident")
    page.get_by_label("Reviewer").fill("nobody-here")
    expect(side).to_contain_text("there is no active user named 'nobody-here'")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(page.get_by_label("Title", exact=True)).to_have_value("Phishing mail")
    page.get_by_label("Reviewer").fill("lead")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".im-toast")).to_contain_text("“Phishing mail” is saved.")
    row = page.get_by_role("row").filter(has_text="Phishing mail")
    expect(row.get_by_role("cell", name="3", exact=True)).to_be_visible()
    store.forget()
    body = {"title": "Next", "incident_type": "phishing", "sender": "a@b.test"}
    doc = editing.create(actor_of(User.objects.get(pk=administrator.pk)), "next", body)
    assert (doc.source["severity"], doc.source["reviewer"], doc.source["lures"]) == ("high", "lead", ["invoice"])
    page.goto(f"{url}/incidents/next/")
    expect(page.get_by_role("heading", name="Phishing mail")).to_be_visible()
    shown = page.locator("#card-overview ~ section dt").all_inner_texts()
    assert shown.index("Lures") < shown.index("Sender")


def test_a_type_is_closed_to_others_and_opened_again_by_undo(
    desk: Desk, shaped: None, live_server: Any, administrator: User, lead: User
) -> None:
    incident_types.save({"name": "phishing", "title": "Phishing"}, by="admin")
    url = live_server.url
    window = f"{url}/incidents/?start=2025-11-01&end=2025-12-31"
    page = desk(administrator, tolerate=("status of 404", "status of 403"))
    page.goto(f"{url}/settings/types/edit/phishing")
    page.get_by_label("HR").check()
    side = page.locator("#check")
    expect(side).to_contain_text("1 of 2 users")
    expect(side).to_contain_text("becomes an access field")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".im-toast")).to_contain_text("is saved")
    store.forget()
    desk(lead)
    page.goto(window)
    expect(page.get_by_text("Lure 0")).to_have_count(0)
    page.goto(f"{url}/incidents/i0/")
    expect(page.locator("body")).to_contain_text("There is no incident with this id")
    for path in ("", "/new", "/edit/phishing", "/remove/phishing"):
        answer = page.goto(f"{url}/settings/types{path}")
        assert answer is not None
        assert answer.status == 403
    desk(administrator)
    page.goto(f"{url}/settings/types")
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast")).to_contain_text("taken back")
    store.forget()
    desk(lead)
    page.goto(window)
    expect(page.get_by_text("Lure 0").first).to_be_visible()


def test_the_order_changes_by_keyboard_and_by_dragging_and_is_taken_back(
    desk: Desk, shaped: None, live_server: Any, administrator: User
) -> None:
    for name in ("one", "two", "three"):
        incident_types.save({"name": name, "title": name.title()}, by="admin")
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/types")
    grab = page.get_by_role("button", name="Move Three: arrow keys up and down")
    grab.focus()
    grab.press("ArrowUp")
    expect(page.locator(".im-toast")).to_contain_text("The new order is saved.")
    expect(grab).to_be_focused()
    assert names() == ["one", "three", "two"]
    expect(page.locator("table[data-saved]")).to_have_count(1)
    page.reload()
    page.get_by_role("button", name="Move One: arrow keys").drag_to(page.locator("tr[data-name=two]"))
    expect(page.locator("table[data-saved]")).to_have_count(1)
    assert names() == ["three", "two", "one"]
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast")).to_contain_text("taken back")
    assert names() == ["one", "three", "two"]
    page.get_by_role("searchbox").fill("thr")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("tr[data-name]")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(desk: Desk, shaped: None, live_server: Any, administrator: User, theme: str) -> None:
    fields = [{"name": "lures", "default": ["parcel"]}, {"name": "sender", "required": True}]
    incident_types.save({"name": "phishing", "title": "Phishing", "fields": fields, "severity": "low"}, by="admin")
    incident_types.save({"name": "leak", "title": "Leak", "roles": ["hr"]}, by="admin")
    page = desk(administrator, theme=theme)
    url = live_server.url
    paths = [f"/settings/types{path}" for path in ("", "/new", "/edit/phishing", "/edit/leak", "/remove/leak")]
    for path in (*paths, "/incidents/i0/"):
        page.goto(f"{url}{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"

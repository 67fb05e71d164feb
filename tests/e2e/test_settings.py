"""An administrator shapes the console in a browser: fields, order by keyboard, workflow, colours; nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents import custom_fields
from imweb.workflows import default_workflow
from tests import stored

Desk = Callable[..., Page]
TYPES = {
    "text": "Ticket",
    "number": "Score",
    "select": "Site",
    "multiselect": "Tags",
    "datetime": "Due",
    "markdown": "Notes",
}
PAGES = [
    "settings/fields",
    "settings/fields/new",
    "settings/fields/edit/site",
    "settings/severities",
    "settings/severities/edit/low",
    "settings/severities/set/customer",
    "settings/workflows",
    "settings/workflows/edit/default",
    "settings/workflows/status/parked",
    "settings/users",
    "settings/users/new",
    "settings/tokens",
    "system",
]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


def define(*names: str) -> None:
    """Define text fields."""
    for name in names:
        custom_fields.save({"name": name, "label": name.title(), "type": "text"}, by="admin", revision=0)


def names(page: Page) -> list[str]:
    """Return the rows as they stand."""
    found: list[str] = page.locator("tr[data-name]").evaluate_all("rows => rows.map(row => row.dataset.name)")
    return found


def test_each_type_is_defined_and_those_that_filter_stand_in_the_bar(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    stored.incidents({"i1": {"title": "One"}})
    page = desk(administrator)
    for kind, label in TYPES.items():
        page.goto(f"{live_server.url}/settings/fields/new")
        page.get_by_label("Label", exact=True).fill(label)
        expect(page.get_by_label("Field name")).to_have_value(label.lower())
        page.locator(f"[name=type][value={kind}]").check()
        if "select" in kind:
            page.get_by_label("Options, one a line").fill("north\nsouth")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("row").filter(has_text=label.lower())).to_be_visible()
    page.goto(f"{live_server.url}/incidents/")
    form = page.get_by_role("form", name="Custom filters")
    expect(form.get_by_label("Ticket")).to_be_visible()
    expect(form.get_by_label("Score")).to_be_visible()
    expect(form.get_by_label("Site").locator("option")).to_have_text(["Site: any", "north", "south"])
    expect(form.locator("summary", has_text="Tags")).to_be_visible()
    expect(form.get_by_label("Notes")).to_have_count(0)


def test_the_preview_follows_what_is_typed_and_shows_the_values_that_there_are(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    stored.incidents({f"i{n}": {"zone": ["red", "blue"][n > 0]} for n in range(3)})
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/fields/new")
    page.get_by_label("Label", exact=True).fill("Zone")
    side = page.locator("#check")
    expect(side.get_by_role("row", name="blue 2")).to_be_visible()
    expect(side.get_by_label("Preview of the filter")).to_have_attribute("placeholder", "Zone")
    page.get_by_role("radio", name="Number").check()
    expect(side).to_contain_text("is in the index already as whole texts")
    page.get_by_role("radio", name="One of a list").check()
    page.get_by_label("Options, one a line").fill("red\nblue")
    expect(side.locator("option")).to_have_text(["Zone: any", "red", "blue"])


def test_the_order_changes_by_keyboard_and_by_dragging(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    define("one", "two", "three")
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/fields")
    grab = page.get_by_role("button", name="Move Three: arrow keys up and down")
    grab.focus()
    grab.press("ArrowUp")
    grab.press("ArrowUp")
    expect(grab).to_be_focused()
    assert names(page) == ["three", "one", "two"]
    expect(page.locator(".im-toast")).to_contain_text("The new order is saved.")
    page.reload()
    assert names(page) == ["three", "one", "two"]
    page.get_by_role("button", name="Move Three: arrow keys").drag_to(page.locator("tr[data-name=two]"))
    expect(page.locator("table[data-saved]")).to_have_count(1)
    assert [item.value.name for item in custom_fields.items()] == ["one", "two", "three"]
    page.goto(f"{live_server.url}/settings/fields")
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast")).to_contain_text("taken back")
    assert names(page) == ["three", "one", "two"]


def test_a_status_and_its_steps_are_added_in_the_matrix_and_drawn(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/workflows/edit/default")
    graph = page.locator("#check svg")
    expect(graph.locator("text")).to_have_text(["New", "In Progress", "Verification", "Rejected", "Closed"])
    page.get_by_label("Title of status 6").fill("Waiting")
    page.get_by_label("Title of status 6").press("Tab")
    way_in = page.get_by_label("Who may go from In Progress to Waiting")
    expect(way_in).to_be_visible()
    expect(page.locator("#check")).to_contain_text("no way leads from 'New' to 'Waiting'")
    way_in.select_option("incident.transition")
    expect(page.locator("#check")).to_contain_text("could never be closed")
    page.get_by_label("Who may go from Waiting to In Progress").select_option("incident.assign")
    expect(page.locator("#check")).not_to_contain_text("It cannot be saved")
    expect(graph.locator("text", has_text="Waiting")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".im-toast")).to_contain_text("“Default” is saved.")
    store.forget()
    step = default_workflow().step("waiting", "in_progress")
    assert step is not None
    assert step.permission == "incident.assign"


def test_a_colour_without_contrast_is_named_while_choosing(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/severities/edit/low")
    expect(page.locator("#check .is-bad")).to_have_count(0)
    page.get_by_label("Colour in the light theme").fill("#f0f0f0")
    expect(page.locator("#check .is-bad")).to_have_text("3.0 is needed")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_settings_page(
    desk: Desk, new_indices: None, live_server: Any, administrator: User, theme: str
) -> None:
    custom_fields.save(
        {"name": "site", "label": "Site", "type": "select", "options": ["north"]}, by="admin", revision=0
    )
    stored.incidents({"i1": {"site": "north", "severity": "odd", "status": "parked"}})
    page = desk(administrator, theme=theme)
    for path in PAGES:
        page.goto(f"{live_server.url}/{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


def test_a_lead_and_an_analyst_see_neither_the_links_nor_the_pages(
    desk: Desk, new_indices: None, live_server: Any, lead: User, analyst: User
) -> None:
    page = desk(lead, tolerate=("403",))
    for user in (lead, analyst):
        desk(user)
        page.goto(f"{live_server.url}/incidents/")
        expect(page.get_by_role("navigation").get_by_role("link", name="API tokens")).to_be_visible()
        for label in ("Fields", "Severities", "Workflows", "Users and roles", "System"):
            expect(page.get_by_role("navigation").get_by_role("link", name=label, exact=True)).to_have_count(0)
        answer = page.goto(f"{live_server.url}/settings/fields")
        assert answer is not None
        assert answer.status == 403
        expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this")

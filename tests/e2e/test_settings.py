"""An administrator shapes the console in a browser: fields, order by keyboard, workflow, colours; nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.grouping import service
from imweb.incidents import custom_fields
from imweb.opensearch import gateway, schema
from imweb.workflows import default_workflow
from imweb.workflows.definitions import WORKFLOWS
from tests import stored

Desk = Callable[..., Page]
PHISHING = {
    "name": "phish",
    "title": "Phishing",
    "initial": "open",
    "statuses": [{"name": "open", "title": "Open"}, {"name": "closed", "title": "Closed", "terminal": True}],
    "transitions": [{"source": "open", "target": "closed"}],
}
PAGES = [
    "settings/fields",
    "settings/fields/new",
    "settings/fields/edit/site",
    "settings/fields/edit/due",
    "settings/severities",
    "settings/severities/new",
    "settings/severities/edit/low",
    "settings/severities/remove/low",
    "settings/severities/set/customer",
    "settings/severities/unknown/odd",
    "settings/workflows",
    "settings/workflows/new",
    "settings/workflows/edit/default",
    "settings/workflows/edit/phish",
    "settings/workflows/remove/phish",
    "settings/workflows/status/parked?workflow=default",
    "settings/grouping",
    "settings/grouping/new",
    "settings/grouping/edit/by_host",
    "settings/grouping/remove/by_host",
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


def furnish() -> None:
    """Have something on every page: fields, a workflow, a rule, incidents whose level and status are gone."""
    custom_fields.save(
        {"name": "site", "label": "Site", "type": "select", "options": ["north"]}, by="admin", revision=0
    )
    custom_fields.save({"name": "due", "label": "Due", "type": "datetime"}, by="admin", revision=0)
    store.save(WORKFLOWS, PHISHING, by="admin")
    service.save_rule({"name": "by_host", "title": "By host", "comparison": ["entities.host"]}, by="admin")
    stored.incidents({"i1": {"site": "north", "severity": "odd", "status": "parked"}, "i2": {"severity": "low"}})


def names(page: Page) -> list[str]:
    """Return the rows as they stand."""
    found: list[str] = page.locator("tr[data-name]").evaluate_all("rows => rows.map(row => row.dataset.name)")
    return found


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
    expect(side.get_by_label("Preview on the card")).to_be_visible()
    page.get_by_role("radio", name="Number").check()
    expect(side).to_contain_text("is in the index already as whole texts")
    page.get_by_role("radio", name="One of a list").check()
    page.get_by_label("Options, one a line").fill("red\nblue")
    expect(side.get_by_label("Preview of the filter").locator("option")).to_have_text(["Zone: any", "red", "blue"])
    page.get_by_label("Default").fill("blue")
    expect(side.get_by_label("Preview on the card")).to_have_value("blue")


def move_up(page: Page, label: str, times: int) -> None:
    """Move a row by the arrow keys; the handle keeps the focus."""
    grab = page.get_by_role("button", name=f"Move {label}: arrow keys up and down")
    grab.focus()
    for _time in range(times):
        grab.press("ArrowUp")
    expect(grab).to_be_focused()
    expect(page.locator("table[data-saved]")).to_have_count(1)


@pytest.mark.parametrize("kind", ["fields", "severities", "workflows"])
def test_the_order_changes_by_keyboard_and_by_dragging_and_is_taken_back(
    desk: Desk, new_indices: None, live_server: Any, administrator: User, kind: str
) -> None:
    page = desk(administrator)
    if kind == "fields":
        define("one", "two", "three")
    elif kind == "workflows":
        for name in ("ring", "phish"):
            store.save(WORKFLOWS, PHISHING | {"name": name, "title": name.title()}, by="admin")
    before, last, by_keys, dragged = {
        "fields": (["one", "two", "three"], "Three", ["three", "one", "two"], "two"),
        "severities": (
            ["critical", "high", "medium", "low", "informational"],
            "Medium",
            ["medium", "critical", "high", "low", "informational"],
            "low",
        ),
        "workflows": (["default", "ring", "phish"], "Phish", ["phish", "default", "ring"], "ring"),
    }[kind]
    page.goto(f"{live_server.url}/settings/{kind}")
    assert names(page) == before
    move_up(page, last, 2)
    assert names(page) == by_keys
    page.reload()
    assert names(page) == by_keys

    # By the mouse, and at once taken back: the page knows of its own change.
    page.get_by_role("button", name=f"Move {last}: arrow keys").drag_to(page.locator(f"tr[data-name={dragged}]"))
    expect(page.locator("table[data-saved]")).to_have_count(1)
    moved = [name for name in by_keys if name != by_keys[0]]
    moved.insert(moved.index(dragged) + 1, by_keys[0])
    assert names(page) == moved
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast")).to_contain_text("taken back")
    assert names(page) == by_keys


def test_an_order_from_an_old_page_is_refused_and_says_so(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    define("one", "two", "three")
    page = desk(administrator, tolerate=("status of 409",))
    page.goto(f"{live_server.url}/settings/fields")
    custom_fields.reorder(["two", "three", "one"], by="anna")
    page.get_by_role("button", name="Move Two: arrow keys up and down").press("ArrowUp")
    expect(page.locator(".im-toast")).to_contain_text("somebody changed the list meanwhile")
    assert [item.value.name for item in custom_fields.items()] == ["two", "three", "one"]


def test_a_ready_set_is_taken_with_its_incidents_and_given_back(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    stored.incidents({f"i{n}": {"severity": "high"} for n in range(3)})
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/severities")
    page.get_by_text("Use a ready set").click()
    page.get_by_role("link", name="Four levels").click()
    row = page.get_by_role("row").filter(has_text="high")
    expect(row.get_by_role("cell").nth(1)).to_have_text("3")
    row.get_by_label("What high becomes").select_option("critical")
    page.get_by_role("button", name="Save and move").click()
    expect(page.locator(".im-toast", has_text="3 incidents and groups moved")).to_be_visible()
    assert names(page) == ["critical", "warning", "information", "normal"]
    expect(page.locator("tr[data-name=critical]").get_by_role("cell", name="3", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast", has_text="3 incidents and groups have their former values again")).to_be_visible()
    found = gateway().mget([(schema.incidents_alias(), f"i{n}") for n in range(3)])
    assert [doc.source["severity"] for doc in found if doc] == ["high"] * 3


def test_the_second_of_two_administrators_keeps_the_matrix_that_he_made(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    page = desk(administrator, tolerate=("status of 409",))
    page.goto(f"{live_server.url}/settings/workflows/edit/default")
    step = page.get_by_label("Who may go from Verification to New")
    step.select_option("incident.assign")
    page.get_by_label("Title", exact=True).fill("Ours")
    standing = store.get(WORKFLOWS, "default", fresh=True)
    store.save(WORKFLOWS, WORKFLOWS.stored(standing.value) | {"title": "Theirs"}, by="anna")
    page.get_by_role("button", name="Save", exact=True).click()
    told = page.get_by_role("alert")
    expect(told).to_contain_text("anna changed 'default' meanwhile")
    expect(told.get_by_role("row").filter(has_text="Title")).to_contain_text("Theirs")
    expect(page.get_by_label("Title", exact=True)).to_have_value("Ours")
    expect(step).to_have_value("incident.assign")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast")).to_contain_text("“Ours” is saved.")
    store.forget()
    made = default_workflow().step("verification", "new")
    assert made is not None
    assert made.permission == "incident.assign"


def test_where_incidents_of_a_removed_status_go_is_chosen_where_it_was_removed(
    desk: Desk, new_indices: None, live_server: Any, administrator: User
) -> None:
    stored.incidents({f"i{n}": {"status": "verification"} for n in range(2)})
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/workflows/edit/default")
    page.get_by_label("Remove status 3").check()
    where = page.locator("section", has=page.locator(".im-set-statuses")).get_by_label(
        "Where incidents in verification go"
    )
    expect(page.locator("#going")).to_contain_text("2 incidents and groups")
    where.select_option("in_progress")
    page.get_by_label("Title of status 1").fill("Fresh")
    page.get_by_label("Title of status 1").press("Tab")
    expect(page.locator("#check svg text").first).to_have_text("Fresh")
    expect(where).to_have_value("in_progress")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast", has_text="2 incidents and groups moved")).to_be_visible()
    found = gateway().mget([(schema.incidents_alias(), f"i{n}") for n in range(2)])
    assert [doc.source["status"] for doc in found if doc] == ["in_progress"] * 2


@pytest.mark.parametrize(
    ("kind", "word", "left"),
    [("fields", "tw", ["two"]), ("severities", "crit", ["critical"]), ("workflows", "phi", ["phish"])],
)
def test_a_search_leaves_what_it_names(
    desk: Desk, new_indices: None, live_server: Any, administrator: User, kind: str, word: str, left: list[str]
) -> None:
    define("one", "two")
    store.save(WORKFLOWS, PHISHING, by="admin")
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/{kind}")
    page.get_by_role("searchbox").fill(word)
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("link", name="Show all")).to_be_visible()
    assert names(page) == left
    expect(page.locator("[data-grab]")).to_have_count(0)


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


def test_a_lead_and_an_analyst_see_neither_the_links_nor_any_of_the_pages(
    desk: Desk, new_indices: None, live_server: Any, lead: User, analyst: User
) -> None:
    furnish()
    page = desk(lead, tolerate=("status of 403",))
    for user in (lead, analyst):
        desk(user)
        page.goto(f"{live_server.url}/incidents/")
        expect(page.get_by_role("navigation").get_by_role("link", name="API tokens")).to_be_visible()
        for label in ("Fields", "Severities", "Workflows", "Grouping rules", "Users and roles", "System"):
            expect(page.get_by_role("navigation").get_by_role("link", name=label, exact=True)).to_have_count(0)
        for path in PAGES:
            if path == "settings/tokens":
                continue
            answer = page.goto(f"{live_server.url}/{path}")
            assert answer is not None
            assert answer.status == 403, path
            expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this")

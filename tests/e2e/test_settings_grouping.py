"""An administrator makes a grouping rule in a browser: told what it does, tried, saved, put into order by keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.grouping import engine, service
from imweb.grouping.rules import RULES
from imweb.incidents.times import to_iso
from tests import stored

Desk = Callable[..., Page]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


def save(name: str, **data: Any) -> None:
    whole = {"name": name, "title": name.title(), "comparison": ["entities.host"], "look_back": 30, **data}
    service.save_rule(whole, by="admin")


def names(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-name]").evaluate_all("rows => rows.map(row => row.dataset.name)")
    return found


def test_a_rule_is_made_tried_saved_and_gathers(
    desk: Desk, indices: None, live_server: Any, administrator: User
) -> None:
    now = to_iso(int(time.time() * 1000) - 60_000, UTC)
    stored.incidents(
        {f"i{n}": {"@timestamp": now, "severity": "high", "entities": {"host": [f"h{n % 2}"]}} for n in range(5)}
    )
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/grouping")
    expect(page.get_by_text("No rules yet")).to_be_visible()
    page.get_by_role("link", name="Add a rule").click()
    page.get_by_label("Title", exact=True).fill("Same host")
    expect(page.get_by_label("Name", exact=True)).to_have_value("same_host")
    side = page.locator("#check")
    page.get_by_label("Which incidents").fill("severity:high and hots:x")
    page.get_by_label("Compared field 1").fill("entities.host")
    expect(side.locator("mark")).to_have_text("h")
    page.get_by_label("Which incidents").fill("severity:high")
    expect(side).to_contain_text("with the same Host go together in spans of 1 hour")
    expect(side).to_contain_text("5 incidents match the filter now")
    page.get_by_label("Title of a group").fill("{incidents_count} on {comparison.host}")
    page.get_by_role("button", name="Try it").click()
    trial = page.get_by_role("region", name="The last day with this rule")
    expect(trial.get_by_role("row", name="3 on h0")).to_be_visible()
    expect(trial).to_be_in_viewport()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".im-toast")).to_contain_text("“Same host” is saved.")
    engine.run()
    page.reload()
    row = page.get_by_role("row").filter(has_text="Same host")
    expect(row.get_by_role("cell", name="5", exact=True)).to_be_visible()


def test_the_order_changes_by_keyboard_and_by_dragging_and_is_taken_back(
    desk: Desk, indices: None, live_server: Any, administrator: User
) -> None:
    for name in ("one", "two", "three"):
        save(name)
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/grouping")
    grab = page.get_by_role("button", name="Move Three: arrow keys up and down")
    grab.focus()
    grab.press("ArrowUp")
    grab.press("ArrowUp")
    expect(page.locator(".im-toast")).to_contain_text("The new order is saved.")
    assert names(page) == ["three", "one", "two"]
    page.reload()
    page.get_by_role("button", name="Move Three: arrow keys").drag_to(page.locator("tr[data-name=two]"))
    expect(page.locator("table[data-saved]")).to_have_count(1)
    assert [item.value.name for item in store.items(RULES, fresh=True)] == ["one", "two", "three"]
    page.reload()
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".im-toast")).to_contain_text("taken back")
    assert names(page) == ["three", "one", "two"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(desk: Desk, indices: None, live_server: Any, administrator: User, theme: str) -> None:
    save("one", and_go_on=True)
    save("two", enabled=False, filter="severity:high")
    page = desk(administrator, theme=theme)
    for path in ("", "/new", "/edit/two", "/remove/one"):
        page.goto(f"{live_server.url}/settings/grouping{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"

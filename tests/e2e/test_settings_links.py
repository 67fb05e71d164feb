"""An administrator gives cards a way out, and an analyst takes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.configuration import store
from tests import pictures, stored
from tests.stored import at

Desk = Callable[..., Page]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_link_is_made_ordered_by_keyboard_and_stands_on_the_card(
    desk: Desk, indices: None, live_server: Any, administrator: User, theme: str
) -> None:
    stored.incidents({"i1": {"@timestamp": at(0), "title": "One", "entities": {"host": "WS-1", "user": "ann"}}})
    page = desk(administrator, theme=theme, tolerate=("status of 400",))
    page.goto(f"{live_server.url}/settings/links")
    expect(page.get_by_text("No links yet")).to_be_visible()
    for title, address in (("EDR", "https://edr.example/hosts/{value}"), ("Discover", "https://d.example/?q={valeu}")):
        page.get_by_role("link", name="Add a link").click()
        page.get_by_label("Title", exact=True).fill(title)
        page.get_by_label("Address").fill(address)
        page.get_by_role("checkbox", name="Host", exact=True).check()
        if "valeu" in address:
            expect(page.locator("#check")).to_contain_text("did you mean {value}?")
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
            page.get_by_label("Address").fill("https://d.example/?q={value}&from={from}")
        expect(page.locator("#check a")).to_contain_text("WS-1")
        pictures.take(page, f"link-{theme}")
        # While a check is on its way what it replaces is dimmed.
        page.wait_for_load_state("networkidle")
        expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("is saved")).to_be_visible()
    page.get_by_role("button", name="Move Discover up").click()
    expect(page.locator("tr[data-name]").first).to_contain_text("Discover")
    pictures.take(page, f"links-{theme}")
    assert Axe().run(page).response["violations"] == []
    page.goto(f"{live_server.url}/incidents/i1/")
    ways = page.locator("a.im-out")
    expect(ways).to_have_text([re.compile("Discover"), re.compile("EDR")])
    expect(ways.last).to_have_attribute("href", "https://edr.example/hosts/WS-1")
    pictures.take(page, f"links-card-{theme}")
    assert Axe().run(page).response["violations"] == []


def test_links_are_the_administrators(desk: Desk, indices: None, live_server: Any, lead: User) -> None:
    page = desk(lead, tolerate=("status of 403",))
    answer = page.goto(f"{live_server.url}/settings/links")
    assert answer
    assert answer.status == 403
    page.goto(f"{live_server.url}/incidents/")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Links")).to_have_count(0)

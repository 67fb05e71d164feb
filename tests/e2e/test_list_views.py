"""A view saved from the list stands in the navigation with its count, and opens again."""

from __future__ import annotations

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from imweb.accounts.models import User
from tests.e2e.test_list import Desk


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_view_is_saved_pinned_opened_and_deleted(desk: Desk, list_url: str, analyst: User, theme: str) -> None:
    page = desk(analyst, theme=theme)
    page.goto(list_url + "&severity=high")
    rows = page.locator(".im-bar h1 b").inner_text()
    page.locator("summary", has_text="Save view").click()
    page.get_by_label("Name").fill("High <b>now</b>")
    page.get_by_role("button", name="Save", exact=True).click()
    pinned = page.locator(".im-nav").get_by_role("link", name="High <b>now</b>")
    expect(pinned).to_contain_text(rows.split()[0])
    page.locator(".im-nav").get_by_role("link", name="Incidents", exact=True).click()
    pinned.click()
    expect(page.locator(".im-chip")).to_contain_text("Severity: High")
    expect(page.locator(".im-nav [aria-current=page]")).to_have_count(1)
    if folder := os.environ.get("IM_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/view-{theme}.png")
    page.locator("summary", has_text="Save view").click()
    page.get_by_role("link", name="All views").click()
    if folder := os.environ.get("IM_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/views-{theme}.png")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Delete").click()
    expect(pinned).to_have_count(0)

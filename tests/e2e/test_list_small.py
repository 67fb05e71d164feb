"""The list on a small screen: everything can be read and reached, and nothing sticks out."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from imweb.accounts.models import User
from tests import pictures
from tests.e2e.test_list import Desk


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_facets_and_the_bulk_bar_serve_at_390_pixels(desk: Desk, list_url: str, analyst: User, theme: str) -> None:
    page = desk(analyst, theme=theme)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(list_url)
    page.locator("input[data-tick]").first.check()
    expect(page.get_by_role("toolbar", name="Ticked rows").get_by_role("button", name="Change all")).to_be_in_viewport()
    pictures.take(page, f"small-{theme}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.locator(".im-facets").is_hidden()
    page.get_by_role("link", name="Filters", exact=True).click()
    page.locator(".im-facets").get_by_role("link", name="High", exact=False).first.click()
    expect(page.locator(".im-chip")).to_contain_text("Severity: High")

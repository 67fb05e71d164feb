"""A view saved from the list stands in the navigation with its count, and opens again."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from imweb.accounts.models import User
from tests import pictures
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
    pictures.take(page, f"view-{theme}")
    page.locator("summary", has_text="Save view").click()
    page.get_by_role("link", name="All views").click()
    pictures.take(page, f"views-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("summary", has_text="Rename").click()
    pictures.take(page, f"views-rename-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_label("New name").fill("Urgent")
    page.locator(".im-pop").get_by_role("button", name="Rename").click()
    expect(pinned).to_have_count(0)
    renamed = page.locator(".im-nav").get_by_role("link", name="Urgent")
    expect(renamed).to_contain_text(rows.split()[0])
    page.get_by_role("button", name="Delete").click()
    expect(renamed).to_have_count(0)
    pictures.take(page, f"views-deleted-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Bring it back").click()
    expect(renamed).to_contain_text(rows.split()[0])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_name_that_is_taken_is_asked_about(desk: Desk, list_url: str, analyst: User, theme: str) -> None:
    page = desk(analyst, theme=theme, tolerate=("status of 400",))

    def save(query: str) -> None:
        page.goto(f"{list_url}&{query}")
        page.locator("summary", has_text="Save view").click()
        page.get_by_label("Name").fill("Mine")
        page.get_by_role("button", name="Save", exact=True).click()

    save("severity=high")
    expect(page.locator(".im-chip")).to_contain_text("Severity: High")
    save("severity=low")
    expect(page.get_by_role("heading", name="Save view")).to_be_visible()
    expect(page.get_by_text("you have a view of this name already")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Mine")
    pictures.take(page, f"view-taken-{theme}", widths=pictures.WIDTHS)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Replace the old one").click()
    expect(page.locator(".im-chip")).to_contain_text("Severity: Low")
    expect(page.locator(".im-nav [aria-current=page]")).to_contain_text("Mine")


def test_the_navigation_follows_a_filter_without_a_new_page(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    stands = page.locator(".im-nav [aria-current=page]")
    page.goto(f"{list_url}&reviewer={analyst.username}")
    page.evaluate("window.same = true")
    expect(stands).to_have_text("Assigned to me")
    page.get_by_role("link", name="Clear all", exact=True).click()
    expect(stands).to_have_text("Incidents")
    expect(page.locator(".im-nav .is-on")).to_have_text("Incidents")
    page.go_back()
    expect(stands).to_have_text("Assigned to me")
    page.goto(list_url)
    page.evaluate("window.same = true")
    page.locator(".im-facets").get_by_role("link", name="a.kim").first.click()
    expect(page.locator(".im-chip")).to_contain_text("a.kim")
    expect(stands).to_have_text("Incidents")
    assert page.evaluate("window.same")

"""The list folded by a field in a browser: open a group, tick whole ones, change exactly their rows, and go back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.opensearch import gateway, schema
from tests import pictures

Desk = Callable[..., Page]


def test_a_list_is_folded_opened_and_unfolded(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(f"{list_url}&mode=incidents")
    page.get_by_label("Group by").click()
    page.locator(".im-group-by").get_by_role("link", name="Host").click()
    expect(page.locator(".im-bar h1")).to_contain_text("9 groups · 95 rows")
    assert "group_by=entities.host" in page.url
    first = page.locator("tr.im-fold").first
    expect(first).to_contain_text("WS-0")
    pictures.take(page, "fold")
    first.locator("a.im-count").click()
    rows = page.locator("tr.im-member[data-key]")
    expect(rows).to_have_count(10)
    expect(page.locator("tr.im-member").last).to_contain_text("Show all 11 rows of this group")
    pictures.take(page, "fold-open")
    first.locator("a.im-count").click()
    expect(rows).to_have_count(0)
    first.get_by_role("link", name="Show these 11").click()
    expect(page.locator(".im-bar h1 b")).to_have_text("11 rows")
    expect(page.locator(".im-chip")).to_contain_text("Host: WS-0")
    hosts = set(page.locator(".im-sub .im-host").all_inner_texts())
    assert hosts == {"WS-0"}
    page.go_back()
    expect(page.locator(".im-bar h1")).to_contain_text("9 groups")


def test_whole_groups_are_ticked_and_changed(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{list_url}&mode=incidents&group_by=rule")
    expect(page.locator("tr.im-fold")).to_have_count(5)
    page.get_by_role("checkbox", name="Tick the whole group Rule 3").check()
    expect(page.locator(".im-foldbar")).to_be_visible()
    pictures.take(page, "fold-ticked")
    page.get_by_role("button", name="Change them…").click()
    dialog = page.locator("#bulk")
    expect(dialog.get_by_role("heading")).to_have_text("Change 19 rows")
    dialog.get_by_label("Reviewer").select_option(lead.username)
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change").last.click()
    expect(dialog).to_contain_text("19 updated")
    found = gateway().mget([(schema.incidents_alias(), f"i{n:02}") for n in range(90)])
    assigned = {n for n, doc in enumerate(found) if doc and doc.source.get("reviewer") == lead.username}
    assert assigned == set(range(3, 90, 5))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_folded_list_is_accessible(desk: Desk, list_url: str, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme)
    page.goto(f"{list_url}&group_by=reviewer")
    page.locator("tr.im-fold a.im-count").first.click()
    expect(page.locator("tr.im-member[data-key]").first).to_be_visible()
    pictures.take(page, f"fold-{theme}")
    page.get_by_label("Group by").click()
    found: Any = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    pictures.take(page, f"fold-menu-{theme}")
    page.set_viewport_size({"width": 1024, "height": 768})
    pictures.take(page, f"fold-1024-{theme}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_row_leads_to_those_like_it(desk: Desk, list_url: str, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme)
    page.goto(f"{list_url}&mode=incidents")
    row = page.locator('tr[data-key="incident/i09"]')
    row.hover()
    way = row.get_by_role("link", name="Similar: same rule, same host")
    expect(way).to_have_css("opacity", "1")
    pictures.take(page, f"similar-{theme}")
    way.click()
    chips = page.locator(".im-chip")
    expect(chips).to_have_count(2)
    expect(chips.first).to_contain_text("Rule: Rule 4")
    expect(chips.last).to_contain_text("Host: WS-0")
    expect(page.locator(".im-bar h1 b")).to_have_text("2 rows")
    assert "start=2025-11-01" in page.url
    page.locator("tr[data-key] a[data-open]").first.click()
    expect(page.locator("#flyout").get_by_role("link", name="Similar in 30 days")).to_be_visible()
    pictures.take(page, f"similar-card-{theme}")

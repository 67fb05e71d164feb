"""A lead's figures in a browser: matrix and statistics by mouse, by keyboard and without a script, with axe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from tests.e2e.conftest import WINDOW

Desk = Callable[..., Page]
VIEWS = {
    "attack": "/attack/?{window}&sub-techniques=open",
    "attack-all": "/attack/?{window}&techniques-shown=all&by=hosts",
    "attack-none": "/attack/?start=2020-01-01&end=2020-01-02",
    "statistics": "/statistics/?{window}",
    "statistics-rule": "/statistics/?{window}&by=rule.name",
    "statistics-none": "/statistics/?start=2020-01-01&end=2020-01-02",
    "statistics-wrong": "/statistics/?q=severity:(",
}


@pytest.fixture
def site(list_url: str) -> str:
    """The address of a site with ninety incidents and a group of five."""
    return list_url.partition("/incidents/")[0]


def rows(page: Page) -> str:
    """Return what the list says of its number of rows."""
    return page.locator(".im-bar h1 b").inner_text()


def test_a_cell_leads_to_its_incidents_and_the_filters_come_along(desk: Desk, site: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{site}/incidents/?{WINDOW}")
    page.locator(".im-chips").get_by_role("link", name="ATT&CK matrix").click()
    page.wait_for_url("**/attack/?start=2025-11-01**")
    expect(page.locator(".im-figures-bar h1 b")).to_have_text("95 incidents")
    # A filter narrows the matrix in place and stands in the address.
    page.get_by_label("Search text").fill("severity:high")
    page.get_by_label("Search text").press("Enter")
    expect(page.locator(".im-figures-bar h1 b")).not_to_have_text("95 incidents")
    assert "q=severity%3Ahigh" in page.url
    cell = page.locator('[data-id="T1059"] > a.im-cell')
    count = cell.locator("b").inner_text()
    fold = page.locator('[data-id="T1059"] summary')
    expect(page.locator('[data-id="T1059.001"]')).to_be_hidden()
    fold.press("Enter")
    expect(page.locator('[data-id="T1059.001"]')).to_be_visible()
    cell.click()
    page.wait_for_url("**/incidents/?**")
    assert rows(page) == f"{count} rows"
    expect(page.locator(".im-chip")).to_contain_text("T1059")
    page.go_back()
    expect(page.locator(".im-figures-bar h1 b")).to_contain_text("incidents")


def test_the_matrix_switches_by_links_and_is_walked_by_arrows(desk: Desk, site: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{site}/attack/?{WINDOW}")
    page.get_by_role("link", name="Hosts", exact=True).click()
    expect(page.get_by_role("link", name="Hosts", exact=True)).to_have_attribute("aria-current", "true")
    expect(page.locator('[data-id="T1059"] > a.im-cell b')).to_have_text("9")
    assert "by=hosts" in page.url
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator(".im-tactic")).to_have_count(15)
    page.go_back()
    expect(page.locator(".im-tactic")).to_have_count(1)
    page.get_by_role("link", name="Open", exact=True).click()
    below = page.locator('[data-id="T1059.001"] a.im-cell')
    expect(below).to_be_visible()
    page.wait_for_load_state()
    page.locator('[data-id="T1059"] > a.im-cell').focus()
    page.keyboard.press("ArrowDown")
    expect(below).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator('[data-id="T1059"] > a.im-cell')).to_be_focused()


def test_the_layer_comes_down_as_a_file(desk: Desk, site: str, lead: User, tmp_path: Path) -> None:
    page = desk(lead)
    page.goto(f"{site}/attack/?{WINDOW}")
    with page.expect_download() as coming:
        page.get_by_role("link", name="Navigator layer").click()
    assert re.fullmatch(r"attack-layer-\d{8}-\d{6}\.json", coming.value.suggested_filename)
    coming.value.save_as(tmp_path / "layer.json")
    layer = json.loads((tmp_path / "layer.json").read_text())
    assert {item["techniqueID"]: item["score"] for item in layer["techniques"]} == {"T1059": 95, "T1059.001": 95}


def test_a_figure_leads_to_its_list(desk: Desk, site: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{site}/statistics/?{WINDOW}")
    panel = page.locator('[data-panel="rule.name"]')
    line = panel.get_by_role("row", name=re.compile("^Rule 1"))
    count = line.locator("td.is-num").first.inner_text()
    line.get_by_role("link").first.click()
    page.wait_for_url("**/incidents/?**")
    assert rows(page) == f"{count} rows"
    page.go_back()
    page.locator('[data-panel="backlog"] a').last.click()
    page.wait_for_url("**/incidents/?**")
    expect(page.locator(".im-chip")).to_contain_text("not Status: Rejected or Closed")


def test_a_bar_leads_to_its_list_and_a_brush_narrows_the_page(desk: Desk, site: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{site}/statistics/?start=2025-11-23T10:00:00Z&end=2025-11-23T13:00:00Z")
    chart = page.locator(".im-over .im-chart canvas").first
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box
    total = page.locator(".im-figures-bar h1 b").inner_text()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.6, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=5)
    page.mouse.up()
    expect(page.locator(".im-figures-bar h1 b")).not_to_have_text(total)
    assert "/statistics/" in page.url
    # The chart of the narrower time has no canvas before it is drawn.
    expect(chart).to_be_visible()
    # The foot of the highest bar: its lowest colour's list, of this bar's time alone.
    data = json.loads(page.locator(".im-over .im-chart").get_attribute("data-values") or "")
    bars = list(zip(*(one["counts"] for one in data["series"]), strict=True))
    at = max(range(len(bars)), key=lambda number: sum(bars[number]))
    lowest = next(number for number, count in enumerate(bars[at]) if count)
    box = page.locator(".im-over .im-chart").bounding_box()
    assert box
    page.mouse.click(box["x"] + 46 + (box["width"] - 54) * (at + 0.5) / len(bars), box["y"] + box["height"] - 24)
    page.wait_for_url("**/incidents/?**start=**")
    count = bars[at][lowest]
    assert rows(page) == f"{count} row{'s' if count > 1 else ''}"
    expect(page.locator(".im-chip")).to_contain_text(data["series"][lowest]["label"])


def test_the_chart_is_by_another_field_and_its_table_agrees(desk: Desk, site: str, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{site}/statistics/?{WINDOW}")
    page.locator(".im-over").get_by_role("link", name="Status").click()
    expect(page.locator(".im-over .im-seg [aria-current]")).to_have_text("Status")
    assert "by=status" in page.url
    page.locator(".im-over summary", has_text="Show as a table").click()
    table = page.locator(".im-over table")
    expect(table.get_by_role("columnheader", name="In Progress")).to_be_visible()
    last = table.locator("tbody tr td:last-child").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in last) == 95


def test_everything_is_there_without_a_script(scriptless_desk: Desk, site: str, lead: User) -> None:
    page = scriptless_desk(lead)
    page.goto(f"{site}/attack/?{WINDOW}")
    page.get_by_role("link", name="Open", exact=True).click()
    assert "sub-techniques=open" in page.url
    expect(page.locator('[data-id="T1059.001"]')).to_be_visible()
    page.get_by_label("Search text").fill("severity:low")
    page.get_by_role("button", name="Search").click()
    assert "sub-techniques=open" in page.url
    assert "q=severity%3Alow" in page.url
    page.goto(f"{site}/statistics/?{WINDOW}")
    page.locator(".im-over").get_by_role("link", name="Rule", exact=True).click()
    page.locator(".im-over summary", has_text="Show as a table").click()
    expect(page.locator(".im-over table")).to_contain_text("Rule 4")
    page.locator(".im-over table tbody a").first.click()
    page.wait_for_url("**/incidents/?**")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_figures_are_accessible(desk: Desk, site: str, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme, tolerate=("status of 400",))
    for name, address in VIEWS.items():
        page.goto(site + address.format(window=WINDOW))
        expect(page.locator("main")).to_be_visible()
        page.evaluate("document.querySelectorAll('details.im-behind').forEach((part) => { part.open = true; })")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_pages_of_figures_fit_the_screen(desk: Desk, site: str, lead: User, width: int) -> None:
    page = desk(lead)
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("attack-all", "statistics-rule"):
        page.goto(site + VIEWS[name].format(window=WINDOW))
        expect(page.locator("main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

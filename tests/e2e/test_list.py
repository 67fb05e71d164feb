"""An analyst's list in a browser: filter, sort, page, jump, tick, open a group; and nothing hard to use."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.incidents.pits import release_all
from tests import pictures, stored
from tests.e2e.conftest import menus
from tests.stored import at

Desk = Callable[..., Page]


def keys(page: Page) -> list[str]:
    """Return the rows as they stand."""
    found: list[str] = page.locator("tr[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)")
    return found


def total(page: Page) -> str:
    """Return what the toolbar says of the number of rows."""
    return page.locator(".im-bar h1 b").inner_text()


def parameter(page: Page, name: str) -> list[str]:
    """Return a parameter of the address."""
    return parse_qs(urlsplit(page.url).query).get(name, [])


def test_a_filter_becomes_a_chip_that_inverts_and_goes_away(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    expect(page.locator(".im-bar h1 b")).to_have_text("91 rows")
    page.locator(".im-facets").get_by_role("link", name="High", exact=False).first.click()
    chip = page.locator(".im-chip")
    expect(chip).to_contain_text("Severity: High")
    expect(page.locator(".im-bar h1 b")).to_have_text(re.compile(r"^2\d rows"))
    severities = set(page.locator(".im-c-sev").all_inner_texts())
    assert severities == {"High"}
    assert parameter(page, "severity") == ["high"]
    page.get_by_role("link", name="Invert the filter Severity").click()
    expect(chip).to_contain_text("not Severity: High")
    assert "High" not in page.locator(".im-c-sev").all_inner_texts()
    page.get_by_role("link", name="Remove the filter Severity").click()
    expect(chip).to_have_count(0)
    expect(page.locator(".im-bar h1 b")).to_have_text("91 rows")


def test_each_kind_of_custom_filter_works(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    form = page.get_by_role("form", name="Custom filters")
    form.get_by_label("Site").select_option("north")
    expect(page.locator(".im-chip")).to_contain_text("Site: north")
    form.get_by_label("Score").fill("<20")
    form.get_by_label("Score").press("Enter")
    expect(page.locator(".im-chip")).to_have_count(2)
    form.get_by_label("Ticket").fill("inc-1*")
    form.get_by_label("Ticket").press("Enter")
    expect(page.locator(".im-chip")).to_have_count(3)
    form.locator("summary", has_text="Tags").click()
    form.get_by_label("b", exact=True).check()
    form.locator("details").get_by_role("button", name="Apply").click()
    expect(page.locator(".im-chip")).to_have_count(4)
    # north and under 20 and INC-1…: 10, 12, 14, 16 and 18.
    expect(page.locator(".im-bar h1 b")).to_have_text("5 rows")
    assert keys(page) == [f"incident/i{n}" for n in (10, 12, 14, 16, 18)]


def test_pages_go_forward_and_back_over_the_same_rows(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=all")
    expect(page.locator(".im-bar h1 b")).to_have_text("96 rows")
    visited = [keys(page)]
    stored.incidents({f"later{n}": {"@timestamp": at(60), "title": "Later"} for n in range(30)})
    for number in (2, 3, 4):
        page.get_by_role("link", name="Next page").click()
        expect(page.locator(".im-pages [aria-current]")).to_have_text(str(number))
        visited.append(keys(page))
    flat = [key for one in visited for key in one]
    assert len(flat) == len(set(flat)) == 96
    assert not [key for key in flat if "later" in key]
    for number in (3, 2, 1):
        page.get_by_role("link", name="Previous page").click()
        expect(page.locator(".im-pages [aria-current]")).to_have_text(str(number))
        assert keys(page) == visited[number - 1]
    # The browser's own Back and Forward, and a reload, come to the same rows.
    page.go_back()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    assert keys(page) == visited[1]
    page.reload()
    assert keys(page) == visited[1]
    page.go_forward()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("1")
    assert keys(page) == visited[0]


def test_sorting_and_the_page_size_are_in_the_address(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    page.get_by_role("link", name="Severity", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_contain_text("Severity")
    assert parameter(page, "sort") == ["severity:desc"]
    assert page.locator(".im-c-sev").first.inner_text() == "Critical"
    page.get_by_role("link", name="Severity", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_be_visible()
    assert page.locator(".im-c-sev").first.inner_text() == "Low"
    page.locator(".im-pager summary", has_text="Rows").click()
    page.get_by_role("button", name="50", exact=True).click()
    expect(page.locator(".im-place")).to_have_text("1–50 of 91")
    page.goto(list_url)
    expect(page.locator(".im-place")).to_have_text("1–50 of 91")


def test_an_ended_point_in_time_is_explained_in_place(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=all")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    last = keys(page)[-1]
    release_all(analyst.pk)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".im-callout")).to_contain_text("opened again as of")
    assert last in keys(page)[:2]


def test_new_rows_are_counted_and_shown_only_when_asked_for(desk: Desk, list_url: str, analyst: User) -> None:
    analyst.preferences = {"list": {"auto": 15}}
    analyst.save()
    page = desk(analyst)
    page.clock.install()
    page.goto(list_url)
    before = keys(page)
    stored.incidents({f"later{n}": {"@timestamp": at(60), "title": "Later"} for n in range(3)})
    page.clock.run_for(16_000)
    expect(page.locator("#news")).to_contain_text("3 new")
    assert keys(page) == before
    page.locator("#news").get_by_role("link", name="show").click()
    expect(page.locator(".im-bar h1 b")).to_have_text("94 rows")
    assert keys(page)[0].startswith("incident/later")


def test_ticks_take_ranges_and_outlive_a_page(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    bar = page.get_by_role("toolbar", name="Ticked rows")
    expect(bar).to_be_hidden()
    place = page.locator(".im-table").bounding_box()
    boxes = page.locator("input[data-tick]")
    boxes.nth(1).check()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(bar).to_contain_text("5 ticked")
    assert page.locator(".im-table").bounding_box() == place, "nothing moves for the bar"
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    expect(bar).to_contain_text("5 ticked")
    boxes.nth(0).check()
    expect(bar).to_contain_text("6 ticked")
    page.get_by_role("link", name="Previous page").click()
    expect(page.locator("tr.is-ticked")).to_have_count(5)
    bar.get_by_role("button", name="Clear the ticks").click()
    expect(bar).to_be_hidden()


def test_ticks_wait_with_their_rows_when_others_take_the_place(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    bar = page.get_by_role("toolbar", name="Ticked rows")
    for number in (1, 3):
        page.locator("input[data-tick]").nth(number).check()
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator(".im-toast")).to_contain_text("2 ticks stayed with the rows before; Back returns to them.")
    expect(bar).to_be_hidden()
    page.go_back()
    expect(bar).to_contain_text("2 ticked")
    page.locator(".im-facets").get_by_role("link", name="High").first.click()
    expect(page.locator(".im-chip")).to_contain_text("High")
    expect(page.locator(".im-toast")).to_contain_text("2 ticks stayed")


def test_a_group_opens_in_place_and_closes(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    link = page.locator("a[data-members]")
    expect(link).to_have_text("5")
    link.click()
    expect(page.locator("tr.im-member")).to_have_count(5)
    expect(link).to_have_attribute("aria-expanded", "true")
    link.click()
    expect(page.locator("tr.im-member")).to_have_count(0)


def test_jump_to_time_comes_to_its_row(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=incidents")
    page.locator(".im-pager summary", has_text="Jump to time").click()
    # i60 stands an hour before 13:13:20 in Warsaw; the page is to begin at the first row not after 12:13.
    page.get_by_label("Time in Europe/Warsaw").fill("2025-11-23T12:13:20")
    page.get_by_role("button", name="Jump", exact=True).click()
    expect(page.locator("tr[data-key]").first).to_have_attribute("data-key", "incident/i60")


def test_the_keys_move_tick_page_and_explain(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.is-here")).to_have_attribute("data-key", keys(page)[1])
    page.keyboard.press("x")
    expect(page.locator("tr.is-ticked")).to_have_count(1)
    page.keyboard.press("n")
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    page.keyboard.press("p")
    expect(page.locator(".im-pages [aria-current]")).to_have_text("1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("jx?")
    expect(page.locator("#q")).to_have_value("jx?")


def test_a_link_works_from_the_moment_it_is_swapped_in(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    # The observer runs before anything else can: a link that htmx does not know yet would load the whole page.
    page.evaluate(
        """() => {
            window.sameDocument = true;
            const watch = new MutationObserver(() => {
                if (document.querySelector(".im-pages [aria-current]")?.textContent.trim() !== "2") return;
                watch.disconnect();
                document.querySelector("a[data-previous]").click();
                window.turned = true;
            });
            watch.observe(document.body, { childList: true, subtree: true });
            document.querySelector("a[data-next]").click();
        }"""
    )
    page.wait_for_function("() => window.turned || !window.sameDocument")
    expect(page.locator(".im-place")).to_have_text("1–25 of 91")
    assert page.evaluate("window.sameDocument") is True


def test_density_columns_and_the_folded_chart_are_remembered(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    page.get_by_role("button", name="Compact rows").click()
    expect(page.locator("#view.is-compact")).to_be_visible()
    inside = page.locator(".im-tablewrap").bounding_box()
    assert inside
    bottoms = [box["y"] + box["height"] for row in page.locator("tr[data-key]").all() if (box := row.bounding_box())]
    assert sum(bottom <= inside["y"] + inside["height"] for bottom in bottoms) >= 14
    page.get_by_role("button", name="Severity over time").click()
    expect(page.locator(".im-sev.is-folded")).to_be_visible()
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Ticket", exact=True).last.check()
    page.locator(".im-columns-pop").get_by_role("button", name="Apply").click()
    expect(page.get_by_role("columnheader", name="Ticket")).to_be_visible()
    page.goto(list_url)
    expect(page.locator("#view.is-compact .im-sev.is-folded")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Ticket")).to_be_visible()


def test_a_bar_and_a_brushed_span_narrow_the_time(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url.replace("start=2025-11-01&end=2025-12-31", "start=2025-11-23T10:00Z&end=2025-11-23T14:00Z"))
    chart = page.locator(".im-chart canvas").first
    chart.wait_for()
    page.locator(".im-behind summary").click()
    link = page.locator(".im-behind tbody a").first
    start = parse_qs(urlsplit(link.get_attribute("href") or "").query)["start"][0]
    link.click()
    page.wait_for_url(re.compile(f"start={re.escape(quote_plus(start))}"))
    page.go_back()
    chart.wait_for()
    page.wait_for_function("document.querySelector('.im-chart canvas').width > 0")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"start=2025-11-23T1[12]%3A\d\d%3A00.000Z"))
    # The chart is drawn again after the swap, and its bars are the rows of the list.
    chart.wait_for()
    expect(page.locator(".im-time")).to_contain_text("→")


def test_it_works_without_a_script(scriptless_desk: Desk, list_url: str, analyst: User) -> None:
    page = scriptless_desk(analyst)
    page.goto(list_url)
    page.get_by_role("link", name="Next page").click()
    assert page.locator(".im-pages [aria-current]").inner_text() == "2"
    page.locator(".im-facets").get_by_role("link", name="Low", exact=False).first.click()
    assert set(page.locator(".im-c-sev").all_inner_texts()) == {"Low"}
    page.fill("#q", "")
    page.get_by_role("button", name="Compact rows").click()
    assert page.locator("#view.is-compact").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible(desk: Desk, list_url: str, analyst: User, theme: str) -> None:
    page = desk(analyst, theme=theme)
    page.goto(list_url + "&severity=high&not.status=closed")
    page.locator(".im-chart canvas").wait_for()
    page.locator("input[data-tick]").first.check()
    pictures.take(page, f"list-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("[data-untick]").click()
    opened = list(menus(page))
    # Time, counter, filter, view, custom, group, export, columns, rows, jump, account.
    assert len(opened) >= 10
    for name, inside in opened:
        assert inside.violations_count == 0, f"{name}: {inside.generate_report()}"

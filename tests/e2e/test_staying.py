"""What an analyst keeps while the list changes around him: the focus, his place, the card, and what he is typing."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, Route, expect

from imweb.accounts.models import User
from tests.e2e.test_list import Desk, keys

TABLE = ".im-tablewrap"


def top(page: Page, part: str = TABLE) -> float:
    """Return how far a part is scrolled."""
    return float(page.locator(part).evaluate("part => part.scrollTop"))


def scrolled(page: Page, part: str = TABLE) -> float:
    """Scroll a part and return how far."""
    page.locator(part).evaluate("part => { part.scrollTop = 300; }")
    assert top(page, part) > 100
    return top(page, part)


def documents(page: Page) -> list[str]:
    """Return the whole pages that are read from here on; it grows while they are."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if request.resource_type == "document" else None)
    return found


def press(control: Locator) -> None:
    control.focus()
    control.press("Enter")


def test_the_focus_stays_on_the_control_that_changed_the_list(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url)
    bar = page.locator(".im-bar h1")
    ways = {
        "the pager": page.get_by_role("link", name="Next page"),
        "a facet": page.locator(".im-facets").get_by_role("link", name="High").first,
        "a chip": page.get_by_role("link", name="Invert the filter Severity"),
        "a tile": page.locator(".im-tile", has_text="Low"),
        "what the rows are": page.get_by_role("link", name="Everything"),
        "a heading": page.get_by_role("columnheader", name="Severity").get_by_role("link"),
        "Refresh": page.locator("a[data-refresh]"),
        "the density": page.get_by_role("button", name="Compact rows"),
        "the chart's fold": page.get_by_role("button", name="Severity over time"),
    }
    for name, way in ways.items():
        before = page.locator("#view").evaluate("view => { view.dataset.old = '1'; return view.dataset.url; }")
        rows = page.locator("#rows").get_attribute("data-canonical")
        press(way)
        # The parts are new; the control of the same name has the focus.
        page.wait_for_function(
            """([url, rows]) => !document.querySelector('#view[data-old]')
               || document.querySelector('#rows').dataset.canonical !== rows""",
            arg=[before, rows],
        )
        expect(way, name).to_be_focused()
        # A screen reader is told what came of it.
        expect(page.locator("#live")).to_contain_text(bar.inner_text().replace("\n", ""))
    press(page.get_by_role("link", name="Remove the filter Severity").first)
    expect(page.locator(".im-chip")).to_have_count(1)
    assert page.evaluate("document.activeElement.closest('.im-chips') !== null"), "the next thing beside the chip"


def test_a_place_is_kept_by_reload_and_by_back(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=all&size=50")
    first = scrolled(page)
    page.reload()
    expect(page.locator("tr[data-key]").first).to_be_attached()
    assert top(page) == first
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    assert top(page) == 0
    second = scrolled(page)
    page.go_back()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("1")
    assert top(page) == first
    page.go_forward()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    assert top(page) == second
    page.locator("a[data-open]").nth(12).click()
    page.get_by_role("link", name="Open full page").click()
    page.wait_for_url("**/incidents/i*/")
    page.go_back()
    expect(page.locator("#flyout #card")).to_be_visible()
    assert abs(top(page) - second) < 60, "the row of the open card is in sight where it was"
    expect(page.locator("tr.is-open")).to_be_in_viewport()


def test_facets_stay_where_they_are_and_folded(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.set_viewport_size({"width": 1440, "height": 620})
    page.goto(list_url)
    page.locator(".im-facets summary", has_text="Severity").click()
    place = scrolled(page, ".im-facets")
    page.locator(".im-facets").get_by_role("link", name="Rule 3").first.click()
    expect(page.locator(".im-chip")).to_contain_text("Rule: Rule 3")
    assert abs(top(page, ".im-facets") - place) < 40
    expect(page.locator(".im-facets details", has_text="Severity").first).not_to_have_attribute("open", "")


def test_rows_changed_by_key_stay_in_sight(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&size=50&status=new")
    row = page.locator("tr[data-key]").nth(25)
    row.locator("input[data-tick]").check()
    before, place, address = keys(page), top(page), page.url
    assert place > 100
    page.keyboard.press("a")
    expect(row.locator(".im-c-rev")).to_contain_text("lead")
    assert (keys(page), top(page), page.url) == (before, place, address)
    expect(page.locator("tr.is-here")).to_have_attribute("data-key", before[25])


def test_back_from_a_card_reads_no_page_and_returns_the_focus(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".im-pages [aria-current]")).to_have_text("2")
    link = page.locator("a[data-open]").nth(4)
    link.click()
    expect(page.locator("#flyout #card")).to_be_visible()
    read = documents(page)
    page.go_back()
    expect(page.locator("#flyout #card")).to_have_count(0)
    expect(link).to_be_focused()
    page.go_forward()
    expect(page.locator("#flyout #card")).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    assert read == []


def test_a_card_outlives_a_change_of_the_list_and_stands_in_its_address(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents")
    page.locator("a[data-open]").nth(2).click()
    card = page.locator("#flyout #card")
    key = str(card.get_attribute("data-key"))
    page.locator(".im-facets").get_by_role("link", name="Low").first.click()
    expect(page.locator(".im-chip")).to_contain_text("Severity: Low")
    expect(card).to_have_attribute("data-key", key)
    page.reload()
    expect(card).to_have_attribute("data-key", key)
    expect(page.locator(".im-chip")).to_contain_text("Severity: Low")


def test_a_group_s_incidents_open_in_the_flyout_and_back_leads_to_the_group(
    desk: Desk, list_url: str, lead: User
) -> None:
    page = desk(lead)
    page.goto(list_url)
    page.get_by_role("link", name="Five of a kind", exact=True).click()
    card = page.locator("#flyout #card")
    card.locator(".im-members").get_by_role("link").nth(1).click()
    expect(card.locator("[data-card-title]")).to_have_text("Detection 01")
    assert "open=incident%2Fm1" in page.url
    page.reload()
    expect(card.locator("[data-card-title]")).to_have_text("Detection 01")
    card.locator("section", has_text="Part of").get_by_role("link", name="Five of a kind").click()
    expect(card.locator("[data-card-title]")).to_have_text("Five of a kind")
    page.go_back()
    expect(card.locator("[data-card-title]")).to_have_text("Detection 01")
    page.go_back()
    expect(card.locator("[data-card-title]")).to_have_text("Five of a kind")
    # A level, and a bar's row in the table, lead to the incidents that they count.
    level = card.locator("#card-incidents").get_by_role("link", name="Critical 2")
    assert "severity=critical" in str(level.get_attribute("href"))
    card.locator("summary", has_text="Show as a table").click()
    card.locator(".im-behind tbody a").first.click()
    page.wait_for_url("**incident_aggregation_result_id=result-1**")
    expect(page.locator(".im-bar h1 b")).to_have_text("1 row")


def test_of_two_changes_at_once_the_later_one_holds(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url)
    held: list[Route] = []
    # The first answer comes last.
    page.route("**severity=high**", lambda route: held.append(route))
    facets = page.locator(".im-facets")
    facets.get_by_role("link", name="High", exact=False).first.click()
    facets.get_by_role("link", name="Low", exact=False).first.click()
    expect(page.locator(".im-chip")).to_contain_text("Severity: Low")
    with page.expect_response("**severity=high**") as late:
        held[0].continue_()
    late.value.finished()
    expect(page.locator("body.is-busy")).to_have_count(0)
    expect(page.locator(".im-chip")).to_contain_text("Severity: Low")
    assert page.locator("#view").evaluate("view => view.dataset.url") == page.evaluate(
        "location.pathname + location.search"
    )

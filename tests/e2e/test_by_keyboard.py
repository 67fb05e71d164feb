"""A whole triage by Tab, Enter, Space and arrows, without a pointer or a single key: the focus is always in sight."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from imweb.accounts.models import User
from imweb.web.keys import PREFERENCE
from tests.e2e.test_keys import doc_of, source, toast
from tests.e2e.test_list import Desk

STOPS = 120
# What is wrong with the focus as somebody sees it, else nothing.
UNSEEN = """
() => {
  const at = document.activeElement;
  if (!at || at === document.body) return "nothing has the focus";
  const words = (at.getAttribute("aria-label") || at.textContent).trim().slice(0, 40);
  const name = `${at.localName}.${at.className} “${words}”`;
  const box = at.getBoundingClientRect();
  const away = box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth;
  if (away) return `${name}: out of sight`;
  const parts = [at, at.closest("label"), at.closest(".im-search")].filter(Boolean);
  const marked = (style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1);
  const styles = parts.map((part) => getComputedStyle(part));
  const seen = styles.some((style) => marked(style) || style.boxShadow !== "none");
  return seen ? null : `${name}: the focus cannot be seen`;
}
"""


def tab_to(page: Page, way: Locator, *, back: bool = False) -> None:
    """Go to a control from stop to stop; each is to be in sight."""
    for _ in range(STOPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        unseen = page.evaluate(UNSEEN)
        assert unseen is None, unseen
        if way.evaluate("way => way === document.activeElement"):
            return
    raise AssertionError(f"{way} is no stop within {STOPS}")


def choose(page: Page, way: Locator) -> None:
    tab_to(page, way)
    page.keyboard.press("Enter")


def test_a_triage_needs_no_pointer_and_no_single_key(desk: Desk, list_url: str, lead: User) -> None:
    lead.preferences = {PREFERENCE: {"off": True}}
    lead.save()
    page = desk(lead)
    page.goto(list_url + "&mode=incidents")
    card, dialog = page.locator("#flyout #card"), page.locator("#bulk")

    # To the search text, past the navigation; a filter from the facets; on to the rows.
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#q"), back=True)
    page.keyboard.type("Detection ")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_have_attribute("data-url", re.compile("q=Detection"))
    expect(page.locator("#q")).to_be_focused()
    choose(page, page.locator(".im-facets").get_by_role("link", name="New", exact=False).first)
    expect(page.locator(".im-chip")).to_contain_text("Status: New")
    choose(page, page.locator("a[data-open]").first)

    # The card: taken, commented, closed with a verdict; then back at the row.
    expect(card.locator("[data-card-title]")).to_be_focused()
    doc_id = doc_of(page.locator("tr.is-open"))
    taken = card.get_by_role("button", name="Assign to me")
    if taken.count() == 0:
        taken = card.get_by_role("button", name="Take over")
    choose(page, taken)
    expect(toast(page)).to_contain_text("Reviewer → lead")
    assert source(doc_id)["reviewer"] == "lead"
    assert page.evaluate("document.activeElement.closest('#flyout') !== null"), "the focus stays in the card"
    tab_to(page, card.get_by_role("textbox", name="Comment"))
    page.keyboard.type("By keyboard")
    choose(page, card.get_by_role("button", name="Comment", exact=True))
    expect(card.locator(".im-said").first).to_have_text("By keyboard")
    tab_to(page, card.locator("summary", has_text="Close with verdict"), back=True)
    page.keyboard.press("Enter")
    tab_to(page, card.get_by_label("Resolution", exact=True))
    page.keyboard.type("Benign")
    choose(page, card.get_by_role("button", name="Close it", exact=True))
    expect(card.locator("summary", has_text="Status")).to_contain_text("Closed")
    held = source(doc_id)
    assert (held["status"], held["resolution"], held["comment"]) == ("closed", "benign", "By keyboard")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    row = page.locator(f'tr[data-key="incident/{doc_id}"]')
    expect(row.locator("a[data-open]")).to_be_focused()

    # Two rows together: ticked, changed, taken back; then among the rows again.
    for number in (1, 2):
        tab_to(page, page.locator("input[data-tick]").nth(number))
        page.keyboard.press("Space")
    docs = [doc_of(page.locator("tr[data-key]").nth(number)) for number in (1, 2)]
    tab_to(page, page.get_by_role("button", name="Change…", exact=True), back=True)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Change 2 rows")).to_be_visible()
    tab_to(page, dialog.get_by_label("Severity"))
    page.keyboard.type("Info")
    choose(page, dialog.get_by_role("button", name="Preview"))
    expect(dialog.get_by_role("heading", name="2 rows will change like this")).to_be_visible()
    choose(page, dialog.get_by_role("button", name="Change 2 rows"))
    expect(dialog.get_by_role("heading", name="Done")).to_be_visible()
    assert [source(one)["severity"] for one in docs] == ["informational"] * 2
    choose(page, dialog.locator("footer").get_by_role("button", name="Close"))
    expect(dialog).to_be_hidden()
    expect(page.locator(f'tr[data-key="incident/{docs[0]}"] .im-c-sev')).to_have_text("Info")
    expect(page.locator(".im-tablewrap :focus, .im-tablewrap:focus")).to_have_count(1)
    assert page.evaluate(UNSEEN) is None

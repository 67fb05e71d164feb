"""Many rows changed at once in a browser: what a person sees, and what is stored afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from imweb.accounts.models import User
from imweb.opensearch import gateway, schema
from tests import pictures, stored
from tests.e2e.test_list import Desk


def _stored(doc_id: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found
    return found.source


def _dialog(page: Page) -> Locator:
    return page.locator("#bulk")


def _counts(page: Page) -> dict[str, str]:
    expect(_dialog(page).get_by_role("heading", name="Done")).to_be_visible()
    return dict(reversed(text.split(" ", 1)) for text in page.locator(".im-bulk-counts li").all_inner_texts())


def test_ticked_rows_are_changed_and_taken_back(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    boxes = page.locator("input[data-tick]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    ticked = [
        row.removeprefix("incident/")
        for row in page.locator("tr.is-ticked").evaluate_all("rows => rows.map(row => row.dataset.key)")
    ]
    before = [_stored(doc_id) for doc_id in ticked]
    page.get_by_role("button", name="Change…", exact=True).click()
    dialog = _dialog(page)
    expect(dialog.get_by_role("heading", name="Change 3 rows")).to_be_visible()
    dialog.get_by_label("Severity").select_option("critical")
    dialog.get_by_label("Reviewer").select_option(lead.username)
    dialog.get_by_label("Comment").fill("one campaign")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_role("heading", name="3 rows will change like this")).to_be_visible()
    expect(dialog.get_by_role("row", name="Severity")).to_contain_text("Critical")
    pictures.take(page, "bulk-preview")
    dialog.get_by_role("button", name="Change 3 rows").click()
    assert _counts(page) == {"updated": "3", "unchanged": "0", "conflicted": "0", "not allowed": "0", "failed": "0"}
    for doc_id in ticked:
        assert (_stored(doc_id)["severity"], _stored(doc_id)["reviewer"]) == ("critical", lead.username)
    expect(page.locator("tr.is-ticked")).to_have_count(0)
    dialog.get_by_role("button", name="Take it back").click()
    expect(dialog.get_by_role("heading", name="Taken back")).to_be_visible()
    for doc_id, old in zip(ticked, before, strict=True):
        now = _stored(doc_id)
        assert (now["severity"], now.get("reviewer")) == (old["severity"], old.get("reviewer"))
    dialog.locator("footer").get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_bar_of_ticked_rows_takes_them_at_once_and_asks_for_a_verdict(
    desk: Desk, list_url: str, analyst: User
) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=incidents&status=new")
    boxes = page.locator("input[data-tick]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    keys = page.locator("tr.is-ticked").evaluate_all("rows => rows.map(row => row.dataset.key)")
    bar = page.get_by_role("toolbar", name="Ticked rows")
    bar.get_by_role("button", name="Assign to me").click()
    expect(page.locator("#toasts")).to_contain_text("Undo")
    for key in keys:
        expect(page.locator(f'tr[data-key="{key}"] .im-c-rev')).to_contain_text(analyst.username)
        assert _stored(key.removeprefix("incident/"))["reviewer"] == analyst.username
    boxes.nth(0).check()
    bar.get_by_role("button", name="Status…").click()
    dialog = _dialog(page)
    expect(dialog.get_by_label("Status")).to_be_focused()
    page.keyboard.press("Escape")
    bar.get_by_role("button", name="Comment…").click()
    expect(dialog.get_by_label("Comment")).to_be_focused()
    page.keyboard.press("Escape")
    bar.get_by_role("button", name="Close with verdict…").click()
    expect(dialog.get_by_label("Status")).to_have_value("closed")
    expect(dialog.get_by_label("Resolution", exact=True)).to_be_focused()


def test_no_status_is_cut_off_beside_its_reviewer(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=incidents&status=in_progress")
    expect(page.locator('[data-st="in_progress"]').first).to_be_visible()
    beyond = page.locator(".im-c-st .im-status").evaluate_all(
        "marks => marks.filter(mark => mark.getBoundingClientRect().right > "
        "mark.closest('td').getBoundingClientRect().right).map(mark => mark.textContent)"
    )
    assert beyond == []


def test_the_rows_stay_and_show_what_they_hold_after_a_change(
    desk: Desk,
    list_url: str,
    lead: User,
) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&severity=low")
    keys = page.locator("tr[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)")
    page.locator("input[data-tick]").first.check()
    page.get_by_role("button", name="Change all").click()
    dialog = _dialog(page)
    dialog.get_by_label("Severity").select_option("high")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change ").click()
    total = int(page.locator(".im-bar h1 b").inner_text().split()[0])
    assert _counts(page)["updated"] == str(total)
    dialog.locator("footer").get_by_role("button", name="Close").click()
    expect(page.locator(".im-c-sev").first).to_have_text("High")
    assert page.locator("tr[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)") == keys


def test_what_may_not_be_changed_is_listed_and_stays_ticked(
    desk: Desk,
    list_url: str,
    analyst: User,
) -> None:
    page = desk(analyst)
    page.goto(list_url + "&mode=incidents")
    closed = page.locator("tr[data-key]", has=page.locator('[data-st="closed"]')).first
    key = closed.get_attribute("data-key")
    closed.locator("input[data-tick]").check()
    page.locator("tr[data-key]", has=page.locator('[data-st="new"]')).first.locator("input[data-tick]").check()
    page.get_by_role("button", name="Change…", exact=True).click()
    dialog = _dialog(page)
    expect(dialog.get_by_label("Severity")).to_have_count(0)
    dialog.get_by_label("Status").select_option("in_progress")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change 2 rows").click()
    counts = _counts(page)
    assert counts["updated"] == "1"
    assert counts["not allowed"] == "1"
    # The row is called as the list calls it, and leads to its card.
    name = dialog.get_by_role("row").nth(1).get_by_role("link")
    expect(name).to_have_text(closed.locator("a[data-open]").inner_text())
    expect(name).to_have_attribute("href", str(closed.locator("a[data-open]").get_attribute("href")))
    dialog.locator("footer").get_by_role("button", name="Close").click()
    expect(page.locator("tr.is-ticked")).to_have_count(1)
    expect(page.locator("tr.is-ticked")).to_have_attribute("data-key", str(key))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dialog_is_accessible(desk: Desk, list_url: str, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme)
    page.goto(list_url)
    page.locator("input[data-tick]").first.check()
    pictures.take(page, f"bulk-bar-{theme}")
    page.get_by_role("button", name="Change…", exact=True).click()
    expect(_dialog(page).get_by_role("button", name="Preview")).to_be_visible()
    pictures.take(page, f"bulk-{theme}")
    steps = {"Preview": "will change like this", "Change 1 row": "Done", "Take it back": "Taken back"}
    _dialog(page).get_by_label("Comment").fill("one campaign")
    for button, heading in steps.items():
        found = Axe().run(page)
        assert found.violations_count == 0, f"before {button}: {found.generate_report()}"
        _dialog(page).get_by_role("button", name=button).click()
        expect(_dialog(page).get_by_role("heading", name=heading)).to_be_visible()
    page.keyboard.press("Escape")
    expect(_dialog(page)).to_be_hidden()


@pytest.mark.parametrize("doc_id", ["i06", "with a blank"])
def test_ticked_rows_are_changed_without_a_script(
    scriptless_desk: Desk, list_url: str, lead: User, doc_id: str
) -> None:
    stored.incidents({"with a blank": {"title": "A blank in its id", "severity": "low"}})
    page = scriptless_desk(lead)
    page.goto(list_url + "&mode=incidents")
    page.locator(f'input[value="incident/{doc_id}"]').check()
    page.get_by_role("button", name="Change ticked…").click()
    expect(page.get_by_role("heading", name="Change 1 row")).to_be_visible()
    page.get_by_label("Severity").select_option("critical")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Change 1 row").click()
    expect(page.locator(".im-bulk-counts")).to_contain_text("1 updated")
    assert _stored(doc_id)["severity"] == "critical"
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("heading", name="Taken back")).to_be_visible()
    assert _stored(doc_id)["severity"] != "critical"

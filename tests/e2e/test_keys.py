"""A shift by keyboard alone: every write by key says what it did and can be taken back; the keys are the user's own."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import editing
from imweb.opensearch import gateway, schema
from tests import pictures
from tests.e2e.test_list import Desk


def source(doc_id: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return found.source


def here(page: Page) -> Locator:
    return page.locator("tr.is-here")


def doc_of(row: Locator) -> str:
    return str(row.get_attribute("data-key")).removeprefix("incident/")


def toast(page: Page) -> Locator:
    return page.locator(".im-toast").last


def test_a_row_is_taken_by_key_and_given_back_by_key(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    row, doc_id = here(page), doc_of(here(page))
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Reviewer → lead")
    expect(row.locator(".im-c-rev")).to_contain_text("lead")
    assert source(doc_id)["reviewer"] == "lead"
    pictures.take(page, "keys-toast")
    page.keyboard.press("z")
    expect(toast(page)).to_contain_text("Reviewer → lead taken back")
    expect(row.locator(".im-c-rev")).not_to_contain_text("lead")
    assert "reviewer" not in source(doc_id)


def test_status_comment_and_verdict_by_key_and_on_to_the_next(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Set the status")
    expect(dialog.get_by_role("button", name="In progress")).to_be_focused()
    pictures.take(page, "keys-status")
    page.keyboard.press("Enter")
    expect(toast(page)).to_contain_text("Status → In Progress")
    expect(here(page).locator(".im-status")).to_have_text("In Progress")
    expect(here(page).locator("a[data-open]")).to_be_focused()
    page.keyboard.press("c")
    page.get_by_role("dialog", name="Comment").wait_for()
    page.keyboard.type("Looks *odd*")
    pictures.take(page, "keys-comment")
    page.keyboard.press("Control+Enter")
    expect(toast(page)).to_contain_text("commented")
    page.keyboard.press("e")
    expect(
        page.get_by_role("dialog", name="Close with a verdict").get_by_label("Resolution", exact=True)
    ).to_be_focused()
    page.keyboard.type("False")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Known tool")
    pictures.take(page, "keys-verdict")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(toast(page)).to_contain_text("Resolution → false positive")
    closed = page.locator(f'tr[data-key="incident/{doc_id}"]')
    expect(closed.locator(".im-status")).to_have_text("Closed")
    held = source(doc_id)
    assert (held["status"], held["comment"], held["resolution"]) == ("closed", "Looks *odd*", "false_positive")
    assert held["resolution_note"] == "Known tool"
    assert doc_of(here(page)) != doc_id
    page.keyboard.press("z")
    expect(closed.locator(".im-status")).to_have_text("In Progress")
    assert "resolution" not in source(doc_id)


def test_the_next_verdict_is_read_ahead(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    following = str(page.locator("tr[data-key]").nth(1).get_attribute("data-key")).removeprefix("incident/")
    with page.expect_response(f"**/incidents/{following}/key/close"):
        page.keyboard.press("e")
    page.locator("#act").get_by_label("Resolution", exact=True).select_option("benign")
    page.get_by_role("button", name="Close it, go to the next").click()
    expect(page.locator("#act")).to_be_hidden()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("e")
    expect(page.get_by_role("dialog", name="Close with a verdict")).to_be_visible()
    assert [url for url in asked if url.endswith(f"{following}/key/close")] == []


def test_a_verdict_is_taken_back_while_the_next_one_is_asked_for(desk: Desk, list_url: str, lead: User) -> None:
    """The message stands within reach above the form, and not behind it; the form's text stays as a draft."""
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    closed, dialog = page.locator(f'tr[data-key="incident/{doc_id}"]'), page.locator("#act")
    page.keyboard.press("e")
    dialog.get_by_label("Resolution", exact=True).select_option("benign")
    dialog.get_by_role("button", name="Close it, go to the next").click()
    expect(closed.locator(".im-status")).to_have_text("Closed")
    page.keyboard.press("e")
    note = dialog.get_by_label("Note", exact=True)
    note.fill("Half a thought")
    pictures.take(page, "keys-verdict-toast", widths=pictures.WIDTHS)
    dialog.locator(".im-toast").get_by_role("button", name="Undo").click()
    expect(dialog).to_be_hidden()
    expect(closed.locator(".im-status")).to_have_text("New")
    assert "resolution" not in source(doc_id)
    expect(page.locator("body > .im-toasts .im-toast")).to_contain_text("taken back")
    page.keyboard.press("e")
    expect(note).to_have_value("Half a thought")


def test_those_like_a_row_are_a_key_away_also_after_a_change(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Reviewer → lead")
    page.keyboard.press("m")
    expect(page.locator(".im-bar h1 b")).not_to_have_text("32 rows")
    assert "entities.host=WS-0" in page.url
    assert "start=2025-11-01" in page.url


def test_what_somebody_changed_since_is_not_taken_back(desk: Desk, list_url: str, lead: User, analyst: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Reviewer → lead")
    editing.update(actor_of(lead), "incident", doc_id, {"reviewer": None})
    editing.update(actor_of(analyst), "incident", doc_id, {"reviewer": "analyst"})
    toast(page).get_by_role("button", name="Undo").click()
    expect(toast(page)).to_contain_text("analyst has changed Reviewer again since; that stays.")
    assert source(doc_id)["reviewer"] == "analyst"


def test_who_presses_second_sees_who_was_first(desk: Desk, list_url: str, lead: User, analyst: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    editing.update(actor_of(analyst), "incident", doc_id, {"reviewer": "analyst"})
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Assign to me")
    expect(dialog.get_by_role("alert")).to_contain_text("analyst")
    pictures.take(page, "keys-collision")
    dialog.get_by_text("Keep theirs").click()
    expect(dialog).to_be_hidden()
    expect(here(page).locator(".im-c-rev")).to_contain_text("analyst")
    assert source(doc_id)["reviewer"] == "analyst"


def test_ticked_rows_are_taken_together_and_given_back(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    docs = []
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
        docs.append(doc_of(here(page)))
    before = [source(doc_id).get("reviewer") for doc_id in docs]
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Changed: 3 rows")
    assert [source(doc_id)["reviewer"] for doc_id in docs] == ["lead"] * 3
    expect(page.locator("tr.is-ticked")).to_have_count(0)
    page.keyboard.press("z")
    expect(toast(page)).to_contain_text("Taken back: 3 rows")
    assert [source(doc_id).get("reviewer") for doc_id in docs] == before


def test_ticked_rows_get_a_status_in_the_dialog_that_begins_there(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("s")
    expect(page.locator("#bulk").get_by_label("Status")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator("#bulk").get_by_label("Resolution", exact=True)).to_be_focused()
    expect(page.locator("#bulk").get_by_label("Status")).to_have_value("closed")


def test_the_card_has_the_same_keys(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    page.keyboard.press("Enter")
    card = page.locator("#flyout #card")
    expect(card).to_have_attribute("data-key", f"incident/{doc_id}")
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("Reviewer → lead")
    assert source(doc_id)["reviewer"] == "lead"
    page.keyboard.press("z")
    expect(toast(page)).to_contain_text("taken back")
    expect(card.get_by_role("button", name="Assign to me")).to_be_visible()
    page.keyboard.press("s")
    expect(card.get_by_role("button", name="→ In progress")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(card).not_to_have_attribute("data-key", f"incident/{doc_id}")


def test_the_keys_walk_through_whole_groups_of_a_folded_list(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&group_by=rule.name")
    page.keyboard.press("j")
    expect(page.locator("tr.im-fold").first).to_have_class("im-fold is-here")
    page.keyboard.press("a")
    expect(toast(page)).to_contain_text("This is a whole group")
    page.keyboard.press("x")
    expect(here(page).get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-key]").first).to_be_visible()
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-key", str(page.locator("tr[data-key]").first.get_attribute("data-key")))


def test_keys_are_chosen_refused_turned_off_and_set_back(
    desk: Desk, list_url: str, lead: User, live_server: Any
) -> None:
    page = desk(lead, tolerate=("status of 400",))
    page.goto(f"{live_server.url}/preferences")
    page.get_by_label("next row").fill("k")
    page.get_by_role("button", name="Save the keys").click()
    expect(page.get_by_text("“k” is taken already: next row.")).to_be_visible()
    expect(page.get_by_label("previous row")).to_have_attribute("aria-invalid", "true")
    pictures.take(page, "keys-refused")
    page.get_by_label("next row").fill("h")
    page.get_by_role("button", name="Save the keys").click()
    expect(toast(page)).to_contain_text("Saved.")
    page.goto(list_url + "&mode=incidents")
    page.keyboard.press("j")
    expect(here(page)).to_have_count(0)
    page.keyboard.press("h")
    expect(here(page)).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys").get_by_text("h", exact=True)).to_be_visible()
    pictures.take(page, "keys-help")
    page.get_by_role("link", name="Change the keys").click()
    page.get_by_label("Single keys are on").uncheck()
    page.get_by_role("button", name="Save the keys").click()
    page.goto(list_url + "&mode=incidents")
    page.keyboard.press("h")
    page.keyboard.press("?")
    expect(here(page)).to_have_count(0)
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)
    page.goto(f"{live_server.url}/help")
    expect(page.get_by_text("You have turned single keys off.")).to_be_visible()
    page.goto(f"{live_server.url}/preferences")
    page.get_by_role("button", name="Back to the usual keys").click()
    page.goto(list_url + "&mode=incidents")
    page.keyboard.press("j")
    expect(here(page)).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_forms_and_the_preferences_are_accessible(
    desk: Desk, list_url: str, lead: User, live_server: Any, theme: str
) -> None:
    page = desk(lead, theme=theme)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    forms = {"s": "Set the status", "c": "Comment", "e": "Close with a verdict", "?": "Keys"}
    for key, name in forms.items():
        page.keyboard.press(key)
        page.get_by_role("dialog", name=name).wait_for()
        pictures.take(page, f"keys-{name.split()[0]}-{theme}")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.keyboard.press("Escape")
    page.get_by_role("link", name="Recent changes of many").click()
    page.get_by_role("dialog", name="Your recent bulk changes").wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    page.goto(f"{live_server.url}/preferences")
    pictures.take(page, f"preferences-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()

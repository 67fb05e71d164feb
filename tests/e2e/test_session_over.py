"""A session that ends in the middle of work comes back to the same place with what was typed; tabs do not mix."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import editing
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import pictures
from tests.e2e.test_keys import doc_of, here, source
from tests.e2e.test_list import Desk
from tests.stored import at


@pytest.fixture
def over() -> Any:
    """Return a function that ends the session on the server's side of the browser."""

    def end(page: Page) -> None:
        page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)

    return end


def come_back(page: Page, name: str = "lead") -> None:
    page.wait_for_url("**/login?**")
    expect(page.get_by_text("Your session ended.")).to_be_visible()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/incidents/**")


def test_a_comment_on_the_card_is_kept(desk: Desk, list_url: str, lead: User, over: Any) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    page.keyboard.press("Enter")
    card = page.locator("#flyout #card")
    card.get_by_role("textbox", name="Comment").fill("Half a thought")
    before = page.url
    over(page)
    card.get_by_role("button", name="Comment", exact=True).click()
    come_back(page)
    assert page.url == before
    expect(card.get_by_role("textbox", name="Comment")).to_have_value("Half a thought")
    card.get_by_role("button", name="Comment", exact=True).click()
    expect(card.locator(".im-said").first).to_have_text("Half a thought")
    assert source(doc_id)["comment"] == "Half a thought"


def test_a_field_being_edited_is_open_again_with_its_value(desk: Desk, list_url: str, lead: User, over: Any) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.locator("a[data-open]").first.click()
    card = page.locator("#flyout #card")
    site = card.locator("form", has=page.locator('[name="v.site"]'))
    card.locator("summary", has_text="north").click()
    site.get_by_label("Site").select_option("south")
    over(page)
    site.get_by_role("button", name="Save").click()
    come_back(page)
    expect(site.get_by_label("Site")).to_be_visible()
    expect(site.get_by_label("Site")).to_have_value("south")
    site.get_by_role("button", name="Save").click()
    expect(page.locator(".im-toast").last).to_contain_text("Site → south")


def test_the_verdict_asked_for_by_key_stands_there_again(desk: Desk, list_url: str, lead: User, over: Any) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    doc_id = doc_of(here(page))
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Close with a verdict")
    dialog.get_by_label("Resolution", exact=True).select_option("benign")
    dialog.get_by_label("Note").fill("The scanner")
    over(page)
    dialog.get_by_role("button", name="Close it").click()
    come_back(page)
    expect(dialog.get_by_label("Resolution", exact=True)).to_have_value("benign")
    expect(dialog.get_by_label("Note")).to_have_value("The scanner")
    dialog.get_by_role("button", name="Close it").click()
    expect(dialog).to_be_hidden()
    held = source(doc_id)
    assert (held["status"], held["resolution"], held["resolution_note"]) == ("closed", "benign", "The scanner")


def test_the_bulk_form_stands_there_again_with_the_ticked_rows(
    desk: Desk, list_url: str, lead: User, over: Any
) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    docs = []
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
        docs.append(doc_of(here(page)))
    page.get_by_role("button", name="Change…", exact=True).click()
    dialog = page.locator("#bulk")
    dialog.get_by_label("Severity").select_option("low")
    dialog.get_by_label("Comment").fill("one campaign")
    over(page)
    dialog.get_by_role("button", name="Preview").click()
    come_back(page)
    expect(dialog.get_by_role("heading", name="Change 2 rows")).to_be_visible()
    expect(dialog.get_by_label("Severity")).to_have_value("low")
    expect(dialog.get_by_label("Comment")).to_have_value("one campaign")
    expect(page.locator("tr.is-ticked")).to_have_count(2)
    pictures.take(page, "session-bulk")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change 2 rows").click()
    expect(dialog.get_by_role("heading", name="Done")).to_be_visible()
    assert [source(doc_id)["severity"] for doc_id in docs] == ["low", "low"]


def test_another_user_in_the_same_tab_reads_no_draft(
    desk: Desk, list_url: str, lead: User, analyst: User, over: Any
) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.locator("a[data-open]").first.click()
    card = page.locator("#flyout #card")
    card.get_by_role("textbox", name="Comment").fill("For my eyes")
    over(page)
    card.get_by_role("button", name="Comment", exact=True).click()
    come_back(page, "analyst")
    expect(card.get_by_role("textbox", name="Comment")).to_have_value("")


def test_two_tabs_have_each_their_own_frozen_rows_and_ticks(desk: Desk, list_url: str, lead: User) -> None:
    first = desk(lead)
    first.goto(list_url + "&mode=incidents&q=Detection&status=new")
    total = first.locator(".im-bar h1 b")
    expect(total).to_have_text("32 rows")
    for n in range(3):
        editing.create(actor_of(lead), f"late{n}", {"@timestamp": at(-n), "title": "Detection late", "severity": "low"})
    second = first.context.new_page()
    second.goto(list_url + "&mode=incidents&q=Detection&status=new")
    expect(second.locator(".im-bar h1 b")).to_have_text("35 rows")
    assert first.locator("#view").get_attribute("data-rs") != second.locator("#view").get_attribute("data-rs")
    second.locator("input[data-tick]").first.check()
    first.reload()
    expect(total).to_have_text("32 rows")
    expect(first.locator("tr.is-ticked")).to_have_count(0)
    first.locator("input[data-tick]").first.check()
    first.get_by_role("button", name="Change all 32 matching…").click()
    dialog = first.locator("#bulk")
    dialog.get_by_label("Severity").select_option("critical")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change 32 rows").click()
    expect(dialog.get_by_role("heading", name="Done")).to_be_visible()
    late = gateway().mget([(schema.incidents_alias(), f"late{n}") for n in range(3)])
    assert [doc.source["severity"] for doc in late if doc] == ["low"] * 3
    expect(second.locator("tr.is-ticked")).to_have_count(1)


def test_a_bulk_change_is_taken_back_after_its_dialog_was_closed(desk: Desk, list_url: str, lead: User) -> None:
    CustomField.objects.filter(name="site").update(bulk_editable=True)
    apply_custom_fields()
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    page.keyboard.press("j")
    page.keyboard.press("x")
    doc_id = doc_of(here(page))
    was = source(doc_id)["site"]
    page.get_by_role("button", name="Change…", exact=True).click()
    dialog = page.locator("#bulk")
    dialog.get_by_label("empty it · Site").check()
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change 1 row").click()
    expect(dialog.get_by_role("heading", name="Done")).to_be_visible()
    assert "site" not in source(doc_id)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Recent changes of many").click()
    expect(dialog.get_by_role("rowheader", name="Site → empty")).to_be_visible()
    page.wait_for_load_state("networkidle")
    pictures.take(page, "bulk-recent")
    dialog.get_by_role("button", name="Take it back").click()
    expect(dialog.get_by_role("heading", name="Taken back")).to_be_visible()
    assert source(doc_id)["site"] == was

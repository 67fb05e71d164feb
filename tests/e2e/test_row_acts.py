"""A row changed where it stands, by mouse: its status, and taking what is nobody's."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import expect

from imweb.accounts.models import User
from tests import pictures, stored
from tests.e2e.test_keys import doc_of, source, toast
from tests.e2e.test_list import Desk


def test_a_row_s_status_is_set_and_it_is_taken_where_it_stands(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url + "&mode=incidents&status=new&not.reviewer=*")
    row = page.locator("tr[data-key]").nth(2)
    doc_id, url = doc_of(row), page.url
    row.hover()
    expect(row.get_by_text("Take", exact=True)).to_be_visible()
    expect(row.locator(".im-none")).to_be_hidden()
    pictures.take(page, "row-acts")
    row.get_by_role("link", name="Assign to me").click()
    expect(toast(page)).to_contain_text("Reviewer → lead")
    row = page.locator(f'tr[data-key="incident/{doc_id}"]')
    expect(row.locator(".im-c-rev")).to_contain_text("lead")
    assert source(doc_id)["reviewer"] == "lead"

    row.get_by_role("link", name="Set the status").click()
    dialog = page.get_by_role("dialog", name="Set the status")
    dialog.get_by_role("button", name="In progress").click()
    expect(row.locator(".im-status")).to_have_text("In Progress")
    expect(dialog).to_be_hidden()
    assert source(doc_id)["status"] == "in_progress"
    # The list is where it was, and no card was opened over it.
    assert page.url == url
    expect(page.locator("#card")).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(row.locator(".im-status")).to_have_text("New")
    assert source(doc_id)["status"] == "new"


def test_without_a_script_the_row_leads_to_the_same_forms(scriptless_desk: Desk, list_url: str, lead: User) -> None:
    page = scriptless_desk(lead)
    page.goto(list_url + "&mode=incidents&status=new")
    doc_id = doc_of(page.locator("tr[data-key]").first)
    page.locator('a[data-act="status"]').first.click()
    page.get_by_role("button", name="In progress").click()
    page.get_by_text("Saved.").wait_for()
    assert source(doc_id)["status"] == "in_progress"


def test_a_verdict_goes_on_to_those_like_it_after_a_preview(desk: Desk, list_url: str, lead: User) -> None:
    today = {"@timestamp": datetime.now(UTC).isoformat(), "rule": {"name": "Whoami"}, "entities": {"host": "WS-1"}}
    stored.incidents({f"t{n}": {**today, "title": f"Today {n}"} for n in range(4)})
    page = desk(lead)
    page.goto(list_url.partition("?")[0] + "?mode=incidents&status=new")
    doc_id = doc_of(page.locator("tr[data-key]").first)
    page.locator("a[data-open]").first.click()
    card = page.locator("#card")
    card.locator("summary", has_text="Close with verdict").click()
    expect(card.get_by_label("Duplicate of")).to_be_hidden()
    card.get_by_label("Resolution", exact=True).select_option("duplicate")
    expect(card.get_by_label("Duplicate of")).to_be_visible()
    card.get_by_label("Resolution", exact=True).select_option("benign")
    card.get_by_role("button", name="Close it and those like it").click()
    dialog = page.get_by_role("dialog").filter(has_text="will change like this")
    expect(dialog.get_by_role("row", name="Resolution")).to_contain_text("Benign")
    assert source(doc_id)["resolution"] == "benign"
    pictures.take(page, "alike-preview")
    dialog.get_by_role("button", name=re.compile(r"Change \d+ rows?")).click()
    expect(page.get_by_role("dialog")).to_contain_text("3 updated")
    assert {source(f"t{n}")["resolution"] for n in range(4)} == {"benign"}

"""The card in a browser: opened beside the list, edited in place, no typed text lost; and nothing hard to use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import editing
from imweb.incidents.documents import iso
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import pictures, stored
from tests.e2e.conftest import menus
from tests.stored import at

Desk = Callable[..., Page]


@pytest.fixture
def list_url(indices: None, live_server: Any) -> str:
    """Twelve incidents and a group of thirty; the address of their window."""
    CustomField.objects.create(name="site", label="Site", type="select", options=["north", "south"])
    apply_custom_fields()
    stored.incidents({f"i{n:02}": _incident(n) for n in range(12)})
    stored.group("g1", {f"m{n}": _incident(n) for n in range(30)}, severity="high", title="Thirty of a kind")
    return f"{live_server.url}/incidents/?start=2025-11-01&end=2025-12-31"


def _incident(number: int) -> dict[str, Any]:
    return {
        "@timestamp": at(-60 * number),
        "title": f"Detection {number:02}",
        "description": "Detects `whoami` run by **services**.",
        "severity": ["critical", "high", "medium", "low"][number % 4],
        "rule": {"id": "7", "name": "Whoami"},
        "entities": {"host": "WS-1", "user": "CORP\\ann", "command_line": "whoami /all", "parent_process": "cmd.exe"},
        "mitre": ["TA0002", "T1059.001"],
        "event": {"winlog": {"event_id": 4688, "channel": "Security"}, "process": {"command_line": "whoami /all"}},
        "site": "north",
    }


def source(doc_id: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return found.source


def open_card(page: Page, url: str, title: str = "Detection 03") -> Any:
    page.goto(url)
    page.locator("a[data-open]", has_text=title).click()
    card = page.locator("#flyout #card")
    expect(card.locator("[data-card-title]")).to_have_text(title)
    return card


def order(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)")
    return found


def test_a_lead_edits_reviewer_and_comment_and_the_row_follows_in_its_place(
    desk: Desk, list_url: str, lead: User, analyst: User
) -> None:
    page = desk(lead)
    card = open_card(page, list_url)
    before = order(page)
    card.locator("summary", has_text="Reviewer").click()
    card.get_by_label("Reviewer", exact=True).fill("analyst")
    card.locator("form", has=page.locator("#reviewer")).get_by_role("button", name="Save").click()
    row = page.locator('tr[data-key="incident/i03"]')
    expect(row.locator(".im-c-rev")).to_contain_text("analyst")
    assert order(page) == before
    card.get_by_role("textbox", name="Comment").fill("Checked the *host*")
    card.get_by_role("button", name="Comment").click()
    expect(card.locator(".im-said").first).to_have_text("Checked the host")
    expect(card.get_by_role("textbox", name="Comment")).to_have_value("")
    held = source("i03")
    assert (held["reviewer"], held["comment"]) == ("analyst", "Checked the *host*")
    page.reload()
    expect(page.locator("#flyout [data-card-title]")).to_have_text("Detection 03")
    expect(page.locator('tr[data-key="incident/i03"] .im-c-rev')).to_contain_text("analyst")


def test_back_closes_and_next_goes_on(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    card = open_card(page, list_url)
    card.get_by_role("button", name="Next").click()
    expect(page.locator("#flyout [data-card-title]")).not_to_have_text("Detection 03")
    page.go_back()
    expect(page.locator("#flyout [data-card-title]")).to_have_text("Detection 03")
    page.go_back()
    expect(page.locator("#flyout #card")).to_have_count(0)


def test_close_with_a_verdict_goes_to_the_next(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    card = open_card(page, list_url)
    page.keyboard.press("e")
    card.get_by_label("Resolution", exact=True).select_option("false_positive")
    card.get_by_label("Note").fill("Known tool")
    card.get_by_role("button", name="Close, go to next").click()
    expect(page.locator("#flyout [data-card-title]")).not_to_have_text("Detection 03")
    expect(page.locator('tr[data-key="incident/i03"] .im-status')).to_have_text("Closed")
    held = source("i03")
    assert (held["status"], held["resolution"], held["resolution_note"]) == ("closed", "false_positive", "Known tool")
    expect(page.locator("tr.is-here")).to_have_count(1)
    expect(page.locator("tr.is-here.is-open")).to_have_count(1)


def test_the_one_who_comes_second_chooses_between_both_values(
    desk: Desk, list_url: str, lead: User, analyst: User
) -> None:
    page = desk(lead)
    card = open_card(page, list_url)
    editing.update(actor_of(analyst), "incident", "i03", {"reviewer": "analyst"})
    card.get_by_role("button", name="Assign to me").click()
    expect(card.get_by_role("alert")).to_contain_text("Somebody was faster")
    expect(card.get_by_role("alert")).to_contain_text("analyst")
    assert source("i03")["reviewer"] == "analyst"
    card.get_by_role("button", name="Use mine").click()
    expect(card.get_by_role("alert")).to_have_count(0)
    assert source("i03")["reviewer"] == "lead"


def test_a_draft_outlives_a_reload_and_an_expired_session(
    desk: Desk, list_url: str, analyst: User, sign_in: Any
) -> None:
    page = desk(analyst)
    card = open_card(page, list_url)
    card.get_by_role("textbox", name="Comment").fill("A long thought")
    page.reload()
    expect(page.get_by_role("textbox", name="Comment")).to_have_value("A long thought")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.locator("#card").get_by_role("button", name="Comment").click()
    page.wait_for_url("**/login?**")
    page.get_by_label("User name").fill("analyst")
    page.get_by_label("Password").fill("analyst-password")
    page.get_by_role("button", name="Sign in").click()
    comment = page.get_by_role("textbox", name="Comment")
    expect(comment).to_have_value("A long thought")
    # It says that it is a draft, and whoever thinks better of it lets it go.
    page.get_by_text("Not saved yet.").get_by_role("button", name="Discard").click()
    expect(comment).to_have_value("")
    expect(page.get_by_text("Not saved yet.")).to_have_count(0)
    page.reload()
    page.locator("#card").wait_for()
    expect(comment).to_have_value("")


def test_the_event_is_searched(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    card = open_card(page, list_url)
    card.get_by_role("searchbox", name="Search in the event").fill("4688")
    expect(card.locator(".im-tree tr:visible")).to_have_count(1)


def test_a_group_spreads_a_change_and_reports(desk: Desk, list_url: str, lead: User) -> None:
    page = desk(lead)
    page.goto(list_url.partition("/incidents/")[0] + "/aggregations/g1/")
    page.locator("summary", has_text="Severity").first.click()
    form = page.locator("form", has=page.locator("#severity"))
    form.get_by_label("Severity").select_option("low")
    form.get_by_label("apply to the 30 incidents").check()
    form.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Done")
    assert {source(f"m{n}")["severity"] for n in range(30)} == {"low"}


def test_it_works_without_a_script(scriptless_desk: Desk, list_url: str, lead: User) -> None:
    page = scriptless_desk(lead)
    page.goto(list_url)
    page.get_by_role("link", name="Detection 03").first.click()
    page.fill("textarea[name='v.comment']", "No script")
    page.get_by_role("button", name="Comment").click()
    assert "No script" in page.locator(".im-said").first.inner_text()
    assert source("i03")["comment"] == "No script"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_flyout_and_pages_are_accessible(desk: Desk, list_url: str, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme)
    editing.update(actor_of(lead), "incident", "i03", {"severity": "critical", "comment": "Same parent as yesterday"})
    root = list_url.partition("/incidents/")[0]
    for name, address in (
        ("flyout", f"{list_url}&open=incident/i03"),
        ("card", f"{root}/incidents/i03/"),
        ("group", f"{root}/aggregations/g1/"),
    ):
        page.goto(address)
        page.locator("#card").wait_for()
        if name != "card":
            page.locator(".im-chart canvas").first.wait_for()
        found = Axe().run(page)
        pictures.take(page, f"{name}-{theme}", widths=pictures.WIDTHS)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        for menu, inside in menus(page, "#card"):
            assert inside.violations_count == 0, f"{name}, {menu}: {inside.generate_report()}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_was_decided_before_is_offered_as_the_verdict(
    desk: Desk, indices: None, live_server: Any, lead: User, theme: str
) -> None:
    now = iso(time.time_ns() // 1_000_000)
    closed = {"status": "closed", "resolution": "false_positive"}
    earlier = {f"old{n}": _incident(n) | {"@timestamp": now} | closed for n in range(3)}
    stored.incidents(earlier | {"i03": _incident(3) | {"@timestamp": now}})
    page = desk(lead, theme=theme)
    page.goto(f"{live_server.url}/incidents/?open=incident/i03")
    card = page.locator("#flyout #card")
    expect(card.locator(".im-before")).to_contain_text("this rule on this host 3 × in 30 days, 3 false positive")
    expect(card.locator("#card-related")).to_contain_text("3 other incidents")
    editing.update(actor_of(lead), "incident", "i03", {"severity": "high"})
    card.locator("summary", has_text="Severity").click()
    card.get_by_label("Severity", exact=True).select_option("medium")
    card.locator("form", has=page.locator("#severity")).get_by_role("button", name="Save").click()
    expect(card.get_by_role("alert")).to_contain_text("High")
    expect(page.locator('tr[data-key="incident/i03"] .im-c-sev')).to_have_text("High")
    card.locator("summary", has_text="Close with verdict").click()
    found = Axe().run(page)
    pictures.take(page, f"verdict-{theme}", widths=pictures.WIDTHS)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Same verdict: false positive").click()
    expect(card.locator("summary", has_text="Status")).to_contain_text("Closed")
    held = source("i03")
    assert (held["status"], held["resolution"], held["severity"]) == ("closed", "false_positive", "high")


def test_older_history_is_read_to_its_beginning(desk: Desk, list_url: str, lead: User) -> None:
    for number in range(104):
        editing.update(actor_of(lead), "incident", "i03", {"comment": f"said {number:03}"})
    page = desk(lead)
    card = open_card(page, list_url)
    expect(card.get_by_role("link", name="History 100+")).to_be_visible()
    expect(card.get_by_text("said 002")).to_have_count(0)
    card.get_by_role("link", name="Show older entries").scroll_into_view_if_needed()
    pictures.take(page, "history-older")
    card.get_by_role("link", name="Show older entries").click()
    expect(card.get_by_text("said 000")).to_be_visible()
    expect(card.get_by_role("link", name="Show older entries")).to_have_count(0)

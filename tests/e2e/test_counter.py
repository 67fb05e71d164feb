"""The counter of new rows: it asks by itself, says what it cannot do, and leaves alone whoever is at work."""

from __future__ import annotations

from django.conf import settings
from playwright.sync_api import expect

from imweb.accounts.models import User
from tests import stored
from tests.e2e.test_list import Desk, keys


def _with_counter(user: User) -> None:
    user.preferences = {"list": {"auto": 15}}
    user.save()


def test_the_counter_says_that_the_session_ended_and_leaves_the_page_alone(
    desk: Desk, list_url: str, lead: User
) -> None:
    _with_counter(lead)
    page = desk(lead)
    page.clock.install()
    page.goto(list_url)
    page.locator("input[data-tick]").first.check()
    page.get_by_role("button", name="Change…", exact=True).click()
    comment = page.locator("#bulk").get_by_label("Comment")
    comment.fill("Not sent yet")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.clock.run_for(16_000)
    expect(page.locator("#news")).to_have_text(" · signed out, sign in again", use_inner_text=False)
    expect(comment).to_have_value("Not sent yet")
    assert "/login?" in str(page.locator("#news a").get_attribute("href"))


def test_a_server_that_is_away_is_told_of_once(desk: Desk, list_url: str, lead: User) -> None:
    _with_counter(lead)
    page = desk(lead, tolerate=("ERR_INTERNET_DISCONNECTED",))
    page.clock.install()
    page.goto(list_url)
    page.locator(".im-chart canvas").wait_for()
    page.context.set_offline(True)
    for _ in range(3):
        page.clock.run_for(16_000)
        expect(page.locator("#news")).to_contain_text("new rows cannot be counted now")
    expect(page.locator(".im-toast")).to_have_count(0)
    page.context.set_offline(False)
    stored.incidents({"later": {"title": "Later"}})
    page.clock.run_for(16_000)
    expect(page.locator("#news")).to_contain_text("1 new")


def test_opening_cards_does_not_put_the_counter_off(desk: Desk, list_url: str, lead: User) -> None:
    _with_counter(lead)
    page = desk(lead)
    page.clock.install()
    page.goto(list_url)
    stored.incidents({"later": {"title": "Later"}})
    for number in range(3):
        page.clock.run_for(6_000)
        page.locator("a[data-open]").nth(number).click()
        expect(page.locator(f"#card[data-key='{keys(page)[number]}']")).to_be_visible()
    expect(page.locator("#news")).to_contain_text("1 new")

"""The query bar: suggestions by keyboard, and a mistake pointed at with the text kept."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from imweb.accounts.models import User
from tests import pictures
from tests.e2e.test_list import Desk


def test_names_values_and_operators_are_suggested_and_taken_by_keyboard(
    desk: Desk, list_url: str, analyst: User
) -> None:
    page = desk(analyst)
    page.goto(list_url)
    bar = page.get_by_role("combobox", name="Search text")
    page.keyboard.press("/")
    page.keyboard.type("sever")
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(options.first).to_contain_text("severity")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(bar).to_have_value("severity:")
    expect(options.filter(has_text="critical")).to_contain_text("Critical")
    pictures.take(page, "suggest")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.type("CRI")
    expect(options).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(bar).to_have_value("severity:critical ")
    expect(bar).to_be_focused()
    expect(options.first).to_contain_text("and")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("user:corp")
    expect(options.first).to_contain_text("CORP\\ann")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(bar).to_have_value('severity:critical and user:"CORP\\\\ann" ')
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".im-bar h1 b")).to_have_text(re.compile(r"^2\d rows"))
    assert set(page.locator(".im-c-sev").all_inner_texts()) == {"Critical"}


def test_the_colon_typed_after_a_field_was_taken_does_not_stand_twice(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    bar = page.get_by_role("combobox", name="Search text")
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    page.keyboard.press("/")
    page.keyboard.type("sever")
    expect(options.first).to_contain_text("severity")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type(":cri")
    expect(bar).to_have_value("severity:cri")
    expect(options).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.type(":x")
    expect(bar).to_have_value("severity:cri:x")


def test_a_mistake_is_pointed_at_and_the_text_is_kept(desk: Desk, list_url: str, analyst: User) -> None:
    page = desk(analyst)
    page.goto(list_url)
    page.fill("#q", "severity:high and (status:new")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#q-error")).to_be_visible()
    expect(page.locator("#q")).to_have_value("severity:high and (status:new")
    expect(page.locator("#q")).to_have_attribute("aria-invalid", "true")

"""A security key in a real browser, with Chromium's virtual authenticator: added, asked for, used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import SecurityKey, User

Desk = Callable[..., Page]
KEY = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": False, "hasUserVerification": False}


def faultless(page: Page) -> None:
    assert [item["id"] for item in Axe().run(page).response["violations"]] == []


def test_a_key_is_added_and_signs_in(desk: Desk, live_server: Any, indices: None, analyst: User) -> None:
    page = desk(analyst)
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = KEY | {"automaticPresenceSimulation": True}
    authenticator = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    page.goto(f"{live_server.url}/security")
    page.get_by_role("link", name="Add a security key").click()
    page.get_by_label("Which key it is").fill("blue")
    page.get_by_label("Your password").fill("analyst-password")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator(".im-codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("row", name="blue")).to_contain_text("never")
    faultless(page)
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Your password, to remove any of it").fill("analyst-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="blue")).to_be_visible()
    # The same key once more: the browser knows it.
    page.get_by_role("link", name="Add a security key").click()
    page.get_by_label("Which key it is").fill("again")
    page.get_by_label("Your password").fill("analyst-password")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("This key is added already.")).to_be_visible()
    assert SecurityKey.objects.count() == 1
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/login?next=/help")
    page.get_by_label("User name").fill("analyst")
    page.get_by_label("Password").fill("analyst-password")
    page.get_by_role("button", name="Sign in").click()
    faultless(page)
    page.get_by_role("button", name="Use a security key").click()
    expect(page).to_have_url(f"{live_server.url}/help")
    assert SecurityKey.objects.get().last_used_at
    devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": authenticator})

"""Somebody signs in with a real OpenID Connect provider in a browser, and connects the account that he has already."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import Identity, User
from imweb.accounts.setup import ensure_roles
from tests.provider import PASSWORD, Provider
from tests.provider.users import GROUPS

Desk = Callable[..., Page]


@pytest.fixture
def on(identity_provider: Provider, settings: Any, transactional_db: None) -> Provider:
    """The provider is the one that people sign in with."""
    ensure_roles()
    identity_provider.use(settings, roles=GROUPS, label="Emca login")
    return identity_provider


def at_provider(page: Page, username: str) -> None:
    expect(page).to_have_title("Provider")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def faultless(page: Page) -> None:
    assert [item["id"] for item in Axe().run(page).response["violations"]] == []


def test_somebody_new_signs_in_and_is_where_he_wanted_to_go(
    page: Page, live_server: Any, indices: None, on: Provider
) -> None:
    page.goto(f"{live_server.url}/preferences")
    faultless(page)
    page.get_by_role("link", name="Sign in with Emca login").click()
    at_provider(page, "nina")
    expect(page).to_have_url(f"{live_server.url}/preferences")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Preferences")
    user = User.objects.get()
    assert (user.username, [role.name for role in user.roles.all()]) == ("nina", ["analyst"])
    page.goto(f"{live_server.url}/security")
    faultless(page)
    page.context.clear_cookies(name="im_session")
    page.goto(f"{live_server.url}/login")
    # The provider's own session still stands: no password is asked for.
    page.get_by_role("link", name="Sign in with Emca login").click()
    expect(page).to_have_url(re.compile(r"/incidents/"))
    assert User.objects.count() == 1


def test_a_name_is_no_way_into_an_account_until_its_owner_connects_it(
    desk: Desk, live_server: Any, indices: None, on: Provider, analyst: User
) -> None:
    page = desk(analyst, tolerate=("status of 403",))
    session = page.context.cookies()
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/login")
    page.get_by_role("link", name="Sign in with Emca login").click()
    at_provider(page, "analyst")
    expect(page.get_by_role("alert")).to_contain_text("There is an account named “analyst” here")
    faultless(page)
    page.context.add_cookies(session)
    page.goto(f"{live_server.url}/security")
    faultless(page)
    section = page.locator("section", has=page.get_by_role("heading", name="Sign-in with Emca login"))
    section.get_by_label("Your password").fill("analyst-password")
    section.get_by_role("button", name="Connect it").click()
    faultless(page)
    page.get_by_role("link", name="Go on to Emca login").click()
    expect(page.locator("body")).to_contain_text("The provider opens your account from now on.")
    assert Identity.objects.get().user == analyst

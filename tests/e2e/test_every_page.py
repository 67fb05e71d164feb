"""Every page of the URL configuration in both themes and at three widths: axe, console, policy, requests, overflow.

A page that is added to the URL configuration and not to `PAGES` or `NO_PAGES` fails the first test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from imweb.accounts import groups
from imweb.accounts.groups import GroupDefinition
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.web.urls import urlpatterns
from tests import pictures, stored
from tests.e2e.conftest import WINDOW
from tests.e2e.test_settings import furnish
from tests.integration.notified import rule

Desk = Callable[..., Page]
PAGES = {
    "home": "",
    "preferences": "preferences",
    "security": "security",
    "second-setup": "security/second",
    "key-new": "security/key",
    "help": "help",
    "incidents": f"incidents/?{WINDOW}",
    "card": "incidents/i1/",
    "card-history": "incidents/i1/history",
    "card-key": "incidents/i1/key/close",
    "groups": "groups/",
    "aggregation": "aggregations/five/",
    "aggregation-history": "aggregations/five/history",
    "aggregation-key": "aggregations/five/key/comment",
    "bulk-recent": "incidents/bulk/recent",
    "views": "views/",
    "statistics": f"statistics/?{WINDOW}",
    "attack": f"attack/?{WINDOW}",
    "notices": "notifications/",
    "settings-fields": "settings/fields",
    "settings-field-new": "settings/fields/new",
    "settings-field": "settings/fields/edit/site",
    "settings-severities": "settings/severities",
    "settings-severity-new": "settings/severities/new",
    "settings-severity": "settings/severities/edit/low",
    "settings-severity-remove": "settings/severities/remove/low",
    "settings-severity-set": "settings/severities/set/customer",
    "settings-severity-unknown": "settings/severities/unknown/odd",
    "settings-workflows": "settings/workflows",
    "settings-workflow-new": "settings/workflows/new",
    "settings-workflow": "settings/workflows/edit/phish",
    "settings-workflow-remove": "settings/workflows/remove/phish",
    "settings-status-unknown": "settings/workflows/status/parked?workflow=default",
    "settings-types": "settings/types",
    "settings-type-new": "settings/types/new",
    "settings-links": "settings/links",
    "settings-link-new": "settings/links/new",
    "settings-grouping": "settings/grouping",
    "settings-grouping-new": "settings/grouping/new",
    "settings-grouping-rule": "settings/grouping/edit/by_host",
    "settings-grouping-remove": "settings/grouping/remove/by_host",
    "settings-users": "settings/users",
    "settings-user-new": "settings/users/new",
    "settings-user": "settings/users/edit/admin",
    "settings-role-new": "settings/users/roles/new",
    "settings-role-edit": "settings/users/roles/edit/lead",
    "settings-group-new": "settings/users/groups/new",
    "settings-group": "settings/users/groups/edit/night",
    "settings-access": "settings/users/access",
    "settings-tokens": "settings/tokens",
    "settings-notifications": "settings/notifications",
    "settings-notification-new": "settings/notifications/new",
    "settings-notification": "settings/notifications/edit/hook",
    "notification-deliveries": "settings/notifications/deliveries",
    "audit": "settings/audit",
    "system": "system",
}
# The same pages of something else: a field without options, the workflow of all, whose graph is the largest.
MORE = {
    "settings-field-due": "settings/fields/edit/due",
    "settings-workflow-default": "settings/workflows/edit/default",
}
NO_PAGES = {
    "oidc": "sends to a provider; walked by tests/e2e/test_oidc.py",
    "oidc-back": "takes the provider's answer; walked by tests/e2e/test_oidc.py",
    "oidc-change": "a form; its page is walked by tests/e2e/test_oidc.py",
    "login": "sends whoever is signed in on; walked by the test of the sign-in below",
    "logout": "is posted to",
    "second": "stands only between a password and its code",
    "list-news": "the counter of new rows, a fragment",
    "list-members": "rows below a group, a fragment",
    "list-fold": "rows below a fold, a fragment",
    "suggestions": "the query bar's completion, JSON",
    "bell": "the bell in the header, a fragment",
    "bulk-task": "needs a job; opened where bulk changes are tested",
    "settings-type": "needs a type; opened where types are tested",
    "settings-type-remove": "needs a type; opened where types are tested",
    "settings-link": "needs a link; opened where links are tested",
    "settings-link-remove": "needs a link; opened where links are tested",
    "export": "a download",
    "audit-export": "a download",
    "attack-layer": "a download",
    "severities-css": "a stylesheet",
}


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


def test_every_address_that_answers_to_get_is_in_a_table() -> None:
    found = {
        pattern.name
        for pattern in urlpatterns
        if "GET" in getattr(pattern.callback, "methods", ("GET",)) and pattern.name is not None
    }
    assert found - PAGES.keys() - NO_PAGES.keys() == set()
    assert not PAGES.keys() & NO_PAGES.keys()
    assert PAGES.keys() <= found


def _faults(page: Page, where: str) -> list[str]:
    found = []
    if not page.title().strip(" ·") or page.locator("h1").count() == 0:
        found.append(f"{where}: no title or no heading")
    axe = Axe().run(page)
    if axe.violations_count:
        found.append(f"{where}: {axe.generate_report()}")
    for width in pictures.WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{where}: wider than {width}")
    page.set_viewport_size({"width": pictures.WIDTHS[0], "height": 900})
    pictures.take(page, f"page-{where}", widths=pictures.WIDTHS, whole=True)
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_has_nothing_that_axe_or_the_browser_complains_of(
    desk: Desk, new_indices: None, live_server: Any, administrator: User, lead: User, theme: str
) -> None:
    furnish()
    rule()
    stored.group("five", {f"m{n}": {"title": f"Member {n}"} for n in range(5)}, title="Five of a kind")
    night = GroupDefinition("night", "Night shift", frozenset({"analyst"}), frozenset({lead.username}))
    groups.save_group(night, by="admin", new=True)
    page = desk(administrator, theme=theme)
    faults = []
    for name, path in (PAGES | MORE).items():
        answer = page.goto(f"{live_server.url}/{path}")
        assert answer is not None
        if answer.status != 200:
            faults.append(f"{name}: status {answer.status}")
            continue
        faults += _faults(page, f"{name}-{theme}")
    assert faults == []


def test_the_sign_in_is_as_faultless(desk: Desk, live_server: Any, administrator: User) -> None:
    page = desk(administrator)
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/login")
    assert _faults(page, "login-light") == []

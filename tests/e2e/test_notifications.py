"""Notifications in a real browser: a rule made with its preview, the bell, a message given up and tried again."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents.editing import create, update
from imweb.notifications import following
from tests.integration.notified import SECRET, VARIABLE, answer, deliver, follow, make_due, receiver

SHOTS = ""


@pytest.fixture(autouse=True)
def _afresh(indices: None, transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, SECRET)
    settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.0/8"),)
    settings.IM_NOTIFY_ATTEMPTS = 3
    store.forget()
    following.begin()
    yield
    store.forget()


def faultless(page: Any) -> None:
    """Find nothing with axe-core, by WCAG 2.1 AA."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert found.violations_count == 0, found.generate_report()


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_rule_is_made_and_what_it_sends_is_followed(
    desk: Any, live_server: Any, administrator: User, analyst: User, theme: str
) -> None:
    boss = actor_of(administrator)
    for n, severity in enumerate(("critical", "low", "critical")):
        create(boss, None, {"title": f"Beacon to a rare domain {n}", "severity": severity})
    # What was before a rule is none of its events.
    follow()
    page = desk(administrator, theme=theme)
    with receiver() as hook:
        page.goto(f"{live_server.url}/settings/notifications")
        page.get_by_role("link", name="Add a rule").click()
        page.get_by_label("Title").fill("To the SOAR")
        page.get_by_label("Webhook").check()
        page.get_by_text("A webhook belongs to the whole system").wait_for()
        page.get_by_label("Only of incidents and groups that match").fill("severity:critical and (")
        page.locator("#check .im-caret").wait_for()
        shoot(page, f"rule-fault-{theme}")
        page.get_by_label("Only of incidents and groups that match").fill("severity:critical")
        page.locator("#check").get_by_text("2 of the last day").wait_for()
        page.get_by_label("Address").fill(hook.url)
        page.get_by_label("Variable that holds the secret").fill(VARIABLE)
        faultless(page)
        shoot(page, f"rule-{theme}")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Test To the SOAR").click()
        page.get_by_text("The test was delivered.").wait_for()
        assert hook.got[0].json["test"] is True
        hook.behave = answer(500, b"out of order")
        create(boss, None, {"title": "<b>Beacon</b> \u202eexe.fdp", "severity": "critical"})
        follow()
        for _ in range(3):
            deliver("to_the_soar")
            make_due()
        faultless(page)
        page.goto(f"{live_server.url}/settings/notifications")
        shoot(page, f"rules-{theme}")
        page.get_by_role("link", name="See why, and try again").click()
        page.get_by_text("3 tries").click()
        faultless(page)
        shoot(page, f"deliveries-{theme}")
        hook.behave = None
        page.get_by_role("button", name="Try again", exact=False).last.click()
        page.get_by_text("It is tried again within seconds.").wait_for()
        assert deliver("to_the_soar") == 1
        assert len({got.headers["webhook-id"] for got in hook.got[1:]}) == 1
    doc_id = create(boss, None, {"title": "<b>Beacon</b> \u202eexe.fdp", "severity": "high"}).id
    update(boss, "incident", doc_id, {"reviewer": "analyst"})
    update(boss, "incident", doc_id, {"comment": "@analyst please look at the proxy's log\nand call me."})
    follow()
    page.context.clear_cookies()
    desk(analyst, theme=theme)
    page.goto(f"{live_server.url}/incidents/")
    shoot(page, f"bell-{theme}")
    page.get_by_role("link", name="Notifications, 2 unread").wait_for()
    update(boss, "incident", doc_id, {"comment": "@analyst now?"})
    follow()
    # A page that stands open asks by itself, at the latest when somebody comes back to it.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="Notifications, 3 unread").click()
    page.get_by_text("please look at the proxy").wait_for()
    faultless(page)
    shoot(page, f"notices-{theme}")
    page.get_by_role("button", name="Mark all as read").click()
    page.get_by_role("link", name="Notifications", exact=True).first.wait_for()
    page.get_by_role("link", name="<b>Beacon</b>", exact=False).first.click()
    page.wait_for_url(f"**/incidents/{doc_id}/")

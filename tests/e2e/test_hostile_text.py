"""A detection that attacks whoever looks at it: everywhere its text is text, pages stay in shape, nothing runs."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents.editing import create
from imweb.incidents.fields import ENTITIES
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.notifications import following
from imweb.notifications.rules import RULES
from tests import pictures, stored
from tests.e2e.test_list import Desk
from tests.integration.notified import deliver, follow
from tests.stored import at

SCRIPT = "<script>window.ran=1</script><img src=x onerror=window.ran=1>"
BRACES = "{{ 7 }}{% now 'Y' %}${7*7}#{7}"
MARKS = "\u202egnp.exe\u202c\x07\x1b[31m\u200b\u0000".replace("\u0000", "\u2400")
HOSTILE = f"""=1+1{SCRIPT}'"`{BRACES}{MARKS}</title></textarea></style>javascript:window.ran=1//"""
LONG = HOSTILE + "W" * 10_000
WINDOW = "start=2025-11-01&end=2025-12-31"


def _nested(depth: int = 4) -> Any:
    return {HOSTILE[:120]: _nested(depth - 1), "long": LONG, "list": [HOSTILE, {"x": HOSTILE}]} if depth else HOSTILE


@pytest.fixture
def attacked(indices: None) -> None:
    CustomField.objects.create(name="ticket", label="Ticket", type="text", in_list=True)
    CustomField.objects.create(name="runbook", label="Runbook", type="markdown")
    CustomField.objects.create(name="site", label="Site", type="select", options=["a"], live_options=True)
    apply_custom_fields()
    entities = {name: [HOSTILE, LONG] for name in ENTITIES if name not in ("port", "process_id")}
    fields = {
        "title": LONG,
        "description": f"**{HOSTILE}** [here](javascript:window.ran=1) [there](data:text/html,{SCRIPT}) ![x](http://h/x)",
        "severity": "high",
        "source": HOSTILE,
        "rule": {"id": HOSTILE, "name": HOSTILE},
        "entities": entities,
        "mitre": ["T1059", HOSTILE],
        "reviewer": HOSTILE[:140],
        "comment": HOSTILE,
        "resolution_note": LONG,
        "incident_type": HOSTILE,
        "event": _nested(),
        "ticket": LONG,
        "runbook": f"# {HOSTILE}\n\n<iframe src=x></iframe>\n\n[x](javascript:window.ran=1)",
        "site": HOSTILE,
    }
    stored.incidents({"bad": {**fields, "@timestamp": at(0)}, "worse": {**fields, "@timestamp": at(-1)}})
    stored.group("badgroup", {"member": {**fields, "@timestamp": at(-2)}}, **fields)


def _unharmed(page: Page, what: str, *, text: bool = True) -> None:
    assert page.evaluate("window.ran") is None, what
    assert page.locator("img[src='x'], iframe, a[href^='javascript:' i], a[href^='data:' i]").count() == 0, what
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{what} is {wide} px too wide"
    # What scrolls by itself hides what is too wide: no text of the card may stick out of its column.
    out = page.locator(".im-card-main").evaluate_all("parts => parts.map(part => part.scrollWidth - part.clientWidth)")
    assert max(out, default=0) <= 0, f"{what}: {out} px too wide"
    if text:
        # The colours behind the search text stand letter by letter where the reader typed it.
        page.locator(".im-hl").evaluate_all("boxes => boxes.forEach((box) => box.replaceChildren())")
        shown = page.locator("body").inner_text()
        assert "<script>window.ran=1</script>" in shown, what
        assert "{{ 7 }}" in shown, what
        # What turns the reading direction round, and controls, are made visible.
        assert "\u202e" not in shown, what
        assert "\x1b" not in shown, what
        assert "\u202e" not in page.title(), what


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_show_it_as_text(desk: Desk, attacked: None, live_server: Any, lead: User, theme: str) -> None:
    page = desk(lead, theme=theme)
    for path in (
        f"/incidents/?{WINDOW}&mode=all",
        f"/incidents/?{WINDOW}&group_by=rule.name",
        f"/incidents/?{WINDOW}&source={urllib.parse.quote(HOSTILE)}&rule.name={urllib.parse.quote(HOSTILE)}",
        "/incidents/bad/",
        "/aggregations/badgroup/",
        f"/statistics/?{WINDOW}&by=rule.name",
        f"/attack/?{WINDOW}",
    ):
        page.set_viewport_size({"width": 1440, "height": 900})
        answer = page.goto(f"{live_server.url}{path}")
        assert answer
        assert answer.status == 200, path
        assert ("<script>" in page.title()) == ("?" not in path), "a card's title is text too"
        page.wait_for_load_state("networkidle")
        for width in (1440, 1024, 390):
            page.set_viewport_size({"width": width, "height": 900})
            _unharmed(page, f"{path} at {width}", text=width == 1440)
            pictures.take(page, f"hostile-{path.strip('/').split('/')[0]}-{len(path)}-{theme}-{width}")


def test_flyout_dialogs_tooltips_and_a_hostile_search_show_it_as_text(
    desk: Desk, attacked: None, live_server: Any, lead: User
) -> None:
    page = desk(lead, tolerate=("status of 400",))
    page.goto(f"{live_server.url}/incidents/?{WINDOW}&mode=incidents")
    page.locator("a[data-open]").first.click()
    page.locator("#card").wait_for()
    _unharmed(page, "the flyout")
    page.keyboard.press("Escape")
    page.locator("input[data-tick]").first.check()
    page.get_by_role("button", name="Change…").click()
    page.locator("#bulk [name='set.comment']").fill(HOSTILE.replace("\x07", "").replace("\x1b", ""))
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#bulk")).to_contain_text("<script>window.ran=1</script>")
    _unharmed(page, "the preview of a bulk change")
    page.goto(f"{live_server.url}/incidents/?{WINDOW}&q={urllib.parse.quote(HOSTILE)}")
    _unharmed(page, "a search that is an attack", text=False)
    page.goto(
        f"{live_server.url}/incidents/?{WINDOW}&start={urllib.parse.quote(HOSTILE)}&sort={urllib.parse.quote(HOSTILE)}"
    )
    _unharmed(page, "an address that is an attack", text=False)


def test_exports_hold_it_whole_and_defused(desk: Desk, attacked: None, live_server: Any, lead: User) -> None:
    page = desk(lead)
    page.goto(f"{live_server.url}/incidents/?{WINDOW}&mode=incidents")
    address = f"{live_server.url}/incidents/export?{WINDOW}&mode=incidents&format="
    rows = list(csv.DictReader(io.StringIO(page.request.get(address + "csv").body().decode("utf-8-sig"))))
    assert {row["title"] for row in rows} == {f"'{LONG}"}
    assert not [
        cell for row in rows for cell in row.values() if cell and cell[0] in "=+-@\t\r" and not cell[1:2].isdigit()
    ]
    lines = page.request.get(address + "ndjson").body().decode().splitlines()
    assert [json.loads(line)["title"] for line in lines] == [LONG] * 3
    assert json.loads(lines[0])["event"] == _nested()


def test_a_notification_shows_it_as_text(
    desk: Desk, indices: None, live_server: Any, administrator: User, settings: Any
) -> None:
    store.forget()
    following.begin()
    store.save(
        RULES,
        {"name": "mine", "title": "Mine", "channel": "console", "events": ["new_incident"], "users": ["admin"]},
        by="admin",
    )
    follow()
    create(actor_of(administrator), "bad", {"title": HOSTILE, "severity": "high", "entities": {"host": HOSTILE}})
    follow()
    deliver()
    page = desk(administrator)
    page.goto(f"{live_server.url}/notifications/")
    expect(page.locator("main")).to_contain_text("<script>window.ran=1</script>")
    _unharmed(page, "notifications")
    store.forget()

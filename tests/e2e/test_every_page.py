"""Every page that has an address, opened by an administrator: in both themes, at three widths, with axe-core.

The table below is compared with `docs/permissions.md`, which another test compares with all addresses: a page that is
added is added here, or it is said why it is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from imweb.accounts.actor import actor_of
from imweb.accounts.incident_types import INCIDENT_TYPES
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.grouping.rules import RULES
from imweb.incidents import editing, jobs
from imweb.incidents.links import ENTITY_LINKS
from imweb.incidents.params import StatisticsQuery, parse_listing
from imweb.incidents.pits import open_pit
from imweb.incidents.registry import registry
from imweb.notifications.rules import RULES as NOTICES
from tests.contract.test_permission_matrix import ROWS
from tests.e2e.conftest import WINDOW
from tests.e2e.test_keys import shot

Desk = Callable[..., Page]
WIDTHS = (1440, 1024, 390)
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
RULE = {"name": "one", "title": "Same host", "comparison": ["entities.host"], "filter": "severity:high"}

# What to open for each address; `{task}` is a bulk change that was made.
PAGES = {
    "/security": "/security",
    "/security/second": "/security/second",
    "/preferences": "/preferences",
    "/help": "/help",
    "/incidents/": f"/incidents/?{WINDOW}&severity=high&not.status=closed",
    "/settings/fields": "/settings/fields",
    "/settings/fields/new": "/settings/fields/new",
    "/settings/fields/edit/<str:name>": "/settings/fields/edit/site",
    "/settings/severities": "/settings/severities",
    "/settings/severities/new": "/settings/severities/new",
    "/settings/severities/edit/<str:name>": "/settings/severities/edit/high",
    "/settings/severities/remove/<str:name>": "/settings/severities/remove/high",
    "/settings/severities/set/<str:key>": "/settings/severities/set/customer",
    "/settings/severities/unknown/<str:name>": "/settings/severities/unknown/gone",
    "/settings/workflows": "/settings/workflows",
    "/settings/workflows/new": "/settings/workflows/new",
    "/settings/workflows/edit/<str:name>": "/settings/workflows/edit/default",
    "/settings/workflows/status/<str:name>": "/settings/workflows/status/gone",
    "/settings/types": "/settings/types",
    "/settings/types/new": "/settings/types/new",
    "/settings/types/edit/<str:name>": "/settings/types/edit/phish",
    "/settings/types/remove/<str:name>": "/settings/types/remove/phish",
    "/settings/links": "/settings/links",
    "/settings/links/new": "/settings/links/new",
    "/settings/links/edit/<str:name>": "/settings/links/edit/edr",
    "/settings/grouping": "/settings/grouping",
    "/settings/grouping/new": "/settings/grouping/new",
    "/settings/grouping/edit/<str:name>": "/settings/grouping/edit/one",
    "/settings/grouping/remove/<str:name>": "/settings/grouping/remove/one",
    "/settings/users": "/settings/users",
    "/settings/users/new": "/settings/users/new",
    "/settings/users/edit/<str:username>": "/settings/users/edit/admin",
    "/settings/users/roles/new": "/settings/users/roles/new",
    "/settings/users/roles/edit/<str:name>": "/settings/users/roles/edit/lead",
    "/settings/users/access": "/settings/users/access",
    "/settings/tokens": "/settings/tokens",
    "/settings/audit": "/settings/audit",
    "/system": "/system",
    "/notifications/": "/notifications/",
    "/settings/notifications": "/settings/notifications",
    "/settings/notifications/new": "/settings/notifications/new",
    "/settings/notifications/edit/<str:name>": "/settings/notifications/edit/told",
    "/settings/notifications/deliveries": "/settings/notifications/deliveries",
    "/views/": "/views/",
    "/incidents/bulk/<str:task_id>": "/incidents/bulk/{task}",
    "/incidents/bulk/recent": "/incidents/bulk/recent",
    "/statistics/": f"/statistics/?{WINDOW}",
    "/attack/": f"/attack/?{WINDOW}",
    "/incidents/<str:doc_id>/": "/incidents/i00/",
    "/incidents/<str:doc_id>/key/<str:act>": "/incidents/i00/key/close",
    "/aggregations/<str:doc_id>/": "/aggregations/result-1/",
    "/aggregations/<str:doc_id>/key/<str:act>": "/aggregations/result-1/key/status",
}
FRAGMENT, FILE, ELSEWHERE = "a part of a page", "a file", "leads to another page"
NO_PAGES = {
    "/incidents/list/news": FRAGMENT,
    "/incidents/list/members/<str:result_id>": FRAGMENT,
    "/incidents/list/fold": FRAGMENT,
    "/notifications/bell": FRAGMENT,
    "/incidents/suggestions": FRAGMENT,
    "/incidents/<str:doc_id>/history": FRAGMENT,
    "/aggregations/<str:doc_id>/history": FRAGMENT,
    "/settings/audit/export": FILE,
    "/incidents/export": FILE,
    "/attack/layer": FILE,
    "/groups/": ELSEWHERE,
    "/settings/workflows/remove/<str:name>": "the default workflow cannot be removed; test_settings.py has another",
}


@pytest.fixture
def furnished(list_url: str, administrator: User) -> Iterator[str]:
    """Have one object at least of everything that has a page; return the id of a bulk change."""
    store.forget()
    store.save(INCIDENT_TYPES, {"name": "phish", "title": "Phishing"}, by="admin")
    store.save(ENTITY_LINKS, {"name": "edr", "title": "EDR", "url": "https://edr.example/{value}"}, by="admin")
    store.save(RULES, RULE, by="admin")
    notice = {"name": "told", "title": "Told", "channel": "console", "events": ["new_incident"], "users": ["admin"]}
    store.save(NOTICES, notice, by="admin")
    actor = actor_of(administrator)
    editing.update(actor, "incident", "i00", {"comment": "Looks *odd*", "severity": "critical"})
    lease = open_pit(administrator.pk, False)
    body = {
        "pit": lease.token,
        "start_time": None,
        "end_time": None,
        "is_show_aggs": False,
        "query_string": "ticket:INC-1",
    }
    query = parse_listing(body, registry=registry(), zone="UTC")
    yield jobs.bulk_matching(actor, StatisticsQuery(query.filters), lease.token, {"reviewer": "lead"}).id
    store.forget()


def test_every_address_is_a_page_of_the_table_or_says_why_not() -> None:
    pages = {row.address for row in ROWS if row.method == "GET" and not row.address.startswith("/_im")}
    assert pages - PAGES.keys() - NO_PAGES.keys() == set(), "add them to PAGES, or to NO_PAGES with the reason"
    assert (PAGES.keys() | NO_PAGES.keys()) - pages == set(), "there is no such address any more"


def test_every_page_is_whole_accessible_and_in_shape(
    desk: Desk, furnished: str, live_server: Any, administrator: User
) -> None:
    page = desk(administrator, theme="light")
    axe, found = Axe(), []
    for address, path in PAGES.items():
        page.set_viewport_size({"width": 1440, "height": 900})
        answer = page.goto(live_server.url + path.format(task=furnished))
        if answer is None or answer.status != 200:
            found.append(f"{address}: status {answer and answer.status}")
            continue
        if page.locator("h1").count() != 1 or not page.locator("h1").inner_text().strip():
            found.append(f"{address}: {page.locator('h1').count()} headings of the page")
        if not page.title().endswith(" · Incident Manager"):
            found.append(f"{address}: titled {page.title()!r}")
        found += [f"{address}: {fault}" for fault in _faults(axe, page)]
        name = address.strip("/").replace("/", "-").replace("<", "").replace(">", "").replace(":", "-")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                found.append(f"{address}: {wide} px too wide at {width}")
            shot(page, f"every-{name}-{width}-light")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.set_viewport_size({"width": 1440, "height": 900})
        shot(page, f"every-{name}-1440-dark")
        # What is there is the same in the dark; how it can be read is not.
        found += [
            f"{address}, dark: {fault}"
            for fault in _faults(axe, page, {"runOnly": {"type": "rule", "values": ["color-contrast"]}})
        ]
    assert found == [], "\n".join(found)


def _faults(axe: Axe, page: Page, options: dict[str, Any] | None = None) -> list[str]:
    violations = axe.run(page, options=options).response["violations"]
    return [f"{item['id']}: {node['target']}" for item in violations for node in item["nodes"]]

"""An administrator divides the incidents among roles in a browser, and somebody with such a role sees his part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.incidents import declaring
from tests import stored

Desk = Callable[..., Page]
WINDOW = "start=2025-11-01&end=2025-12-31"


@pytest.fixture(autouse=True)
def _afresh(new_indices: None) -> Iterator[None]:
    store.forget()
    yield
    store.forget()


def test_a_role_is_given_a_part_of_the_incidents_and_its_people_see_that(
    desk: Desk, live_server: Any, administrator: User, analyst: User
) -> None:
    stored.incidents({f"i{n}": {"source": "IT" if n < 4 else "OT", "title": f"Logon {n}"} for n in range(10)})
    page = desk(administrator)
    page.goto(f"{live_server.url}/settings/users")
    page.get_by_role("link", name="Access fields").click()
    page.get_by_label("Field", exact=True).select_option("source")
    page.get_by_role("button", name="See what it touches").click()
    expect(page.get_by_role("row", name="OT 6")).to_be_visible()
    page.get_by_role("button", name="Declare it").click()
    expect(page.get_by_role("cell", name="no role")).to_be_visible()

    page.goto(f"{live_server.url}/settings/users")
    page.get_by_role("link", name="Add a role").click()
    check = page.locator("#check")
    page.get_by_label("Sees incidents with").fill("source:IT and severity:high")
    expect(check).to_contain_text('"severity" is no access field; declared are source')
    page.get_by_label("Sees incidents with").fill("source:IT")
    expect(check).to_contain_text("sees 4 of 10 incidents")
    page.get_by_role("checkbox", name="Manage users, roles and all tokens").check()
    expect(check).to_contain_text("such pages show everything")
    page.get_by_role("checkbox", name="Manage users, roles and all tokens").uncheck()
    page.get_by_text("Fields that people with this role do not see").click()
    page.get_by_role("checkbox", name="Source source", exact=True).check()
    page.get_by_label("Label", exact=True).fill("IT only")
    page.get_by_label("System name").fill("it-only")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="IT only")).to_be_visible()
    page.goto(f"{live_server.url}/settings/users/edit/analyst")
    page.get_by_role("checkbox", name="Analyst").uncheck()
    page.get_by_role("checkbox", name="IT only").check()
    page.get_by_role("button", name="Save").click()

    desk(analyst)
    page.goto(f"{live_server.url}/incidents/?{WINDOW}")
    expect(page.locator("#rows")).to_contain_text("Logon 3")
    expect(page.locator("#rows")).not_to_contain_text("Logon 4")
    expect(page.locator("body")).to_contain_text("4 rows")
    expect(page.get_by_text("Source", exact=True)).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_roles(desk: Desk, live_server: Any, administrator: User, theme: str) -> None:
    stored.incidents({"i1": {"source": "IT"}})
    declaring.declare("source", by="admin")
    stored.group("g", {"m1": {"source": "IT"}, "m2": {"source": "OT"}})
    Role.objects.create(name="it", label="IT", permissions=["incident.view"], row_filter="source:IT")
    page = desk(administrator, theme=theme)
    for path in ("users", "users/roles/new", "users/roles/edit/it", "users/access", "users/access?field=rule.name"):
        page.goto(f"{live_server.url}/settings/{path}")
        if path.startswith("users/roles"):
            page.get_by_text("Fields that people with this role do not see").click()
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"

"""The API's description in a browser: nothing refused by the page's own security policy, nothing hard to use."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from imweb.accounts.models import User
from tests import pictures


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_works_offline_in_both_themes(
    indices: None, page: Any, sign_in: Any, analyst: User, live_server: Any, theme: str
) -> None:
    User.objects.filter(pk=analyst.pk).update(theme=theme)
    sign_in(page, analyst)
    page.set_viewport_size({"width": 1440, "height": 900})
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{live_server.url}/_im/docs")
    page.get_by_role("navigation", name="Operations").get_by_text("Count by severity, and over time").click()
    heading = page.locator("#severityStatistics h3")
    assert heading.is_visible()
    assert all(url.startswith((live_server.url, "data:")) for url in requested)
    if pictures.wanted():
        page.goto(f"{live_server.url}/_im/docs")
        pictures.take(page, f"api-docs-{theme}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert faults == []

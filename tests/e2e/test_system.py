"""An administrator looks after the system in a browser: what is open, what failed, what is in force."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.demo.processes import Process
from imweb.incidents import pits
from imweb.incidents.models import Job
from imweb.runs import report
from imweb.runs.models import FailedTask
from imweb.runs.watching import digest_of
from tests import services

Desk = Callable[..., Page]


def fill(*users: User) -> None:
    """Open points in time, let a task have failed and a job wait for a worker."""
    for user in users:
        pits.open_pit(user.pk, True)
    FailedTask.objects.create(
        task="pits.sweep", digest=digest_of("pits.sweep", [], {}), error="RuntimeError: broken", trace="line 1\nline 2"
    )
    long_ago = timezone.now() - timedelta(minutes=5)
    Job.objects.create(
        id="waits", kind="undo", state="running", username="lead", created_at=long_ago, heartbeat_at=long_ago
    )


def test_points_in_time_are_closed_and_a_failed_task_is_tried_again_until_it_succeeds(
    desk: Desk,
    indices: None,
    live_server: Any,
    administrator: User,
    analyst: User,
    celery_worker: Callable[..., Process],
) -> None:
    fill(administrator, analyst)
    page = desk(administrator)
    page.goto(f"{live_server.url}/system")
    users = page.get_by_role("table", name="Open points in time, by user")
    expect(users.get_by_role("row", name="analyst 1 1")).to_be_visible()
    users.get_by_role("button", name="End all analyst").click()
    expect(page.locator("body")).to_contain_text("1 lease of analyst is ended.")
    expect(page.get_by_role("table", name="by user").get_by_role("row")).to_have_count(2)
    page.get_by_role("table", name="by slot").get_by_role("button", name="Close").click()
    expect(page.get_by_text("None is open.")).to_be_visible()
    assert services.own_pits() == []
    page.get_by_role("row", name="waits undo").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("row", name="waits undo")).to_contain_text("stopped by admin")
    failed = page.get_by_role("table", name="Failed tasks")
    failed.locator("summary").click()
    expect(failed.locator("pre")).to_have_text("line 1\nline 2")
    celery_worker()
    services.until(lambda: report.background().alive == 1, 15)
    failed.get_by_role("button", name="Try again").click()
    expect(page.locator("body")).to_contain_text("pits.sweep was sent again")
    services.until(lambda: not FailedTask.objects.exists(), 15)
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("None stands.")).to_be_visible()
    expect(page.get_by_role("row", name="pits.sweep")).to_contain_text("done")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_it(
    desk: Desk, indices: None, live_server: Any, administrator: User, analyst: User, theme: str
) -> None:
    fill(administrator, analyst)
    page = desk(administrator, theme=theme)
    page.goto(f"{live_server.url}/system")
    page.get_by_role("table", name="Failed tasks").locator("summary").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (1440, 1024, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width

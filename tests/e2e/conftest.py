"""A desk to work at: a browser signed in, and no error, warning, refusal or failed request tolerated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from imweb.accounts.models import User
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from tests import pictures, stored
from tests.stored import at

WINDOW = "start=2025-11-01&end=2025-12-31"
LEVELS = ["critical", "high", "medium", "low"]


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Ask for less motion: what fades in or out has too little contrast for a moment, and axe looks at any."""
    return {**browser_context_args, "reduced_motion": "reduce"}


@pytest.fixture
def desk(
    page: Any, sign_in: Any, live_server: Any, transactional_db: None, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Any]]:
    """Return a function that signs a user in at 1440 × 900; whatever the browser complains of fails the test.

    `tolerate` takes texts of complaints that a test provokes.
    """
    tolerated: list[str] = []
    faults = _faults_of(page.context)

    def sit_down(user: User, *, theme: str = "light", tolerate: tuple[str, ...] = ()) -> Any:
        User.objects.filter(pk=user.pk).update(theme=theme, time_zone="Europe/Warsaw")
        tolerated.extend(tolerate)
        sign_in(page, user)
        page.set_viewport_size({"width": 1440, "height": 900})
        return page

    yield sit_down
    rest = [fault for fault in faults if not any(text in fault for text in tolerated)]
    name = re.sub(r"[^\w-]+", "-", f"{request.path.stem}-{request.node.name}").strip("-")
    for number, tab in enumerate(page.context.pages):
        pictures.take_end(tab, f"{name}-{number}" if number else name)
    assert rest == []


@pytest.fixture
def scriptless_desk(
    browser: Any, sign_in: Any, live_server: Any, transactional_db: None
) -> Iterator[Callable[..., Any]]:
    """Return a function that signs a user in to a browser without JavaScript; its complaints fail the test too."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    faults = _faults_of(context)

    def sit_down(user: User) -> Any:
        page = context.new_page()
        sign_in(page, user)
        return page

    yield sit_down
    context.close()
    assert faults == []


def _faults_of(context: Any) -> list[str]:
    """Return what the browser complains of, in any of the context's tabs; it grows while they are used."""
    faults: list[str] = []
    context.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("requestfailed", lambda request: _note(faults, request))
    return faults


def menus(page: Any, within: str = "body") -> Iterator[tuple[str, Any]]:
    """Open each menu that can be seen, one after the other: yields its name and what axe finds in it."""
    summaries = page.locator(f"{within} details.im-menu > summary:visible")
    for number in range(summaries.count()):
        summary = summaries.nth(number)
        summary.click()
        summary.locator("xpath=..").locator(".im-pop").first.wait_for()
        yield summary.inner_text(), Axe().run(page, context="details.im-menu[open]")
        page.keyboard.press("Escape")


def _note(faults: list[str], request: Any) -> None:
    # A page that is left takes its running requests with it.
    if "ERR_ABORTED" not in str(request.failure):
        faults.append(f"{request.method} {request.url}: {request.failure}")


@pytest.fixture
def list_url(indices: None, live_server: Any) -> str:
    """Ninety incidents and a group of five; the address of their window."""
    CustomField.objects.create(name="site", label="Site", type="select", options=["north", "south"], in_list=True)
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a", "b"])
    CustomField.objects.create(name="score", label="Score", type="number")
    CustomField.objects.create(name="ticket", label="Ticket", type="text")
    apply_custom_fields()
    stored.incidents({f"i{n:02}": _incident(n) for n in range(90)})
    stored.group("result-1", {f"m{n}": _incident(n) for n in range(5)}, severity="high", title="Five of a kind")
    return f"{live_server.url}/incidents/?{WINDOW}"


def _incident(number: int) -> dict[str, Any]:
    return {
        "@timestamp": at(-60 * number),
        "title": f"Detection {number:02}",
        "severity": LEVELS[number % 4],
        "status": ["new", "in_progress", "closed"][number % 3],
        "rule": {"id": str(number % 5), "name": f"Rule {number % 5}"},
        "entities": {"host": f"WS-{number % 9}", "user": "CORP\\ann", "command_line": "whoami /all"},
        "mitre": ["TA0002", "T1059.001"],
        "site": ["north", "south"][number % 2],
        "tags": ["a"] if number % 2 else ["a", "b"],
        "score": float(number),
        "ticket": f"INC-{number}",
        **({"reviewer": "a.kim"} if number % 2 else {}),
    }

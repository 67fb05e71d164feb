"""A desk to work at: a browser signed in, and no error, warning, refusal or failed request tolerated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imweb.accounts.models import User


@pytest.fixture
def desk(page: Any, sign_in: Any, live_server: Any, transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Return a function that signs a user in at 1440 × 900; whatever the browser complains of fails the test.

    `tolerate` takes texts of complaints that a test provokes.
    """
    faults: list[str] = []
    tolerated: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: _note(faults, request))

    def sit_down(user: User, *, theme: str = "light", tolerate: tuple[str, ...] = ()) -> Any:
        User.objects.filter(pk=user.pk).update(theme=theme, time_zone="Europe/Warsaw")
        tolerated.extend(tolerate)
        sign_in(page, user)
        page.set_viewport_size({"width": 1440, "height": 900})
        return page

    yield sit_down
    rest = [fault for fault in faults if not any(text in fault for text in tolerated)]
    assert rest == []


def _note(faults: list[str], request: Any) -> None:
    # A page that is left takes its running requests with it.
    if "ERR_ABORTED" not in str(request.failure):
        faults.append(f"{request.method} {request.url}: {request.failure}")

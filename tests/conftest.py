"""Fixtures shared by every test: the real servers, this run's indices, users with roles, a browser.

`opensearch_server`, `redis_server`: the servers alone. `indices`: both, with this run's indices made and empty.
`new_indices`: the same, dropped and made anew, for tests that change mappings. `analyst`, `lead`, `administrator`:
users with the ready roles. `sign_in(page, user)`: a browser that is signed in. `celery_worker()`: a real worker.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from imweb.accounts.models import Role, User
from imweb.accounts.setup import ensure_roles
from imweb.demo.processes import Process
from imweb.demo.redis_server import RedisServer
from imweb.incidents import registry
from imweb.incidents.setup import ensure_indices
from imweb.opensearch.node import Node
from tests import provider, services
from tests.examples import examples
from tests.settings import TEST_FOLDER

# Playwright's synchronous interface runs a loop in the thread of the tests, where Django then refuses its database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# For a property test that does not say its own number.
hypothesis_settings.register_profile("default", examples(100))
hypothesis_settings.load_profile("default")

# The shell draws pages and no windows of a browser around them, which takes a quarter of the time of these tests.
CHROMIUM_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def opensearch_server() -> Iterator[Node | None]:
    """A real OpenSearch at `settings.OPENSEARCH_URL`; the node if it is ours to kill, else None."""
    with services.opensearch() as node:
        yield node


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer | None]:
    """A real Redis at `settings.REDIS_URL`; the server if it is ours to kill, else None."""
    with services.redis_server() as server:
        yield server


@pytest.fixture
def new_indices(opensearch_server: Any, redis_server: Any, db: None) -> None:
    """This run's indices, made anew with nothing but the core mappings."""
    services.delete_indices()
    services.forget_keys()
    # What an earlier test's fields left in memory would be mapped again.
    registry.forget()
    ensure_indices()


@pytest.fixture
def indices(opensearch_server: Any, redis_server: Any, db: None) -> None:
    """This run's indices, empty; fields that an earlier test brought along stay mapped."""
    services.forget_keys()
    if not ensure_indices():
        services.close_own_pits()
        services.empty_indices()


def _user(username: str, role: str) -> User:
    ensure_roles()
    user = User.objects.create_user(username, f"{username}@example.test", f"{username}-password")
    user.roles.set(Role.objects.filter(name=role))
    return user


@pytest.fixture
def analyst(db: None) -> User:
    """A user who may do what an analyst may; the password is `analyst-password`."""
    return _user("analyst", "analyst")


@pytest.fixture
def lead(db: None) -> User:
    """A user who may do what a team lead may; the password is `lead-password`."""
    return _user("lead", "lead")


@pytest.fixture
def administrator(db: None) -> User:
    """A user who may do everything; the password is `admin-password`."""
    return _user("admin", "admin")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium: Playwright's own browser comes from a download that closed networks do not have."""
    path = next((found for name in CHROMIUM_PROGRAMS if (found := shutil.which(name))), None)
    if path is None:
        services.lacking("there is no chromium on PATH (apt-get install chromium)")
    return browser_type_launch_args | {"executable_path": path, "args": CHROMIUM_ARGUMENTS}


@pytest.fixture
def sign_in(live_server: Any) -> Callable[[Any, User], None]:
    """Return a function that signs a user in: a page's browser then carries the session's cookie."""
    from django.conf import settings
    from django.test import Client

    def give_cookie(page: Any, user: User) -> None:
        client = Client()
        client.force_login(user)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}])

    return give_cookie


@pytest.fixture(scope="session")
def identity_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider.Provider]:
    """A real OpenID Connect provider with the users of `tests/provider/users.py`; `use` it in a test."""
    with provider.started(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def process_env(db: None) -> dict[str, str]:
    """The environment for a process that is to work on this test's database; see `transactional_db`."""
    return services.process_env()


@pytest.fixture
def celery_worker(redis_server: Any, transactional_db: None) -> Iterator[Callable[..., Process]]:
    """Return a function that starts a real Celery worker on this test's database; ended with the test."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        name = f"worker-{len(started)}"
        # Celery logs that it is ready from INFO on.
        command = [sys.executable, "-m", "celery", "-A", "imweb", "worker", "-l", "INFO", "-c", "2"]
        command += ["-n", f"{name}@%h", *arguments]
        log = Path(TEST_FOLDER) / f"{name}-{os.urandom(3).hex()}.log"
        env = services.process_env() | {"DJANGO_SETTINGS_MODULE": "imweb.settings", "IM_LOG_LEVEL": "INFO"}
        worker = Process(name, command, log, env=env)
        worker.launch()
        started.append(worker)
        services.until(lambda: "ready." in log.read_text() or worker.status() is not None, 30)
        assert worker.status() is None, worker.tail()
        return worker

    yield start
    for worker in started:
        worker.stop()

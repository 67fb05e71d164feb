"""`make demo`: what it says, what it writes, and that nothing of it is left however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from imweb.demo.processes import ROOT
from imweb.opensearch.node import free_port
from tests import services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 200


class Demo:
    """One demo in a folder of its own, as somebody starts it from a shell."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".out")
        # Nothing of the tests' own settings, as far as it is not asked for.
        foreign = ("IM_", "OPENSEARCH_", "REDIS_", "DATABASE_", "DJANGO_", "PYTEST_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.env |= {name: os.environ[name] for name in ("IM_CACHE_DIR", "IM_OPENSEARCH_JVM") if name in os.environ}
        self.env |= {"IM_DATA_DIR": str(folder), "IM_DEMO_INCIDENTS": str(COUNT), "IM_PORT": str(free_port())}
        self.env |= {"IM_OPENSEARCH_HEAP": "512m"} | more
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the demo's to its end."""
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )

    def start(self, until: str = "Started in") -> Demo:
        """Start it and return once it said so."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "imweb.demo.stack"],
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        services.until(lambda: until in self.said() or self.ended(), 240)
        assert not self.ended(), self.said()
        return self

    def said(self) -> str:
        """Return all it said since it was started."""
        return self.output.read_text()

    def ended(self) -> bool:
        """Return whether it ended."""
        return self.process is not None and self.process.poll() is not None

    def wait(self) -> int:
        """Return its exit status once it ended."""
        assert self.process is not None
        return self.process.wait(60)

    def told(self) -> Any:
        """Return what it tells scripts."""
        return json.loads((self.folder / "demo.json").read_text())

    def processes(self) -> list[str]:
        """Return the command of every process that works for this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("IM_DATA_DIR") == str(self.folder):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def fetch(self, path: str) -> Any:
        """Return what the API answers the analyst."""
        told = self.told()
        headers = {"Authorization": f"Bearer {told['users']['analyst']['token']}"}
        with urllib.request.urlopen(urllib.request.Request(told["url"] + path, headers=headers), timeout=30) as answer:
            return json.load(answer)

    def incidents(self) -> int:
        """Return how many incidents its OpenSearch holds."""
        with urllib.request.urlopen(f"{self.told()['opensearch_url']}/im-incidents/_count", timeout=30) as answer:
            return int(json.load(answer)["count"])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for one demo; what still works for it when the test failed is killed."""
    place = tmp_path / "data"
    yield place
    for process in psutil.process_iter():
        try:
            if process.environ().get("IM_DATA_DIR") == str(place):
                process.kill()
        except psutil.Error:
            continue


def test_first_start_second_start_and_a_part_that_dies(folder: Path) -> None:
    demo = Demo(folder).start()
    for step in ("Starting Redis", "Starting OpenSearch", f"{COUNT} incidents", "Starting the web server"):
        assert step in demo.said()

    told = demo.told()
    assert set(told) == {"url", "opensearch_url", "redis_url", "users"}
    assert told["url"] == f"http://127.0.0.1:{demo.env['IM_PORT']}"
    assert set(told["users"]) == {"analyst", "lead", "admin"}
    for name, user in told["users"].items():
        assert set(user) == {"username", "password", "token"}
        assert user["username"] == name
        assert f"{name:<10}{user['password']}" in demo.said()
    assert (folder / "demo.json").stat().st_mode & 0o777 == 0o600
    assert demo.incidents() == COUNT
    assert demo.fetch("/_im/openapi.json")["openapi"].startswith("3.1")
    with urllib.request.urlopen(f"{told['url']}/healthz/ready", timeout=30) as answer:
        assert json.load(answer) == {"status": "ok", "opensearch": "ok", "database": "ok", "redis": "ok"}

    # A command with the same data folder works on the same servers.
    assert demo.run("manage.py", "create_token", "lead").stdout.startswith("im_")
    assert "created nothing new" in demo.run("manage.py", "bootstrap").stdout
    # A second demo in the same folder would spoil the first.
    second = demo.run("-m", "imweb.demo.stack")
    assert second.returncode == 1
    assert "is running" in second.stdout
    assert "make stop" in second.stdout

    assert demo.process is not None
    demo.process.send_signal(signal.SIGTERM)
    assert demo.wait() == 0
    assert demo.processes() == []
    assert not (folder / "demo.json").exists()

    demo.start()
    assert demo.told()["users"] == told["users"]
    assert demo.incidents() == COUNT
    worker = next(
        process
        for process in psutil.Process(demo.process.pid).children(recursive=True)
        if process.is_running() and "worker" in process.cmdline() and "celery" in process.cmdline()
    )
    worker.kill()
    assert demo.wait() == 1
    assert "The worker process ended" in demo.said()
    # The end of the worker's own log stands below.
    assert "im-celery" in demo.said()
    assert demo.processes() == []
    assert not (folder / "demo.json").exists()


def test_ctrl_c_while_it_starts(folder: Path) -> None:
    demo = Demo(folder).start(until="… Starting OpenSearch")
    assert demo.processes()
    assert demo.process is not None
    # What a terminal does: every process of the foreground group hears it.
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.wait() == 0
    assert "Stopping" in demo.said()
    assert "Traceback" not in demo.said()
    assert demo.processes() == []


@pytest.fixture
def given_servers(opensearch_server: Any, redis_server: Any) -> dict[str, str]:
    """Servers that the demo is pointed at, and a prefix of this run's own there."""
    return {
        name: os.environ[name] for name in ("OPENSEARCH_URL", "REDIS_URL", "IM_INDEX_PREFIX", "IM_REDIS_PREFIX")
    } | {"IM_PLAIN_STATIC": "1"}


def test_detached_on_given_servers_then_its_parent_is_killed(folder: Path, given_servers: dict[str, str]) -> None:
    services.delete_indices()
    demo = Demo(folder, **given_servers)
    started = demo.run("-m", "imweb.demo.stack", "--detach")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "Starting OpenSearch" not in started.stdout
    told = demo.told()
    assert (told["opensearch_url"], told["redis_url"]) == (given_servers["OPENSEARCH_URL"], given_servers["REDIS_URL"])

    os.kill(int((folder / "demo.lock").read_text()), signal.SIGKILL)
    services.until(lambda: demo.processes() == [], 20)
    # The servers were there before and are there still.
    with urllib.request.urlopen(given_servers["OPENSEARCH_URL"], timeout=30) as answer:
        assert answer.status == 200

    # A demo that was killed does not stand in the way of the next.
    started = demo.run("-m", "imweb.demo.stack", "--detach")
    assert started.returncode == 0, started.stdout + started.stderr
    stopped = demo.run("-m", "imweb.demo.stack", "--stop")
    assert (stopped.returncode, stopped.stdout) == (0, "Stopped; the data are kept.\n")
    assert demo.processes() == []
    services.delete_indices()


def test_a_server_that_is_not_there_is_named(folder: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    demo = Demo(folder, OPENSEARCH_URL=nowhere, IM_PLAIN_STATIC="1")
    done = demo.run("-m", "imweb.demo.stack")
    assert done.returncode == 1
    assert "OpenSearch" in done.stdout
    assert "Traceback" not in done.stdout
    assert demo.processes() == []


def test_a_port_in_use_is_said(folder: Path) -> None:
    demo = Demo(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(demo.env["IM_PORT"])))
        taken.listen()
        done = demo.run("-m", "imweb.demo.stack")
    assert done.returncode == 1
    assert f"Port {demo.env['IM_PORT']} cannot be used" in done.stdout
    assert "IM_PORT=" in done.stdout


def test_a_port_that_is_none_is_refused(folder: Path) -> None:
    done = Demo(folder, IM_PORT="70000").run("-m", "imweb.demo.stack")
    assert done.returncode == 1
    assert "IM_PORT must be from 1 to 65535, not 70000" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr

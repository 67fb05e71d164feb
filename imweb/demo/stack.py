"""`make demo`: OpenSearch, Redis, the web server, a Celery worker and beat under one parent that ends with them.

`python -m imweb.demo.stack` runs until Ctrl-C; `--detach` returns once it answers; `--stop` ends the one that runs
in this data folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from imweb.demo import leash, state
from imweb.demo.console import Step, step, write
from imweb.demo.processes import ROOT, Process
from imweb.demo.redis_server import RedisServer, RedisServerError
from imweb.demo.supervisor import Interrupted, PartDied, Supervisor, alive, only_one, owner
from imweb.env import bounded_int, data_dir
from imweb.opensearch.jars import JarError, class_path
from imweb.opensearch.node import Node, NodeError, last_lines


class DemoError(Exception):
    """The demo cannot start; the message says why and what helps."""


class Stack:
    """One demo: its folder, its addresses, its parts."""

    def __init__(self, folder: Path, port: int, supervisor: Supervisor) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.supervisor = supervisor
        self.opensearch_url = os.environ.get("OPENSEARCH_URL", "")
        self.redis_url = os.environ.get("REDIS_URL", "")

    def start(self) -> None:
        """Start every part in turn; return once the web server says that it is ready."""
        self._check_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / state.DEMO).unlink(missing_ok=True)
        node = self._launch_opensearch()
        if not self.redis_url:
            self._start_redis()
        with step("Preparing the database, the users and the static files") as current:
            self._manage(current, "prepare_demo", "database")
        if node is not None:
            with step("Starting OpenSearch") as current:
                self.supervisor.until(node.answers, 90, "OpenSearch", current.say)
        count = bounded_int("IM_DEMO_INCIDENTS", 20_000, 0, 50_000_000)
        with step(f"Preparing the indices and, at the first start, {count:,} incidents"):
            self._manage(None, "prepare_demo", "incidents", "--count", str(count))
        with step("Starting the web server, the worker and beat") as current:
            self._start_program(current)
        self._announce()

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise DemoError(
                    f"Port {self.port} cannot be used ({error.strerror}). Choose another: IM_PORT=8001 make demo"
                ) from None

    def _launch_opensearch(self) -> Node | None:
        if self.opensearch_url:
            return None
        with step("Fetching OpenSearch's jars, unless the cache has them") as current:
            class_path(lambda done, total: current.say(f"{done >> 20} of {total >> 20} MB"))
        # A name of this folder's own: the node of another demo is never taken for this one's.
        cluster = "im-demo-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        node = Node(self.folder / "opensearch", cluster=cluster, log=self._log("opensearch"))
        node.launch()
        self.supervisor.add("OpenSearch", node)
        self.opensearch_url = node.url
        return node

    def _start_redis(self) -> None:
        with step("Starting Redis"):
            server = RedisServer(self.folder / "redis", log=self._log("redis"))
            server.launch()
            self.supervisor.add("Redis", server)
            self.redis_url = server.url
            server.wait()

    def _start_program(self, current: Step) -> None:
        python = sys.executable
        web = [python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port)]
        web += ["--workers", str(bounded_int("IM_WEB_WORKERS", 2, 1, 64)), "--blocking-threads", "8", "--no-ws"]
        web += ["--workers-kill-timeout", "3", "imweb.wsgi:application"]
        celery = [python, "-m", "celery", "-A", "imweb"]
        worker = [*celery, "worker", "--concurrency", "2", "--hostname", f"demo-{self.port}@%h", "--without-mingle"]
        beat = [*celery, "beat", "--schedule", str(self.folder / "beat-schedule"), "--pidfile", ""]
        for name, command in (("web", web), ("worker", worker), ("beat", beat)):
            part = Process(name, command, self._log(name), env=self._env())
            part.launch()
            self.supervisor.add(f"The {name} process", part)
        self.supervisor.until(self._ready, 60, "The web process", current.say)

    def _ready(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/healthz/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _announce(self) -> None:
        users = state.read(self.folder, state.STATE)["users"]
        content = {
            "url": self.url,
            "opensearch_url": self.opensearch_url,
            "redis_url": self.redis_url,
            "users": users,
        }
        if database := os.environ.get("DATABASE_URL"):
            content["database_url"] = database
        state.write(self.folder, state.DEMO, content)
        write(f"\nIncident Manager is ready: {self.url}\n\n")
        for user in users.values():
            write(f"    {user['username']:<10}{user['password']}\n")
        shown = os.path.relpath(self.folder)
        write(
            f"\nAPI tokens are in {shown}/{state.DEMO}, logs in {shown}/logs. Ctrl-C (or make stop) stops everything.\n"
        )

    def _manage(self, current: Step | None, *arguments: str) -> None:
        """Run a management command; without a step of ours its own progress shows instead."""
        show = current is None
        log = self._log("manage")
        part = Process(arguments[0], [sys.executable, "manage.py", *arguments], log, env=self._env(), show=show)
        part.launch()
        try:
            # Not a part to watch: it ends by itself, and everyone else goes on.
            while part.status() is None:
                self.supervisor.check()
                if current:
                    current.say()
                time.sleep(0.05)
        finally:
            part.stop()
        if part.status():
            raise DemoError(f"manage.py {' '.join(arguments)} failed:\n{part.tail() if not show else ''}")

    def _log(self, name: str) -> Path:
        """Return a log's path; the last start's is kept beside it."""
        path = self.logs / f"{name}.log"
        if path.exists() and name not in self._rotated:
            path.replace(path.with_suffix(".log.1"))
        self._rotated.add(name)
        return path

    _rotated: set[str] = set()

    def _env(self) -> dict[str, str]:
        env = {
            "DJANGO_SETTINGS_MODULE": "imweb.settings",
            "IM_DATA_DIR": str(self.folder),
            "IM_INSECURE": "1",  # No TLS on loopback.
            "IM_BASE_URL": self.url,
            "IM_LOG_FORMAT": "console",
            "OPENSEARCH_URL": self.opensearch_url,
            "REDIS_URL": self.redis_url,
            "PYTHONUNBUFFERED": "1",
        }
        return {name: os.environ.get(name) or value for name, value in env.items()} | {"IM_DATA_DIR": str(self.folder)}


def run(folder: Path, port: int) -> int:
    """Run the demo until it is stopped or a part of it ends; return the exit status."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_one(folder), Supervisor() as supervisor:
            try:
                stack = Stack(folder, port, supervisor)
                stack.start()
                write(f"Started in {time.monotonic() - began:.1f} s.\n")
                supervisor.watch()
            except Interrupted:
                write("\nStopping …\n")
                return 0
            except (DemoError, PartDied, ImproperlyConfigured, JarError, NodeError, RedisServerError) as error:
                write(f"\n{error}\n")
            finally:
                if supervisor.parts:
                    supervisor.stop()
                    write("Stopped; the data are kept.\n")
                (folder / state.DEMO).unlink(missing_ok=True)
    except BlockingIOError:
        write(
            f"A demo is running in {folder} already (process {owner(folder)}):"
            " stop it with make stop, or choose another folder with IM_DATA_DIR.\n"
        )
    return 1


def detach(folder: Path) -> int:
    """Start the demo in a session of its own and return once it answers, with everything it says until then."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "stack.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "imweb.demo.stack"]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, start_new_session=True
        )
    try:
        with log.open() as said:
            while True:
                ended = child.poll() is not None
                text = said.read()
                write(text)
                if ended:
                    return child.returncode or 1
                if "Started in " in text:
                    return 0
                time.sleep(0.1)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        return child.wait()


def stop(folder: Path) -> int:
    """Stop the demo that runs in a data folder, and wait until it has."""
    pid = owner(folder)
    if pid is None:
        write(f"No demo is running in {folder}.\n")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    # The lock is free a moment before the process has ended.
    while owner(folder) == pid or alive(pid):
        if time.monotonic() > deadline:
            write(f"Process {pid} has not ended after a minute.\n{last_lines(folder / 'logs' / 'stack.log')}\n")
            return 1
        time.sleep(0.1)
    write("Stopped; the data are kept.\n")
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description="Run the whole of Incident Manager on this machine.")
    parser.add_argument("--detach", action="store_true", help="return once it answers")
    parser.add_argument("--stop", action="store_true", help="stop the one that runs in this data folder")
    # `make` waits in front of this process; without it nobody could press Ctrl-C any more.
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = data_dir().resolve()
    try:
        port = bounded_int("IM_PORT", 8000, 1, 65535)
    except ImproperlyConfigured as error:
        write(f"{error}\n")
        return 1
    if options.stop:
        return stop(folder)
    if options.detach:
        return detach(folder)
    if options.with_parent:
        leash.tell_kernel(leash.PR_SET_PDEATHSIG, signal.SIGTERM)
    return run(folder, port)


if __name__ == "__main__":
    sys.exit(main())

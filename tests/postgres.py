"""Run the tests marked `relational` once more, on a real PostgreSQL that is started here and stopped at the end.

`python -m tests.postgres [arguments for pytest]`. The program comes from Debian's `postgresql`, the cluster lives in a
folder of this run's own and listens on loopback alone.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imweb.demo.processes import ROOT, Process
from imweb.opensearch.node import free_port

NO_TESTS = 5  # pytest's exit status when its arguments select nothing


class PostgresError(Exception):
    """PostgreSQL did not start; the message holds the last lines of its log."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: the one on PATH, else Debian's newest; None without any."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in folders), key=lambda path: int(path.parent.name), default=None)


def _as_ordinary_user() -> tuple[list[str], int | None]:
    """Return what to put before a command, and the user id it then has: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return [], None
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user.pw_uid


@contextmanager
def server(binaries: Path) -> Iterator[str]:
    """Give the address of a running, empty database. Raises PostgresError."""
    prefix, owner = _as_ordinary_user()
    with tempfile.TemporaryDirectory(prefix="imtest-postgres-") as name:
        folder, port, password = Path(name), free_port(), secrets.token_hex(16)
        (folder / "password").write_text(password)
        if owner is not None:
            os.chown(folder, owner, -1)
            os.chown(folder / "password", owner, -1)
        data = folder / "data"
        command = [*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "im", "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync"]
        made = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        if made.returncode:
            raise PostgresError(f"initdb failed:\n{made.stderr}")
        # Nothing here outlives the run, so nothing is written for the case of a crash.
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options |= {"full_page_writes": "off", "synchronous_commit": "off"}
        command = [*prefix, str(binaries / "postgres"), "-D", str(data)]
        command += [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        process = Process("PostgreSQL", command, folder / "postgres.log").launch()
        try:
            _wait(process, port)
            yield f"postgres://im:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.stop()


def _wait(process: Process, port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while "ready to accept connections" not in process.tail(50) or not _listens(port):
        if (status := process.status()) is not None:
            raise PostgresError(f"PostgreSQL ended with status {status}:\n{process.tail()}")
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL does not answer after {seconds:.0f} s:\n{process.tail()}")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Return the environment for pytest."""
    # Celery's application, imported above, names the settings of production.
    return {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}


def main(arguments: list[str]) -> int:
    """Run pytest on PostgreSQL and return its status; without a PostgreSQL say so, or fail where it is promised."""
    binaries = programs()
    if binaries is None:
        required = os.environ.get("IM_REQUIRE_SERVICES", "") not in ("", "0")
        print("No PostgreSQL on this machine (apt-get install postgresql): its half of the tests was not run.")
        return 1 if required else 0
    with server(binaries) as url:
        print(f"The tests marked relational, on the PostgreSQL in {binaries}:", flush=True)
        command = [sys.executable, "-m", "pytest", *arguments, "-m", "relational"]
        done = subprocess.run(command, cwd=ROOT, env=environment() | {"DATABASE_URL": url}, check=False)
    return 0 if done.returncode == NO_TESTS else done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

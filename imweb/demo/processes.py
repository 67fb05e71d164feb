"""A process that never outlives the one that started it, with a log of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from imweb.opensearch.node import last_lines

ROOT = Path(__file__).resolve().parents[2]
_LEASH = str(Path(__file__).with_name("leash.py"))


@dataclass
class Process:
    """One part of the demo; `alone` says that it starts no processes itself."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    alone: bool = False
    # What it says goes where this process's own output goes, instead of into the log.
    show: bool = False
    process: subprocess.Popen[bytes] | None = None

    def launch(self) -> Process:
        """Start it and return at once."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), *(["--become"] if self.alone else [])]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                leash + self.command,
                stdin=subprocess.DEVNULL,
                stdout=None if self.show else log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=os.environ | self.env,
                # A terminal's Ctrl-C goes to its foreground group only: the parent decides who stops when.
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """The process id; `alone` it is the program's own."""
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process.pid

    def status(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.process.poll() if self.process else None

    def tail(self, count: int = 15) -> str:
        """Return the last lines of the log."""
        return last_lines(self.log, count)

    def terminate(self) -> None:
        """Ask it to end, and return at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self, seconds: float = 15) -> None:
        """Ask it to end and wait until it has; kill it after `seconds`."""
        self.terminate()
        if self.process is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

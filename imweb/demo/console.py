"""What the demo says while it starts: one line a step, redrawn on a terminal, with the seconds it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

_QUIET = 5.0  # seconds between two lines of one step where no terminal redraws


class Step:
    """One step under way."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.live = sys.stdout.isatty()
        self.started = time.monotonic()
        self.detail = ""
        self._shown = self.started
        write(f"  … {label}" if self.live else f"  … {label}\n")

    def say(self, detail: str | None = None) -> None:
        """Show how far it is, or that it still goes on."""
        self.detail = self.detail if detail is None else detail
        now = time.monotonic()
        if now - self._shown < (0.1 if self.live else _QUIET):
            return
        self._shown = now
        line = f"  … {self.label}{': ' if self.detail else ''}{self.detail} ({now - self.started:.0f} s)"
        write(f"\r\033[K{line}" if self.live else f"{line}\n")

    def end(self, mark: str) -> None:
        """Show how it ended."""
        line = f"  {mark} {self.label} ({time.monotonic() - self.started:.1f} s)\n"
        write(f"\r\033[K{line}" if self.live else line)


@contextlib.contextmanager
def step(label: str) -> Iterator[Step]:
    """Show a step's beginning, its progress, and its end with the seconds it took."""
    current = Step(label)
    try:
        yield current
    except BaseException:
        current.end("✗")
        raise
    current.end("✓")


def write(text: str) -> None:
    """Write to standard output at once; a reader who has gone does not stop the demo."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text)
        sys.stdout.flush()

"""Progress for people who wait: one line that redraws itself on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

_WIDTH = 24


class Progress:
    """Shows how far something is; `total` 0 means that nobody knows how much there is."""

    def __init__(self, stream: TextIO, total: int, unit: str) -> None:
        self.stream = stream
        self.total = total
        self.unit = unit
        self.done = 0
        self._live = stream.isatty()
        self._started = time.monotonic()
        self._shown = self._started
        self._every = 0.1 if self._live else 5.0

    def add(self, count: int) -> None:
        """Count some more, and show it when it is time."""
        self.done += count
        now = time.monotonic()
        if now - self._shown >= self._every:
            self._shown = now
            self._write(self.line(now))

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self.stream.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")
        self.stream.flush()

    def finish(self) -> float:
        """Show the last line and return the seconds it took."""
        now = time.monotonic()
        self._write(self.line(now))
        if self._live:
            self.stream.write("\n")
        return now - self._started

    def line(self, now: float) -> str:
        """Return what is shown at a moment of the monotonic clock."""
        spent = max(now - self._started, 0.001)
        rate = self.done / spent
        if not self.total:
            return f"{self.done:,} {self.unit}, {rate:,.0f}/s"
        share = min(1.0, self.done / self.total)
        filled = round(share * _WIDTH)
        bar = "█" * filled + "░" * (_WIDTH - filled)
        left = f", {_clock((self.total - self.done) / rate)} left" if 0 < self.done < self.total else ""
        return f"{bar} {share:4.0%}  {self.done:,} of {self.total:,} {self.unit}, {rate:,.0f}/s{left}"

    def _write(self, text: str) -> None:
        self.stream.write(f"\r\033[K{text}" if self._live else f"{text}\n")
        self.stream.flush()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return (
        f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )

"""Whether Redis answers: one failed call, and the process goes its own way for a second before it asks again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog

T = TypeVar("T")
PAUSE_SECONDS = 1.0
log = structlog.get_logger(__name__)


class LedgerDown(Exception):
    """Redis does not answer; the caller goes on with what this process knows."""


_state = threading.Lock()
_down_until = 0.0
_was_down = False
_on_return: list[Callable[[], None]] = []


def call(step: Callable[[], T]) -> T:
    """Run one step against Redis; raise `LedgerDown` when it fails or failed less than a second ago."""
    global _down_until, _was_down
    with _state:
        if time.monotonic() < _down_until:
            raise LedgerDown
        if _was_down:
            # One thread asks again; the others stay away meanwhile, or a hanging Redis would hold them all.
            _down_until = time.monotonic() + PAUSE_SECONDS
    try:
        result = step()
    except redis.exceptions.RedisError as error:
        with _state:
            _down_until = time.monotonic() + PAUSE_SECONDS
            first, _was_down = not _was_down, True
        if first:
            log.warning("pit_ledger_down", error=str(error))
        raise LedgerDown from error
    if _was_down:
        with _state:
            back, _was_down = _was_down, False
            _down_until = 0.0
        if back:
            log.info("pit_ledger_back")
            for hook in _on_return:
                hook()
    return result


def on_return(hook: Callable[[], None]) -> None:
    """Have `hook` called once each time Redis is back, in the thread that noticed."""
    _on_return.append(hook)


def reset() -> None:
    """Forget that Redis was down, as a new process would; for tests that change servers."""
    global _down_until, _was_down
    with _state:
        _down_until, _was_down = 0.0, False

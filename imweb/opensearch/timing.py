"""How long this request has waited for OpenSearch, for its log line."""

from __future__ import annotations

from contextvars import ContextVar

_spent: ContextVar[float] = ContextVar("opensearch_ms", default=0.0)


def reset() -> None:
    """Start counting anew, at the beginning of a request."""
    _spent.set(0.0)


def add(milliseconds: float) -> None:
    """Add one call's duration."""
    _spent.set(_spent.get() + milliseconds)


def total_ms() -> float:
    """Return the milliseconds spent so far."""
    return _spent.get()

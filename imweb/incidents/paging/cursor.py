"""The opaque text that says where a page ended."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from imweb.errors import ValidationFailed

Value = str | int | float | None
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an order, behind one document: its segment's value, its value in the order, its time and key."""

    segment: int
    values: tuple[Value, ...]


def encode(cursor: Cursor, signature: str) -> str:
    """Return the cursor as text that fits a URL."""
    text = json.dumps([_VERSION, signature, cursor.segment, *cursor.values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, signature: str) -> Cursor:
    """Return the cursor that a text holds; raises `ValidationFailed` when it is none or belongs to another order."""
    try:
        parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _unreadable() from None
    if not isinstance(parts, list) or not 5 <= len(parts) <= 6 or parts[0] != _VERSION:
        raise _unreadable()
    _version, of, segment, *values = parts
    if of != signature:
        raise ValidationFailed.field("search_after", f"belongs to the order {str(of)[:100]}, not to {signature}")
    fits = isinstance(segment, int) and not isinstance(segment, bool) and 0 <= segment <= 20_000
    if not fits or not all(v is None or (isinstance(v, str | int | float) and not isinstance(v, bool)) for v in values):
        raise _unreadable()
    if not isinstance(values[-1], str) or not isinstance(values[-2], int) or abs(values[-2]) > 2**60:
        raise _unreadable()
    if len(values) == 3 and (values[0] is None or (isinstance(values[0], float) and values[0] != values[0])):
        raise _unreadable()
    return Cursor(segment, tuple(values))


def _unreadable() -> ValidationFailed:
    return ValidationFailed.field("search_after", "the 'next' of an earlier answer, unchanged; this is none")

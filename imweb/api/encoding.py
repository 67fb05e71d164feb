"""JSON in and out, by the encoder that pydantic brings along: several times as fast as the standard library's."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from imweb.incidents import repeated

# Only a number written with a large exponent can be beyond what a double holds.
_LARGE_EXPONENT = re.compile(rb"[0-9][eE]\+?[0-9]{3}")
_PLACE = re.compile(r" at line (\d+) column (\d+)$")


class NoJson(ValueError):
    """The bytes are no JSON text; `reason` is a sentence for the person who wrote it, `field` the key it is about."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def encode(value: Any) -> bytes:
    """Return a value as JSON in UTF-8."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        # Half a surrogate pair, as other applications may have stored it, can only leave as an escape.
        return json.dumps(value, separators=(",", ":")).encode()


def decode(content: bytes) -> Any:
    """Return what a JSON text holds; raises `NoJson`, also for a key that is given twice with different values."""
    try:
        value = from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise NoJson(_sentence(content, str(error))) from None
    if _LARGE_EXPONENT.search(content) and _holds_infinity(value):
        raise NoJson("holds a number that is too large")
    if isinstance(value, dict | list):
        _same, key = repeated.loads(content.decode())
        if key is not None:
            shown = key if len(key) <= 64 else f"{key[:64]}…"
            raise NoJson(f'holds the key "{shown}" more than once with different values', shown)
    return value


def _sentence(content: bytes, problem: str) -> str:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte {error.start})"
    if content.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark; leave it out"
    place = _PLACE.search(problem)
    if place is None:
        return f"is no JSON: {problem}"
    return f"is no JSON: {problem[: place.start()]} in line {place[1]}, column {place[2]}"


def _holds_infinity(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float) and item in (float("inf"), float("-inf")):
            return True
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False

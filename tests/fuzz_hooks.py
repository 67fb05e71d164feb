"""What schemathesis is told about requests that never reach us (tests/integration/test_fuzz.py)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import schemathesis

# Every HTTP server refuses a longer request line by itself, with 414 and in its own words.
LONGEST_ADDRESS = 60_000


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what no HTTP server takes, and lines that are no text: sent, they are one, answered in its place."""
    if case.media_type == "application/x-ndjson" and not isinstance(case.body, str):
        return False
    return len(urlencode(case.query or {}, doseq=True)) < LONGEST_ADDRESS


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """Send a text as it is."""
    return str(value).encode(errors="replace")

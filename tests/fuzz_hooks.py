"""What schemathesis is told about requests that never reach us (tests/integration/test_fuzz.py)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import schemathesis

# Every HTTP server refuses a longer request line by itself, with 414 and in its own words.
LONGEST_ADDRESS = 60_000


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what no HTTP server takes."""
    return len(urlencode(case.query or {}, doseq=True)) < LONGEST_ADDRESS

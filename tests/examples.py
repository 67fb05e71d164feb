"""How many made-up examples a property test takes: few in `make test`, the same each time; others in `make fuzz`."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

SECONDS = int(os.environ.get("IM_FUZZ_SECONDS", "0"))
"""How long schemathesis goes on; 0 outside of `make fuzz`."""
_TIMES = max(1, SECONDS // 60)


def examples(most: int, **more: Any) -> settings:
    """Return the settings of a property test: `most` examples, in `make fuzz` as many times that as it has minutes."""
    return settings(
        max_examples=most * _TIMES,
        # How long an example takes says something about the machine, not about the program.
        deadline=None,
        # What the others find becomes a test of its own.
        derandomize=not SECONDS,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        **more,
    )

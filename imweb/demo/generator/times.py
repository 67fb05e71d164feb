"""ISO 8601 for the millions: as `imweb.incidents.documents.iso`, with the date cut once a day."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_DAY = 86_400_000


@lru_cache(maxsize=8192)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, tz=UTC).strftime("%Y-%m-%dT")


def iso(ms: int) -> str:
    """Return epoch milliseconds (not before 1970) as ISO 8601 in UTC with milliseconds."""
    day, rest = divmod(ms, _DAY)
    seconds, millis = divmod(rest, 1_000)
    minutes, second = divmod(seconds, 60)
    return "%s%02d:%02d:%02d.%03dZ" % (_date(day), minutes // 60, minutes % 60, second, millis)

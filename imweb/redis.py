"""The one Redis client of a process; what stands in Redis may be lost at any moment."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings


@cache
def client() -> redis.Redis:
    """Return the shared client: text answers, short time-outs, no retries, so that a dead Redis costs little."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=2.0,
        socket_connect_timeout=0.5,
        health_check_interval=30,
    )


def key(*parts: object) -> str:
    """Return a key of this installation's own: several may share one Redis."""
    return ":".join([settings.IM_REDIS_PREFIX, *map(str, parts)])

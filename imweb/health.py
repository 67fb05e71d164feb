"""Health checks for a load balancer: alive, and ready to serve."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis import RedisError

from imweb import redis
from imweb.errors import ImError
from imweb.opensearch import gateway


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer while the process can answer at all."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when OpenSearch and the database do; Redis may be gone, which is said and costs nothing but speed."""
    parts: dict[str, str] = {}
    try:
        parts["opensearch"] = "ok" if gateway().health()["status"] in ("green", "yellow") else "red"
    except ImError:
        parts["opensearch"] = "unreachable"
    try:
        connection.ensure_connection()
        parts["database"] = "ok"
    except DatabaseError:
        parts["database"] = "unreachable"
    try:
        redis.client().ping()
        parts["redis"] = "ok"
    except RedisError:
        parts["redis"] = "unreachable"
    usable = parts["opensearch"] == "ok" and parts["database"] == "ok"
    return JsonResponse({"status": "ok" if usable else "unavailable", **parts}, status=200 if usable else 503)

"""Structured logs and the request id that ties an answer to its log line."""

from __future__ import annotations

import logging.config
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

_SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")
log = structlog.get_logger("imweb.request")


def configure(_: dict[str, Any]) -> None:
    """Send every log line, Django's and Celery's included, through structlog to standard error."""
    from django.conf import settings

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if settings.IM_LOG_FORMAT == "json" else structlog.dev.ConsoleRenderer()
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structlog": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
            "root": {"handlers": ["stderr"], "level": settings.IM_LOG_LEVEL},
            "loggers": {
                # Each retry and each 404 of a realtime read would be a line; the gateway logs what matters.
                "opensearch": {"level": "ERROR"},
                "urllib3": {"level": "ERROR"},
                "django.server": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class RequestIdMiddleware:
    """Give each request an id, echo it, and write one line for it: user, route, status, milliseconds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request between binding and clearing its log context."""
        sent = request.headers.get("X-Request-Id", "")
        request_id = sent if _SAFE_ID.fullmatch(sent) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        # Error pages and answers name it, so that whoever asks for help can.
        request.request_id = request_id  # type: ignore[attr-defined]
        started = time.perf_counter()
        from imweb.opensearch import timing

        timing.reset()
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        match = request.resolver_match
        user = getattr(request, "user", None)
        log.info(
            "request",
            method=request.method,
            route=match.route if match else request.path_info,
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000, 1),
            opensearch_ms=round(timing.total_ms(), 1),
            # Looking at `request.user` would load the session on pages that never needed it.
            user=user.pk if getattr(request, "_cached_user", None) is not None and user else None,
        )
        structlog.contextvars.clear_contextvars()
        return response

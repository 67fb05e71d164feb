"""Where a request came from, for entries that are written far below the view."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that is being served; empty in a worker or on the command line."""

    address: str = ""
    request_id: str = ""


_NONE = Origin()
_origin: ContextVar[Origin] = ContextVar("im_audit_origin", default=_NONE)


def current() -> Origin:
    """Return where the request that is being served came from."""
    return _origin.get()


def address_of(request: HttpRequest) -> str:
    """Return the caller's address; behind our own proxy the one that it appended, never what a caller claims."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.IM_BEHIND_PROXY else ""
    return (forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", "")))[:64]


class OriginMiddleware:
    """Remember where each request came from for as long as it is served."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        mark = _origin.set(Origin(address_of(request), str(getattr(request, "request_id", ""))))
        try:
            return self.get_response(request)
        finally:
            _origin.reset(mark)

"""Answers of the API: JSON in the contract's shapes, errors included."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from imweb.api.encoding import encode
from imweb.audit import refusals
from imweb.errors import ImError


def answer(request: HttpRequest, value: Any, status: int = 200) -> HttpResponse:
    """Return a JSON answer; it is nobody else's and no cache may keep it."""
    response = HttpResponse(encode(value), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    # Tells the middleware that nothing has to be put in its place.
    request.im_answered = True  # type: ignore[attr-defined]
    return response


def failure(request: HttpRequest, error: ImError) -> HttpResponse:
    """Return one of our own errors in OpenSearch's shape."""
    refusals.note(request, error)
    response = answer(request, error.as_json(), error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response


def unexpected(request: HttpRequest, status: int = 500) -> HttpResponse:
    """Return what is said of a fault of ours: nothing but where to look for it."""
    request_id = getattr(request, "request_id", "")
    reason = "Something went wrong on our side; nothing that you sent is at fault. It stands in the log."
    if request_id:
        reason += f" Name the request {request_id} when you ask for help."
    return answer(
        request, {"error": {"type": "internal_error", "reason": reason, "details": []}, "status": status}, status
    )

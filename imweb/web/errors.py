"""Errors as pages: a sentence that helps, the request's number for the log, never a stack trace."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from imweb.audit import refusals
from imweb.errors import Detail, ImError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What an error page shows."""

    status: int
    title: str
    reason: str
    icon: str = "alert"
    retry: bool = False
    details: list[Detail] = field(default_factory=list)


def title_of(status: int) -> tuple[str, str, bool]:
    """Return the heading and the icon for a status, and whether trying again may help."""
    known = {
        400: (_("This request was not understood"), "alert", False),
        403: (_("You may not see this"), "lock", False),
        404: (_("There is nothing here"), "search", False),
        405: (_("That does not work here"), "alert", False),
        409: (_("Somebody was faster"), "alert", False),
        410: (_("This view has expired"), "clock", True),
        413: (_("That is too much at once"), "alert", False),
        429: (_("Too many open views"), "clock", True),
        503: (_("The search does not answer"), "offline", True),
        504: (_("The search took too long"), "clock", True),
    }
    return known.get(status, (_("Something went wrong on our side"), "alert", True))


def show(request: HttpRequest, page: ErrorPage, headers: dict[str, str] | None = None) -> HttpResponse:
    """Render an error: a page of its own, or a toast when htmx asked for a fragment."""
    fragment = request.headers.get("HX-Request") == "true" and not request.headers.get("HX-History-Restore-Request")
    template = "errors/_toast.html" if fragment else "errors/page.html"
    context = {"error": page, "request_id": getattr(request, "request_id", "")}
    response = render(request, template, context, status=page.status)
    for name, value in (headers or {}).items():
        response[name] = value
    if fragment:
        # The place that the answer was meant for stays as it is.
        response["HX-Retarget"] = "#toasts"
        response["HX-Reswap"] = "beforeend"
    return response


def from_im_error(request: HttpRequest, error: ImError) -> HttpResponse:
    """Return the page of one of our own errors."""
    refusals.note(request, error)
    title, icon, retry = title_of(error.status)
    page = ErrorPage(error.status, title, error.reason, icon, retry, error.details)
    return show(request, page, error.headers)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400."""
    title, icon, retry = title_of(400)
    return show(request, ErrorPage(400, title, _("Go back, check what was entered and try again."), icon, retry))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler403."""
    title, icon, retry = title_of(403)
    reason = _("Your roles do not allow it. Ask an administrator if you need it.")
    return show(request, ErrorPage(403, title, reason, icon, retry))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is missing or stale."""
    log.warning("csrf_failure", reason=reason, path=request.path)
    text = _("The form was open for too long, or you signed in again elsewhere. Reload the page and send it again.")
    return show(request, ErrorPage(403, _("This form is out of date"), text, "refresh", retry=True))


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404."""
    title, icon, retry = title_of(404)
    reason = _("No page stands at this address. It may have been mistyped, or what it showed was deleted.")
    return show(request, ErrorPage(404, title, reason, icon, retry))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    title, icon, retry = title_of(500)
    reason = _("It stands in the log. Try again; if it happens again, tell an administrator the number below.")
    return show(request, ErrorPage(500, title, reason, icon, retry))

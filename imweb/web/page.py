"""The doors of a page: signed in, permitted, in the user's time zone; an expired session comes back to where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from imweb.accounts.models import User
from imweb.accounts.permissions import LABELS
from imweb.errors import MethodNotAllowed, PermissionDenied

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request behind `page`: somebody is signed in and htmx has been looked at. For types only."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[PageRequest, P], HttpResponseBase]
Guarded = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def zone_of(user: User) -> str:
    """Return the name of the time zone in which a user sees times."""
    return user.time_zone or settings.TIME_ZONE


def page(permission: str, *methods: str) -> Callable[[View[P]], Guarded[P]]:
    """Guard a view: signed in, with the permission, by one of the methods (GET when none is named)."""
    allowed = methods or ("GET", "HEAD")

    def decorate(view: View[P]) -> Guarded[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = request.user
            if not isinstance(user, User) or not user.is_authenticated:
                return to_sign_in(request)
            if request.method not in allowed:
                raise MethodNotAllowed(
                    _("This address answers to %(methods)s only.") % {"methods": ", ".join(allowed)},
                    headers={"Allow": ", ".join(allowed)},
                )
            if not user.may(permission):
                raise PermissionDenied(
                    _("Your roles do not include the permission “%(name)s”. Ask an administrator for it.")
                    % {"name": _(LABELS[permission])}
                )
            with timezone.override(ZoneInfo(zone_of(user))):
                return view(cast(PageRequest, request), *args, **kwargs)

        # A test walks the addresses and reads from here what each asks for.
        guarded.permission, guarded.methods = permission, tuple(allowed)  # type: ignore[attr-defined]
        return cast(Guarded[P], guarded)

    return decorate


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Send a visitor to the sign-in page and afterwards back; htmx is told so without an error in the console."""
    current = request.headers.get("HX-Current-URL", "")
    if request.headers.get("HX-Request") == "true" and not request.headers.get("HX-History-Restore-Request"):
        parts = urlsplit(current)
        back = parts.path + (f"?{parts.query}" if parts.query else "")
        address = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back or '/', 'expired': '1'})}"
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    back = request.get_full_path() if request.method in ("GET", "HEAD") else _page_before(request)
    return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}")


def _page_before(request: HttpRequest) -> str:
    """Return the page of ours that a form was sent from; the form's own address would answer to POST only."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.netloc != request.get_host() or not parts.path.startswith("/"):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def toast_headers(kind: str, text: str, **more: Any) -> dict[str, str]:
    """Return the headers by which a fragment also shows a toast (`static/js/toasts.js` listens)."""
    return {"HX-Trigger": json.dumps({"im:toast": {"kind": kind, "text": text, **more}}, ensure_ascii=True)}

"""How long a session lives: idle and absolute limits, and its end everywhere at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import AnonymousUser
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url

from imweb.accounts import second_factor
from imweb.accounts.models import User
from imweb.accounts.second_factor import PROVED

BEGUN, SEEN = "im_begun", "im_seen"
# Sent by an open page on its own: somebody who is away must not stay signed in by them.
BACKGROUND = frozenset({"list-news", "bell"})
# Where somebody gets who has to set up a second factor first.
WITHOUT_SECOND = frozenset(
    {"security", "second-setup", "key-new", "logout", "login", "second", "set-theme", "severities-css"}
)
# Each extension is a write.
EXTENDED_EVERY = 60  # seconds


class SessionLimitsMiddleware:
    """End sessions that are idle or old; a page that only refreshes itself does not count as use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Check the session once it is known what is asked for."""
        # Looking into a session costs a query; scripts with a token have none.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or SESSION_KEY not in request.session:
            return None
        session, now = request.session, int(time.time())
        match = request.resolver_match
        name = match.url_name if match else ""
        if settings.IM_SECOND_FACTOR_REQUIRED and not session.get(PROVED) and name not in WITHOUT_SECOND:
            return self._unproved(request)
        begun = session.get(BEGUN)
        if begun is None:
            session[BEGUN] = session[SEEN] = now
            return None
        if now - begun > settings.IM_SESSION_HOURS * 3600:
            logout(request)
            return None
        if name in BACKGROUND:
            return None
        if now - session.get(SEEN, 0) >= min(EXTENDED_EVERY, settings.SESSION_COOKIE_AGE // 4):
            # Saving a session begins its idle time anew.
            session[SEEN] = now
        return None

    def _unproved(self, request: HttpRequest) -> HttpResponse | None:
        user = request.user
        if request.path.startswith("/_im"):
            # To the API nobody has signed in; the session stays for the page that sets the factor up.
            request.user = AnonymousUser()
            return None
        if isinstance(user, User) and second_factor.is_set(user):
            # Who has a device proves it at the next sign-in.
            logout(request)
            return None
        address = resolve_url("security")
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": address})
        return redirect(address)


def end_everywhere(user: User) -> None:
    """End every session of a user at once, stolen ones too; his tokens are not touched."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])

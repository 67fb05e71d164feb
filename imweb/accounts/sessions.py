"""How long a session lives: idle and absolute limits, and its end everywhere at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.db.models import F
from django.http import HttpRequest, HttpResponse

from imweb.accounts.models import User

BEGUN, SEEN = "im_begun", "im_seen"
# Sent by an open page on its own: somebody who is away must not stay signed in by them.
BACKGROUND = frozenset({"list-news"})
# Each extension is a write.
EXTENDED_EVERY = 60  # seconds


class SessionLimitsMiddleware:
    """End sessions that are idle or old; a page that only refreshes itself does not count as use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Check the session once it is known what is asked for."""
        # Looking into a session costs a query; scripts with a token have none.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or SESSION_KEY not in request.session:
            return
        session, now = request.session, int(time.time())
        begun = session.get(BEGUN)
        if begun is None:
            session[BEGUN] = session[SEEN] = now
            return
        if now - begun > settings.IM_SESSION_HOURS * 3600:
            logout(request)
            return
        match = request.resolver_match
        if match and match.url_name in BACKGROUND:
            return
        if now - session.get(SEEN, 0) >= min(EXTENDED_EVERY, settings.SESSION_COOKIE_AGE // 4):
            # Saving a session begins its idle time anew.
            session[SEEN] = now


def end_everywhere(user: User) -> None:
    """End every session of a user at once, stolen ones too; his tokens are not touched."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])

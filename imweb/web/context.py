"""What every page's frame needs, apart from what its view says."""

from __future__ import annotations

import zlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents.severities import severities
from imweb.notifications import notices
from imweb.web import nav


def console(request: HttpRequest) -> dict[str, Any]:
    """Return the frame: theme, navigation, time zone, unread notifications, the version of the severities' colours."""
    user = getattr(request, "user", None)
    signed_in = isinstance(user, User) and user.is_authenticated
    frame: dict[str, Any] = {"theme": "system", "zone": settings.TIME_ZONE, "severity_css": severity_version()}
    if isinstance(user, User) and signed_in:
        frame["theme"] = user.theme
        frame["zone"] = user.time_zone or settings.TIME_ZONE
        query = {name: values[-1] for name, values in request.GET.lists() if len(values) == 1}
        # A fragment carries no frame.
        fragment = bool(getattr(request, "htmx", False)) and not request.headers.get("HX-Boosted")
        frame["nav_groups"] = [] if fragment else nav.groups_for(user, request.path, query)
        frame |= {} if fragment else notices.bell(actor_of(user))
    return {"console": frame}


def severity_version() -> str:
    """Return a short name for the severities' colours in force, so that their stylesheet may be kept for ever."""
    text = ";".join(f"{level.name}:{level.color}:{level.color_dark}" for level in severities())
    return f"{zlib.crc32(text.encode()):08x}"

"""What the console tells a user: the page behind the bell."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.errors import ValidationFailed
from imweb.notifications import notices as service
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages.notifications_form import EVENT_LABELS


@page(may.VIEW)
def notices(request: PageRequest) -> HttpResponse:
    """List what the user was told, the newest first."""
    actor = actor_of(request.user, default_zone=settings.TIME_ZONE)
    only_unread = request.GET.get("show") == "unread"
    found, more = service.listed(actor, before=_number(request.GET.get("before", "")), only_unread=only_unread)
    context = {
        "notices": found,
        "more": more,
        "only_unread": only_unread,
        "labels": EVENT_LABELS,
        "rules_page": request.user.may(may.SETTINGS),
    }
    return render(request, "web/notifications/notices.html", context)


@page(may.VIEW)
def bell(request: PageRequest) -> HttpResponse:
    """Return the bell of an open page, which asks for it by itself."""
    unread = service.bell(actor_of(request.user))
    return render(request, "components/_bell.html", {"console": unread})


@page(may.VIEW, "POST")
def notices_read(request: PageRequest) -> HttpResponse:
    """Mark one, or all, as read."""
    service.mark_read(actor_of(request.user), _number(request.POST.get("id", "")))
    return redirect("notices")


def _number(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ValidationFailed.field("before", "a whole number")
    return int(text)

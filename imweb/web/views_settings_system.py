"""The system page: OpenSearch, points in time, queue, jobs."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.errors import ImError
from imweb.incidents import pits
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import health


@page(may.SYSTEM)
def system(request: PageRequest) -> HttpResponse:
    """Show how everything is."""
    try:
        contexts: int | None = pits.open_contexts()
    except ImError:
        contexts = None
    context = {
        "cluster": health.cluster(),
        "queue": health.queue(),
        "pits": pits.overview(),
        "contexts": contexts,
        "jobs": health.jobs(),
        "versions": health.versions(),
        "waiting": health.waiting_fields(),
        "may_close": request.user.may(may.SETTINGS),
    }
    return render(request, "web/settings/system.html", context)


@page(may.SETTINGS, "POST")
def close_pit(request: PageRequest, name: str) -> HttpResponse:
    """Close a point in time; whoever pages through it is given a new one at the same row."""
    if pits.close_slot(name):
        messages.success(request, _("The point in time is closed."))
    else:
        messages.warning(request, _("It had ended already."))
    return redirect("system")

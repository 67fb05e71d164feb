"""The groups: aggregation results as a list of their own, which is the incident list narrowed to them."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from imweb.accounts import permissions as may
from imweb.web.page import PageRequest, page


@page(may.VIEW)
def groups(request: PageRequest) -> HttpResponse:
    """Show the aggregation results of the last week."""
    return HttpResponseRedirect(f"{reverse('incidents')}?start=now-7d&incidents_count=%3E%3D1")

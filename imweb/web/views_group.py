"""The groups: aggregation results as a list of their own, which is the incident list narrowed to them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from imweb.accounts import permissions as may
from imweb.web.nav import GROUPS_ALONE
from imweb.web.page import PageRequest, page


@page(may.VIEW)
def groups(request: PageRequest) -> HttpResponse:
    """Show the aggregation results of the last week."""
    query = urlencode({"start": "now-7d", "incidents_count": GROUPS_ALONE})
    return HttpResponseRedirect(f"{reverse('incidents')}?{query}")

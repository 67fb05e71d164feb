"""Downloads of the list: everything that it matches, not only the page."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.audit.trail import record
from imweb.errors import ValidationFailed
from imweb.incidents import pits
from imweb.incidents.access import registry_of
from imweb.incidents.models import CustomField
from imweb.incidents.pits import result_sets
from imweb.web.export import rows
from imweb.web.listing.state import ListState
from imweb.web.page import PageRequest, page, zone_of

TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson; charset=utf-8"}


@page(may.EXPORT)
def export(request: PageRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream the frozen list as CSV or NDJSON, in the list's order."""
    kind = request.GET.get("format", "")
    if kind not in TYPES:
        raise ValidationFailed.field("format", _("csv or ndjson"))
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    parameters = {name: [str(value) for value in values] for name, values in request.GET.lists()}
    state = ListState.of(parameters, reverse("incidents")).within(offset="0")
    known = registry_of(actor)
    state.query(known, actor.time_zone, None)
    if not request.session.session_key:
        request.session.create()
    key = state.rs or result_sets.new_key()
    lease, _reopened = result_sets.lease_for(
        str(request.session.session_key), key, request.user.pk, state.mode != "incidents"
    )
    # A tab that closes ends the page's lease, and the file goes on.
    own = pits.share(lease)
    query = state.query(known, actor.time_zone, own.token)
    whole = kind == "ndjson"
    try:
        # Read before the answer begins, so that a fault is a page and not a broken file.
        first = rows.first_page(actor, query, whole=whole)
    except BaseException:
        pits.release_pit(own.token, actor.user_id)
        raise
    found = rows.held(rows.pages(actor, query, first, whole=whole), own)
    custom = [item.field for item in CustomField.objects.filter(hidden=False) if item.name not in actor.hidden]
    body = rows.ndjson(found) if whole else rows.csv_lines(found, custom, query.filters.tz, actor.hidden)
    asked = {name: values for name, values in parameters.items() if name not in ("format", "rs")}
    record("export", user=request.user.username, target=f"incidents.{kind}", details={"asked": asked})
    name = f"incidents-{timezone.localtime():%Y%m%d-%H%M%S}.{kind}"
    response = StreamingHttpResponse(body, content_type=TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

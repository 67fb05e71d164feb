"""The groups of a folded list: their first rows, and a change of whole groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.errors import ValidationFailed
from imweb.incidents import insights, services
from imweb.incidents.pits import result_sets
from imweb.web import views_bulk
from imweb.web.bulk.selection import MAX_TICKED, state_of
from imweb.web.listing import folds, load
from imweb.web.listing.preferences import ListPreferences, columns
from imweb.web.listing.rows import rows
from imweb.web.listing.state import ListState
from imweb.web.page import PageRequest, page, zone_of

Json = dict[str, Any]
FIRST = 10


@page(may.VIEW)
def fold(request: PageRequest) -> HttpResponse:
    """Return the first rows of a group, to stand below it; without htmx the list of all of them."""
    here = _here(request)
    parameters = {name: [str(value) for value in values] for name, values in request.GET.lists()}
    state = ListState.of(parameters, folds.list_path(), here.preferences.size)
    if not request.htmx:
        return redirect(state.url)
    query = replace(state.query(here.registry, here.actor.time_zone, _pit(here, state)), offset=0, size=FIRST)
    found = services.list_documents(here.actor, query, excludes=load.EXCLUDES)
    shown = columns(here.preferences, here.registry, here.custom)
    total = found.total or 0
    values: Json = {
        "rows": rows(found.docs, load.words(here, found, shown, state)),
        "group": request.GET.get("mark", "")[:16],
        "all_url": state.url,
        "may_bulk": here.actor.may(may.BULK),
        "total": total,
        "more": max(0, total - len(found.docs)),
        "colspan": 6 + len(shown),
    }
    return render(request, "web/incidents/_fold_rows.html", values)


@page(may.BULK, "POST")
def change(request: PageRequest) -> HttpResponseBase:
    """Begin a bulk change of the ticked groups: exactly their rows of the frozen list."""
    here = _here(request)
    state = state_of(request.POST.get("next", ""))
    known = folds.field_of(here, state)
    ticked = [text for text in request.POST.getlist("fold") if text]
    if not 0 < len(ticked) <= MAX_TICKED:
        raise ValidationFailed.field(_("Ticked groups"), _("Tick at least one group."))
    part = folds.part_of(state, known.name, ticked)
    query = part.query(here.registry, here.actor.time_zone, _pit(here, part))
    rows_of_it = insights.counts(here.actor, query.filters, query.pit).rows
    posted = request.POST.copy()
    posted["next"], posted["scope"], posted["keys"], posted["total"] = part.url, "all", "", str(rows_of_it)
    posted["step"] = ""
    request.POST = posted  # type: ignore[assignment]
    return views_bulk.change(request)


def _here(request: PageRequest) -> load.Frame:
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    if not request.session.session_key:
        request.session.create()
    return load.frame(actor, str(request.session.session_key), ListPreferences.of(request.user))


def _pit(here: load.Frame, state: ListState) -> str | None:
    """Return the lease of the list's frozen set; a list that has none is read as it stands."""
    if not state.rs:
        return None
    with_aggregations = state.mode != "incidents"
    lease, _reopened = result_sets.lease_for(here.session_key, state.rs, here.actor.user_id, with_aggregations)
    return lease.token

"""The incident list: the page, its fragments, what it remembers, and the end of its points in time."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.errors import ImError, QueryRejected, ValidationFailed
from imweb.incidents import insights, services, times
from imweb.incidents.pits import result_sets
from imweb.web import errors
from imweb.web.listing import context, folds, forms, load
from imweb.web.listing.preferences import ListPreferences, columns, remember
from imweb.web.listing.rows import card_url, rows
from imweb.web.listing.state import OPEN_END, ListState
from imweb.web.page import PageRequest, page, zone_of

Json = dict[str, Any]
CLOSED_TAB_SECONDS = 20.0  # a reload comes back within it
MEMBERS = 50


@page(may.VIEW)
def incidents(request: PageRequest) -> HttpResponse:
    """Show the list, or of it what htmx asks for: the table alone (`#rows`) or all that changes (`#view`)."""
    here, state = _here(request)
    if moved := forms.meant(request.GET, state):
        return redirect(moved)
    fragment = bool(request.htmx) and not request.htmx.history_restore_request
    part = request.htmx.target if fragment else ""
    if fragment:
        _release_left(request, here, state)
    try:
        if state.group_by:
            folds.field_of(here, state)
        found, folded = load.table(here, folds.unplaced(state)), None
        if state.group_by:
            found, folded = folds.fold(here, found, state)
        elif request.GET.get("jump"):
            return _jump(request, here, found)
        values = context.frame_context(here, found.state, found.as_of_ms) | context.table_context(here, found)
        values |= {"fold": folded, "folding": folds.menu(here, found.state)}
        if part != "rows" or found.reopened:
            values |= context.around_context(here, found.state, load.around(here, found.query))
    except ImError as error:
        return _failed(request, here, state, error, fragment=fragment)
    if part == "rows" and not found.reopened:
        response = render(request, "web/incidents/_rows.html", values)
    elif fragment:
        response = render(request, "web/incidents/_view.html", values | {"swapped": True})
        response["HX-Retarget"], response["HX-Reswap"] = "#view", "outerHTML"
    else:
        response = render(request, "web/incidents/list.html", values | _open(found.state))
    if fragment:
        # Rows that are only read anew are no step of the browser's history, and what is open over them stays.
        same = _without_card(request.htmx.current_url or "") == _without_card(found.state.url)
        response["HX-Push-Url"] = "false" if same else found.state.url
    return response


def _here(request: PageRequest) -> tuple[load.Frame, ListState]:
    preferences = ListPreferences.of(request.user)
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    if not request.session.session_key:
        request.session.create()
    here = load.frame(
        actor, str(request.session.session_key), preferences, frozenset(request.session.get("edited", ()))
    )
    parameters = {name: [str(value) for value in values] for name, values in request.GET.lists()}
    return here, ListState.of(parameters, reverse("incidents"), preferences.size)


def _release_left(request: PageRequest, here: load.Frame, state: ListState) -> None:
    """End the result set that the page leaves: new filters and Refresh take another point in time."""
    current = urlsplit(request.htmx.current_url or "")
    left = parse_qs(current.query).get("rs", [""])[-1]
    if current.path == state.path and left and left != state.rs:
        result_sets.release_result_set(here.session_key, left)


def _jump(request: PageRequest, here: load.Frame, found: load.Table) -> HttpResponse:
    """Go to the page whose first row stands at a time."""
    text = request.GET["jump"].strip()
    try:
        at_ms = times.parse_instant(text, now_ms=found.as_of_ms, tz=here.tz, round_up=True)
    except times.BadInstant as error:
        raise ValidationFailed.field(_("Jump to time"), error.reason) from None
    newest = found.query.sort.newest_first
    if found.query.sort.field != "@timestamp":
        raise ValidationFailed.field(_("Jump to time"), _("sort by time first."))
    offset = insights.rows_before(here.actor, found.query.filters, found.query.pit, at_ms, newest_first=newest)
    offset = min(offset, max(0, found.total - 1))
    return redirect(found.state.within(offset=str(offset)).url)


def _without_card(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what an address of the list shows, whatever card is open over it."""
    parts = urlsplit(url)
    return parts.path, sorted(pair for pair in parse_qsl(parts.query) if pair[0] != "open")


def _open(state: ListState) -> Json:
    """Return the card that the address has open beside the list."""
    kind, _slash, doc_id = state.open.partition("/")
    if not doc_id or kind not in ("incident", "aggregation"):
        return {}
    return {"open_url": card_url(kind, doc_id)}


def _failed(
    request: PageRequest, here: load.Frame, state: ListState, error: ImError, *, fragment: bool
) -> HttpResponse:
    """Say what is wrong in the place of the rows, the text and filters kept."""
    query_faults, faults = context.faults_of(error, state)
    mistaken = isinstance(error, ValidationFailed | QueryRejected)
    if fragment and not mistaken:
        # The rows that stand stay as they are; a toast says why.
        return errors.from_im_error(request, error)
    title, icon, retry = errors.title_of(error.status)
    values = context.frame_context(here, state) | {
        "query_faults": query_faults,
        "faults": faults,
        **context.order_faults(faults, state),
        "failure": None if mistaken else {"title": title, "reason": error.reason, "icon": icon, "retry": retry},
        "compact": here.preferences.density == "compact",
    }
    if fragment:
        response = render(request, "web/incidents/_view.html", values | {"swapped": True})
        response["HX-Retarget"], response["HX-Reswap"] = "#view", "outerHTML"
        response["HX-Push-Url"] = state.url
        return response
    response = render(request, "web/incidents/list.html", values, status=error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response


@page(may.VIEW)
def news(request: PageRequest) -> HttpResponse:
    """Return how many rows came in since the page was frozen; nothing on the page moves."""
    here, state = _here(request)
    since = request.GET.get("since", "")
    if not since.isdecimal() or len(since) > 16:
        raise ValidationFailed.field("since", _("epoch milliseconds"))
    query = state.query(here.registry, here.actor.time_zone, None)
    count = insights.new_since(here.actor, query.filters, int(since))
    return render(request, "web/incidents/_news.html", {"news": count, "refresh_url": state.fresh().url})


@page(may.VIEW)
def members(request: PageRequest, result_id: str) -> HttpResponse:
    """Return a group's incidents as rows to stand below it."""
    here, state = _here(request)
    base = ListState(path=state.path, start=OPEN_END, end=OPEN_END, mode="incidents", size=str(MEMBERS))
    query = base.query(here.registry, here.actor.time_zone, None)
    found = services.group_members(here.actor, result_id, query)
    shown = columns(here.preferences, here.registry, here.custom)
    all_url = base.with_filter("incident_aggregation_result_id", [result_id]).url
    values: Json = {
        "rows": rows(found.docs, load.words(here, found, shown, state)),
        "group": result_id,
        "all_url": all_url,
        "may_bulk": here.actor.may(may.BULK),
        "total": found.total,
        "more": max(0, (found.total or 0) - len(found.docs)),
        "colspan": 6 + len(shown),
    }
    if not request.htmx:
        return redirect(all_url)
    return render(request, "web/incidents/_members.html", values)


@page(may.VIEW, "POST")
def remember_list(request: PageRequest) -> HttpResponse:
    """Keep density, columns, page size, the folded chart or auto-refresh for this user."""
    remember(request.user, dict(request.POST.lists()))
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("incidents")
    if request.POST.get("size"):
        parts = urlsplit(back)
        query = QueryDict(parts.query, mutable=True)
        for name in ("size", "from", "at"):
            query.pop(name, None)
        query["size"] = request.POST["size"]
        back = f"{parts.path}?{query.urlencode()}"
    return HttpResponseRedirect(back, status=303)


@page(may.VIEW, "POST")
def leave(request: PageRequest) -> HttpResponse:
    """Let a closed tab's point in time end soon; a reload takes it up again."""
    result_sets.shorten_result_set(
        str(request.session.session_key), request.POST.get("rs", "")[:32], CLOSED_TAB_SECONDS
    )
    return HttpResponse(status=204)

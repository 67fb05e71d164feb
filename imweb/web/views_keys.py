"""What single keys do on the list and the card: a small form for one row, its change, and the undo of one change."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.errors import NotFound, VersionConflict
from imweb.incidents import editing
from imweb.incidents.documents import DocKind
from imweb.web.card import by_key
from imweb.web.listing.rows import card_url
from imweb.web.page import PageRequest, page
from imweb.web.views_card import attempt, here_of, note_edited, whole_card

# What is asked for each; assigning asks nothing, and shows itself only when it could not be done.
ACTS = ("assign", "status", "comment", "close")


@page(may.VIEW, "GET", "HEAD", "POST")
def incident(request: PageRequest, doc_id: str, act: str) -> HttpResponse:
    """Ask for and make one change of an incident."""
    return _act(request, "incident", doc_id, act)


@page(may.VIEW, "GET", "HEAD", "POST")
def aggregation(request: PageRequest, doc_id: str, act: str) -> HttpResponse:
    """Ask for and make one change of an aggregation result."""
    return _act(request, "aggregation", doc_id, act)


@page(may.VIEW, "POST")
def undo_incident(request: PageRequest, doc_id: str, change: str) -> HttpResponse:
    """Take one change of an incident back."""
    return _undo(request, "incident", doc_id, change)


@page(may.VIEW, "POST")
def undo_aggregation(request: PageRequest, doc_id: str, change: str) -> HttpResponse:
    """Take one change of an aggregation result back."""
    return _undo(request, "aggregation", doc_id, change)


def _act(request: PageRequest, kind: DocKind, doc_id: str, act: str) -> HttpResponse:
    if act not in ACTS:
        raise Http404
    here = here_of(request)
    failure = None
    if request.method == "POST":
        tried = attempt(request, here, kind, doc_id)
        note_edited(request)
        if tried.outcome is not None:
            return _done(request, kind, doc_id, tried)
        failure = tried.failure
    values = by_key.context(here, editing.get_document(here.actor, kind, doc_id), request.htmx.current_url or "")
    values |= {"act": act, "act_url": request.path, "failure": failure, "typed": request.POST}
    if request.htmx:
        return render(request, "web/card/_by_key.html", values)
    return render(request, "web/card/by_key.html", values, status=400 if failure else 200)


def _done(request: PageRequest, kind: DocKind, doc_id: str, tried: by_key.Tried) -> HttpResponse:
    if not request.htmx or tried.outcome is None:
        messages.success(request, _("Saved."))
        return redirect(card_url(kind, doc_id))
    here = here_of(request)
    values = by_key.context(here, editing.get_document(here.actor, kind, doc_id), request.htmx.current_url or "")
    response = render(request, "web/card/_by_key_done.html", values)
    response["X-Im-Saved"] = "1"
    by_key.offer_undo(response, here, kind, doc_id, tried)
    return response


def _undo(request: PageRequest, kind: DocKind, doc_id: str, change: str) -> HttpResponse:
    here = here_of(request)
    try:
        outcome = editing.take_back(here.actor, kind, doc_id, change[:64])
    except (NotFound, VersionConflict) as error:
        reason = by_key.stays(here, error)
        if not request.htmx:
            raise type(error)(reason) from error
        return by_key.add_toast(HttpResponse(status=204), "bad", reason)
    note_edited(request)
    message = by_key.taken_back(here, outcome)
    if not request.htmx:
        messages.success(request, message)
        return redirect(card_url(kind, doc_id))
    if request.POST.get("where") in ("flyout", "page"):
        return by_key.add_toast(whole_card(request, here, kind, doc_id, {"changed": True}), "ok", message)
    values = by_key.context(here, outcome.document, request.htmx.current_url or "")
    return by_key.add_toast(render(request, "web/card/_by_key_done.html", values), "ok", message)

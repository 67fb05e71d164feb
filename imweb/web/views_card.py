"""The card of an incident or aggregation result: shown in the flyout or as a page, and changed field by field."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.errors import ImError, NotFound, ValidationFailed, VersionConflict
from imweb.incidents import editing
from imweb.incidents.documents import DocKind, Document
from imweb.web import errors
from imweb.web.card import by_key, forms, group, load
from imweb.web.card.alike import Alike, alike
from imweb.web.listing.load import Frame, frame
from imweb.web.listing.preferences import ListPreferences
from imweb.web.listing.rows import card_url
from imweb.web.page import PageRequest, page, zone_of
from imweb.web.views_bulk import EDITED, MAX_EDITED

Json = dict[str, Any]
WAIT_SECONDS = 1.5


@page(may.VIEW)
def card(request: PageRequest, doc_id: str) -> HttpResponse:
    """Show an incident: its page, or for htmx the card alone."""
    return _show(request, "incident", doc_id)


@page(may.VIEW)
def aggregation(request: PageRequest, doc_id: str) -> HttpResponse:
    """Show an aggregation result with its chart and its incidents."""
    return _show(request, "aggregation", doc_id)


@page(may.VIEW, "POST")
def change_incident(request: PageRequest, doc_id: str) -> HttpResponse:
    """Change an incident."""
    return _change(request, "incident", doc_id)


@page(may.VIEW, "POST")
def change_aggregation(request: PageRequest, doc_id: str) -> HttpResponse:
    """Change an aggregation result, with `sync` its incidents too."""
    return _change(request, "aggregation", doc_id)


@page(may.DELETE, "POST")
def delete(request: PageRequest, doc_id: str) -> HttpResponse:
    """Delete an incident; its history stays."""
    editing.delete(actor_of(request.user), doc_id)
    messages.success(request, _("The incident was deleted. Its history is kept."))
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("incidents")})
    return redirect("incidents")


@page(may.VIEW)
def incident_history(request: PageRequest, doc_id: str) -> HttpResponse:
    """Return older entries of an incident's history."""
    return _older(request, "incident", doc_id)


@page(may.VIEW)
def aggregation_history(request: PageRequest, doc_id: str) -> HttpResponse:
    """Return older entries of an aggregation result's history."""
    return _older(request, "aggregation", doc_id)


def _older(request: PageRequest, kind: DocKind, doc_id: str) -> HttpResponse:
    before = request.GET.get("before", "")[:200]
    url = card_url(kind, doc_id)
    if not request.htmx:
        return redirect(f"{url}?{urlencode({'before': before})}#card-history")
    here = here_of(request)
    editing.get_document(here.actor, kind, doc_id)
    return render(request, "web/card/_lines.html", load.older(here, kind, doc_id, before) | {"url": url})


def here_of(request: PageRequest) -> Frame:
    """Return the frame of a request."""
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    if not request.session.session_key:
        request.session.create()
    return frame(actor, str(request.session.session_key), ListPreferences.of(request.user))


def _show(request: PageRequest, kind: DocKind, doc_id: str) -> HttpResponse:
    fragment = bool(request.htmx) and not request.htmx.history_restore_request
    try:
        here = here_of(request)
        values = load.card(here, kind, doc_id, before=request.GET.get("before", "")[:200])
        if kind == "aggregation":
            values |= group.context(here, doc_id, request.GET.get("from", "0"), small=fragment)
    except ImError as error:
        if not fragment:
            raise
        # The list stays as it is: its flyout says what is wrong, and how to go on.
        return _instead(request, kind, doc_id, error)
    if fragment:
        return render(request, "web/card/_card.html", values | {"flyout": True})
    return render(request, "web/card/page.html", values)


def _instead(request: PageRequest, kind: DocKind, doc_id: str, error: ImError) -> HttpResponse:
    """Stand in the place of a card that cannot be shown."""
    title, icon, retry = errors.title_of(error.status)
    if isinstance(error, NotFound):
        title = _("This is not there any more")
    failure = {"title": title, "reason": error.reason, "icon": icon, "retry": retry}
    return render(request, "web/card/_failure.html", {"failure": failure, "url": card_url(kind, doc_id)})


def _change(request: PageRequest, kind: DocKind, doc_id: str) -> HttpResponse:
    here = here_of(request)
    posted = request.POST
    try:
        tried = attempt(request, here, kind, doc_id)
    except NotFound as error:
        if not request.htmx:
            raise
        return _instead(request, kind, doc_id, error)
    note_edited(request)
    outcome = tried.outcome
    others, note = _alike(request, here, outcome.document, tried.wanted) if outcome is not None else (None, "")
    if outcome is not None and not request.htmx:
        if outcome.task:
            return redirect("bulk-task", outcome.task)
        if others is not None:
            messages.success(request, _("Saved. These are like it: “Change all…” gives them the same verdict."))
            return redirect(others.url)
        messages.success(request, " ".join(part for part in (_("Saved."), note) if part))
        return redirect(card_url(kind, doc_id))
    values: Json = {"failure": tried.failure, "typed": posted.get("v.comment", "") if tried.failure else ""}
    if outcome is not None:
        values |= {"task": outcome.task, "changed": True, "alike": others, "note": note}
    response = whole_card(request, here, kind, doc_id, values, status=tried.status)
    if outcome is not None:
        response["X-Im-Saved"] = "1"
        by_key.offer_undo(response, here, kind, doc_id, tried)
    return response


def _alike(request: PageRequest, here: Frame, doc: Document, wanted: Json) -> tuple[Alike | None, str]:
    """Return the others that are to get the same verdict, and what is to be said where there are none."""
    if request.POST.get("then") != "similar" or not here.actor.may(may.BULK):
        return None, ""
    try:
        found = alike(here, doc, wanted)
    except ImError as error:
        return None, error.reason
    return found, "" if found else _("No other open one is like it.")


def whole_card(
    request: PageRequest, here: Frame, kind: DocKind, doc_id: str, more: Json, status: int = 200
) -> HttpResponse:
    """Return the card as it stands now, in the flyout or on its page, with what a change has to say."""
    values = load.card(here, kind, doc_id) | more
    if not request.htmx:
        if kind == "aggregation":
            values |= group.context(here, doc_id, "0", small=False)
        return render(request, "web/card/page.html", values, status=status)
    flyout = request.POST.get("where") == "flyout"
    if kind == "aggregation":
        values |= group.context(here, doc_id, "0", small=flyout)
    return render(request, "web/card/_card.html", values | {"flyout": flyout})


def attempt(request: PageRequest, here: Frame, kind: DocKind, doc_id: str) -> by_key.Tried:
    """Make the change that a form asks for; what stands against it is for the form. Raises `NotFound`."""
    posted = request.POST
    operation = uuid.uuid4().hex
    wanted: Json = {}
    try:
        if "take" in posted:
            wanted = {"reviewer": here.actor.username}
        else:
            wanted = forms.changes(posted, {item.name: item for item in here.custom}, here.actor.time_zone)
        _require_original(here, kind, doc_id, wanted)
        rev = forms.revision(posted)
        outcome = _write(here, kind, doc_id, wanted, rev, operation, sync=posted.get("sync") == "1")
    except NotFound:
        raise
    except ImError as error:
        failure = _failure(here, error)
        failure["again"] = [
            (name, v) for name, vs in posted.lists() for v in vs if name not in ("rev", "csrfmiddlewaretoken")
        ]
        return by_key.Tried(wanted, "", None, failure, error.status)
    return by_key.Tried(wanted, editing.change_of(operation, kind, doc_id), outcome)


def _require_original(here: Frame, kind: DocKind, doc_id: str, wanted: Json) -> None:
    """Refuse to call something the duplicate of itself, or of what its reader does not find."""
    original = wanted.get("duplicate_of")
    if original is None:
        return
    if wanted.get("resolution") != "duplicate":
        # What was typed before another verdict was chosen.
        del wanted["duplicate_of"]
        return
    if (kind, original) == ("incident", doc_id):
        raise ValidationFailed.field("duplicate_of", _("is this very incident; name the one that stays"))
    try:
        editing.get_document(here.actor, "incident", original)
    except NotFound:
        raise ValidationFailed.field("duplicate_of", _("there is no incident with this id")) from None


def _write(
    here: Frame, kind: DocKind, doc_id: str, wanted: Json, rev: int | None, operation: str, *, sync: bool
) -> editing.Outcome:
    if kind == "aggregation" and sync:
        held = editing.get_document(here.actor, kind, doc_id)
        own = held.source.get("incident_aggregation_id")
        parent = own[0] if isinstance(own, list) else str(own)
        return editing.update_aggregation(here.actor, parent, doc_id, wanted, sync=True, rev=rev, seconds=WAIT_SECONDS)
    return editing.update(here.actor, kind, doc_id, wanted, rev=rev, operation=operation)


def _failure(here: Frame, error: ImError) -> Json:
    """Return what went wrong, for the card: a collision field by field, anything else as a sentence."""
    reasons = [error.reason]
    if isinstance(error, ValidationFailed):
        reasons = [
            f"{known.label}: {item.reason}" if (known := here.registry.get(item.field)) else error.reason
            for item in error.details
        ] or [error.reason]
    title, icon, _retry = errors.title_of(error.status)
    if isinstance(error, ValidationFailed):
        title = _("This was not saved")
    clashes = load.clashes(error.details, here) if isinstance(error, VersionConflict) else []
    return {"title": title, "icon": icon, "reasons": reasons, "clashes": clashes}


def note_edited(request: PageRequest) -> None:
    """Let the frozen list behind the flyout show its rows as they stand now."""
    key = parse_qs(urlsplit(request.htmx.current_url or "").query).get("rs", [""])[-1]
    if key:
        kept = [item for item in request.session.get(EDITED, []) if item != key]
        request.session[EDITED] = [*kept, key[:64]][-MAX_EDITED:]

"""Saved views: keep the list's filters under a name, share, pin, begin with one, rename, delete and bring back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.administration import record
from imweb.errors import Detail, NotFound, PermissionDenied, ValidationFailed, VersionConflict
from imweb.web import saved
from imweb.web.bulk.selection import state_of
from imweb.web.listing.state import ListState
from imweb.web.models import MAX_NAME, SavedView
from imweb.web.page import PageRequest, page

MAX_OWN = 200
# What a session remembers of the view that was deleted last in it.
DELETED = "deleted_view"
UNDO_SECONDS = 600


@dataclass(frozen=True, slots=True)
class _Refused:
    """A name that a view on the page did not get."""

    view_id: int
    name: str
    reason: str


class _Taken(ValidationFailed):
    """One's own view has the name already and shows something else."""

    def __init__(self, view: SavedView) -> None:
        reason = _("you have a view of this name already; replace it or choose another name")
        super().__init__(reason, [Detail("name", reason)])
        self.view = view


@page(may.VIEW)
def views(request: PageRequest) -> HttpResponse:
    """Show one's own and the shared views."""
    return _show(request)


def _show(request: PageRequest, refused: _Refused | None = None) -> HttpResponse:
    chosen = saved.choices(request.user)
    lines = [
        {
            "view": view,
            "url": saved.url_of(view),
            "own": view.owner_id == request.user.pk,
            "may_delete": _may_delete(request, view),
            "pinned": view.pk in chosen["pinned"],
            "default": view.pk == chosen["default"],
            "refused": refused if refused and refused.view_id == view.pk else None,
        }
        for view in SavedView.seen_by(request.user)
    ]
    context = {
        "lines": lines,
        "may_share": request.user.may(may.SHARE_VIEW),
        "max_name": MAX_NAME,
        "deleted": _deleted(request),
    }
    return render(request, "web/saved/list.html", context, status=400 if refused else 200)


@page(may.VIEW, "POST")
def save(request: PageRequest) -> HttpResponse:
    """Keep the list that `next` shows; one's own view of that name is replaced only if `replace` says so.

    What is refused comes back as a form with everything that was entered.
    """
    try:
        view = _save(request)
    except _Taken as taken:
        return _ask(request, taken, taken.view)
    except ValidationFailed as refused:
        return _ask(request, refused)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
    return HttpResponseRedirect(saved.url_of(view), status=303)


def _save(request: PageRequest) -> SavedView:
    form = request.POST
    name = _name(form.get("name", ""))
    own = SavedView.objects.filter(owner=request.user)
    known = own.filter(name=name).first()
    if known is None and own.count() >= MAX_OWN:
        raise ValidationFailed.field("name", _("you have %(n)s views; delete one first") % {"n": MAX_OWN})
    shared = bool(form.get("shared"))
    if shared and not request.user.may(may.SHARE_VIEW):
        raise PermissionDenied(_("Your roles do not let you share views; save it for yourself."))
    query = _query(state_of(form.get("next", "")))
    if known and not form.get("replace") and (known.query, known.shared) != (query, shared):
        raise _Taken(known)
    chosen = saved.choices(request.user)
    if form.get("pinned") and (known is None or known.pk not in chosen["pinned"]):
        _room(chosen["pinned"])
    view, _created = SavedView.objects.update_or_create(
        owner=request.user, name=name, defaults={"query": query, "shared": shared}
    )
    if form.get("pinned") and view.pk not in chosen["pinned"]:
        chosen["pinned"].append(view.pk)
    if form.get("default"):
        chosen["default"] = view.pk
    saved.keep(request.user, chosen)
    return view


def _ask(request: PageRequest, refused: ValidationFailed, taken: SavedView | None = None) -> HttpResponse:
    """Show what was entered once more, beside what is wrong with it."""
    url = reverse("incidents")
    query = _query(state_of(request.POST.get("next", "")))
    context = {
        "entered": request.POST,
        "back": f"{url}?{query}" if query else url,
        "faults": {detail.field: detail.reason for detail in refused.details},
        "taken": taken,
        "taken_url": saved.url_of(taken) if taken else "",
        "may_share": request.user.may(may.SHARE_VIEW),
        "max_name": MAX_NAME,
    }
    return render(request, "web/saved/save.html", context, status=400)


@page(may.VIEW, "POST")
def change(request: PageRequest, view_id: int) -> HttpResponse:
    """Pin, begin with, share, rename or delete a view, or the opposite, as `action` says."""
    action = request.POST.get("action", "")
    if action == "restore":
        return _restored(request, view_id)
    view = SavedView.seen_by(request.user).filter(pk=view_id).first()
    if view is None:
        raise NotFound(_("There is no view with this number, or it is somebody else's."))
    chosen = saved.choices(request.user)
    match action:
        case "pin":
            if view.pk not in chosen["pinned"]:
                _room(chosen["pinned"])
                chosen["pinned"].append(view.pk)
        case "unpin":
            chosen["pinned"] = [item for item in chosen["pinned"] if item != view.pk]
        case "default" | "undefault":
            chosen["default"] = view.pk if action == "default" else None
        case "share" | "unshare" | "rename" | "delete":
            try:
                _own(request, view, action)
            except ValidationFailed as fault:
                return _show(request, _Refused(view_id, request.POST.get("name", ""), fault.details[0].reason))
        case _:
            raise ValidationFailed.field(
                "action", _("pin, unpin, default, undefault, share, unshare, rename, delete or restore")
            )
    saved.keep(request.user, chosen)
    return HttpResponseRedirect(reverse("views"), status=303)


def _deleted(request: PageRequest) -> dict[str, Any] | None:
    """Return what can be brought back, for ten minutes after it was deleted."""
    gone: dict[str, Any] | None = request.session.get(DELETED)
    return gone if gone and time.time() - gone["at"] < UNDO_SECONDS else None


def _restored(request: PageRequest, view_id: int) -> HttpResponse:
    """Bring back the view that was deleted last in this session, under its number, so that pins to it hold again."""
    gone = _deleted(request)
    if gone is None or gone["id"] != view_id:
        raise NotFound(_("This view was not deleted here just now; it cannot be brought back."))
    owner = request.user if gone["own"] else None
    if gone["shared"] and not request.user.may(may.SHARE_VIEW if owner else may.SETTINGS):
        raise PermissionDenied(_("Your roles do not let you share views any more; save it for yourself."))
    try:
        with transaction.atomic():
            SavedView.objects.create(
                pk=view_id, owner=owner, name=gone["name"], query=gone["query"], shared=gone["shared"]
            )
    except IntegrityError:
        raise VersionConflict(
            _("It is back already, or you have a new view of that name: rename that one, then bring this one back.")
        ) from None
    del request.session[DELETED]
    if owner is None:
        record("view", gone["name"], "created", None, {"query": gone["query"]}, request.user.username)
    messages.success(request, _("The view “%(name)s” is back.") % {"name": gone["name"]})
    return HttpResponseRedirect(reverse("views"), status=303)


def _may_delete(request: PageRequest, view: SavedView) -> bool:
    """Return whether the user's own, or one of nobody's that he may shape the console without."""
    return view.owner_id == request.user.pk or (view.owner_id is None and request.user.may(may.SETTINGS))


def _own(request: PageRequest, view: SavedView, action: str) -> None:
    if action == "delete" and _may_delete(request, view):
        if view.owner is None:
            record("view", view.name, "removed", {"query": view.query}, None, request.user.username)
        request.session[DELETED] = {
            "at": time.time(),
            "id": view.pk,
            "own": view.owner is not None,
            "name": view.name,
            "query": view.query,
            "shared": view.shared,
        }
        view.delete()
        return
    if view.owner is None:
        raise PermissionDenied(_("This view belongs to the configuration; an administrator may delete it."))
    if view.owner_id != request.user.pk:
        raise PermissionDenied(_("This view is %(name)s's; only its owner changes it.") % {"name": view.owner.username})
    if action == "share" and not request.user.may(may.SHARE_VIEW):
        raise PermissionDenied(_("Your roles do not let you share views."))
    if action == "rename":
        name = _name(request.POST.get("name", ""))
        try:
            with transaction.atomic():
                SavedView.objects.filter(pk=view.pk).update(name=name)
        except IntegrityError:
            reason = _("you have another view of this name; choose a different one")
            raise ValidationFailed.field("name", reason) from None
        return
    SavedView.objects.filter(pk=view.pk).update(shared=action == "share")


def _name(entered: str) -> str:
    """Return a name with its blanks put in order; raise `ValidationFailed` for one that cannot be kept."""
    name = " ".join(entered.split())
    if "\x00" in name:
        # PostgreSQL holds none.
        raise ValidationFailed.field("name", _("must not hold the character NUL"))
    if not 1 <= len(name) <= MAX_NAME:
        raise ValidationFailed.field("name", _("1 to %(n)s characters") % {"n": MAX_NAME})
    return name


def _room(pinned: list[int]) -> None:
    # What was deleted or is no longer shared takes no place.
    standing = set(SavedView.objects.filter(pk__in=pinned).values_list("pk", flat=True))
    pinned[:] = [item for item in pinned if item in standing]
    if len(pinned) >= saved.MAX_PINNED:
        raise ValidationFailed.field(
            "pinned", _("at most %(n)s views are pinned; unpin one first") % {"n": saved.MAX_PINNED}
        )


def _query(state: ListState) -> str:
    _path, _mark, query = state.fresh(size="25").url.partition("?")
    return query

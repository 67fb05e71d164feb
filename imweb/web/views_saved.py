"""Saved views: keep the list's filters under a name, share, pin, begin with one, delete."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.administration import record
from imweb.errors import NotFound, PermissionDenied, ValidationFailed
from imweb.web import saved
from imweb.web.bulk.selection import state_of
from imweb.web.listing.state import ListState
from imweb.web.models import SavedView
from imweb.web.page import PageRequest, page

MAX_OWN = 200


@page(may.VIEW)
def views(request: PageRequest) -> HttpResponse:
    """Show one's own and the shared views."""
    chosen = saved.choices(request.user)
    lines = [
        {
            "view": view,
            "url": saved.url_of(view),
            "own": view.owner_id == request.user.pk,
            "may_delete": _may_delete(request, view),
            "pinned": view.pk in chosen["pinned"],
            "default": view.pk == chosen["default"],
        }
        for view in SavedView.seen_by(request.user)
    ]
    return render(request, "web/saved/list.html", {"lines": lines, "may_share": request.user.may(may.SHARE_VIEW)})


@page(may.VIEW, "POST")
def save(request: PageRequest) -> HttpResponse:
    """Keep the list that `next` shows; one's own view of that name is replaced."""
    name = " ".join(request.POST.get("name", "").split())
    if not 1 <= len(name) <= 60:
        raise ValidationFailed.field("name", _("1 to 60 characters"))
    own = SavedView.objects.filter(owner=request.user)
    if own.count() >= MAX_OWN and not own.filter(name=name).exists():
        raise ValidationFailed.field("name", _("you have %(n)s views; delete one first") % {"n": MAX_OWN})
    shared = bool(request.POST.get("shared"))
    if shared and not request.user.may(may.SHARE_VIEW):
        raise PermissionDenied(_("Your roles do not let you share views; save it for yourself."))
    query = _query(state_of(request.POST.get("next", "")))
    chosen = saved.choices(request.user)
    known = own.filter(name=name).first()
    if request.POST.get("pinned") and (known is None or known.pk not in chosen["pinned"]):
        _room(chosen["pinned"])
    view, _created = SavedView.objects.update_or_create(
        owner=request.user, name=name, defaults={"query": query, "shared": shared}
    )
    if request.POST.get("pinned") and view.pk not in chosen["pinned"]:
        chosen["pinned"].append(view.pk)
    if request.POST.get("default"):
        chosen["default"] = view.pk
    saved.keep(request.user, chosen)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": name})
    return HttpResponseRedirect(saved.url_of(view), status=303)


@page(may.VIEW, "POST")
def change(request: PageRequest, view_id: int) -> HttpResponse:
    """Pin, begin with, share or delete a view, or the opposite, as `action` says."""
    view = SavedView.seen_by(request.user).filter(pk=view_id).first()
    if view is None:
        raise NotFound(_("There is no view with this number, or it is somebody else's."))
    chosen = saved.choices(request.user)
    action = request.POST.get("action", "")
    match action:
        case "pin":
            if view.pk not in chosen["pinned"]:
                _room(chosen["pinned"])
                chosen["pinned"].append(view.pk)
        case "unpin":
            chosen["pinned"] = [item for item in chosen["pinned"] if item != view.pk]
        case "default" | "undefault":
            chosen["default"] = view.pk if action == "default" else None
        case "share" | "unshare" | "delete":
            _own(request, view, action)
        case _:
            raise ValidationFailed.field("action", _("pin, unpin, default, undefault, share, unshare or delete"))
    saved.keep(request.user, chosen)
    return HttpResponseRedirect(reverse("views"), status=303)


def _may_delete(request: PageRequest, view: SavedView) -> bool:
    """Return whether the user's own, or one of nobody's that he may shape the console without."""
    return view.owner_id == request.user.pk or (view.owner_id is None and request.user.may(may.SETTINGS))


def _own(request: PageRequest, view: SavedView, action: str) -> None:
    if action == "delete" and _may_delete(request, view):
        if view.owner is None:
            record("view", view.name, "removed", {"query": view.query}, None, request.user.username)
        view.delete()
        return
    if view.owner is None:
        raise PermissionDenied(_("This view belongs to the configuration; an administrator may delete it."))
    if view.owner_id != request.user.pk:
        raise PermissionDenied(_("This view is %(name)s's; only its owner changes it.") % {"name": view.owner.username})
    if action == "share" and not request.user.may(may.SHARE_VIEW):
        raise PermissionDenied(_("Your roles do not let you share views."))
    SavedView.objects.filter(pk=view.pk).update(shared=action == "share")


def _room(pinned: list[int]) -> None:
    # What was deleted or is no longer shared takes no place.
    standing = set(SavedView.objects.filter(pk__in=pinned).values_list("pk", flat=True))
    pinned[:] = [item for item in pinned if item in standing]
    if len(pinned) >= saved.MAX_PINNED:
        raise ValidationFailed.field("pinned", _("at most %(n)s views are pinned; unpin one first") % {"n": 7})


def _query(state: ListState) -> str:
    _path, _mark, query = state.fresh(size="25").url.partition("?")
    return query

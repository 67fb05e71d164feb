"""The common parts of settings pages; templates/web/settings/_*.html draw them.

A page brings its objects through a `Source`: the one of a configuration kind, or one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.configuration import Kind, store
from imweb.configuration.kinds import D
from imweb.configuration.models import Change
from imweb.errors import Detail, ImError, NotFound, ValidationFailed, VersionConflict
from imweb.web.page import PageRequest, toast_headers
from imweb.web.settings_pages import moving

T = TypeVar("T")
HISTORY = 8


class Source(Protocol):
    """Where the objects of a settings page come from."""

    @property
    def kind(self) -> str:
        """Return the kind under which changes are recorded."""

    def names(self) -> list[str]:
        """Return the names that have an order, in it."""

    def reorder(self, names: Sequence[str], *, by: str) -> None:
        """Put them into another order, every one named once."""

    def undo(self, change: Change, *, by: str) -> None:
        """Take back a change."""


@dataclass(frozen=True, slots=True)
class KindSource(Generic[D]):
    """The objects of a configuration kind."""

    of: Kind[D]

    @property
    def kind(self) -> str:
        """Return the kind's name."""
        return self.of.name

    def names(self) -> list[str]:
        """See `Source`."""
        return [item.value.name for item in store.items(self.of, fresh=True)]

    def reorder(self, names: Sequence[str], *, by: str) -> None:
        """See `Source`."""
        store.reorder(self.of, names, by=by)

    def undo(self, change: Change, *, by: str) -> None:
        """See `Source`."""
        if change.action == "reordered":
            store.reorder(self.of, change.old or [], by=by)
        elif not change.name:
            store.replace(self.of, change.old or [], by=by)
        else:
            store.undo(self.of, change.name, by=by)


@dataclass(frozen=True, slots=True)
class Collision:
    """What another administrator changed while this one was typing; lines are (field, yours, theirs)."""

    reason: str
    user: str = ""
    time: datetime | None = None
    lines: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Form:
    """One form as it stands: what was typed, and what is wrong with it, by field; `""` holds what belongs to none."""

    values: dict[str, Any]
    revision: int = 0
    new: bool = False
    faults: dict[str, list[str]] = field(default_factory=dict)
    collision: Collision | None = None

    @property
    def status(self) -> int:
        """Return the status to answer with."""
        return 409 if self.collision else 400 if self.faults else 200

    def refuse(self, error: ImError, labels: Mapping[str, str] | None = None) -> None:
        """Take over what an error says; nothing typed is lost."""
        if isinstance(error, VersionConflict):
            self.collision = collision_of(error, labels or {})
        else:
            self.faults = faults_of(error)


def faults_of(error: ImError) -> dict[str, list[str]]:
    """Return the reasons of an error by the field of the form."""
    found: dict[str, list[str]] = {}
    for detail in error.details:
        name, reason = detail.field, detail.reason
        head, colon, rest = reason.partition(": ")
        # A check of a whole definition names its field in the text.
        if not name and colon and head.isidentifier():
            name, reason = head, rest
        found.setdefault(name.partition(".")[0], []).append(reason)
    return found or {"": [error.reason]}


def collision_of(error: VersionConflict, labels: Mapping[str, str]) -> Collision:
    """Return who changed what meanwhile, beside what was typed here."""
    details = [detail for detail in error.details if "user" in detail.extra]
    if not details:
        return Collision(error.reason)
    first = details[0].extra
    lines = [(labels.get(d.field, d.field), said(d.extra["yours"]), said(d.extra["theirs"])) for d in details]
    return Collision(error.reason, first["user"], datetime.fromisoformat(first["time"]), lines)


def said(value: Any) -> str:
    """Return a setting's value as a person reads it."""
    match value:
        case None | "" | []:
            return "—"
        case bool():
            return _("yes") if value else _("no")
        case list() | tuple():
            return ", ".join(said(item) for item in value)
        case {"source": source, "target": target}:
            return f"{source} → {target}"
        case dict():
            return str(
                value.get("title") or value.get("name") or ", ".join(f"{k}: {said(v)}" for k, v in value.items())
            )
    return str(value)


def matching(found: Iterable[T], query: str, text: Callable[[T], str]) -> list[T]:
    """Return the objects whose text has every word of a search."""
    words = query.casefold().split()
    return [item for item in found if all(word in text(item).casefold() for word in words)]


def history(kind: str, *, limit: int = HISTORY) -> list[Change]:
    """Return the last changes of a kind, the newest first."""
    return list(Change.objects.filter(kind=kind)[:limit])


def list_context(request: PageRequest, source: Source) -> dict[str, Any]:
    """Return what the list of a settings page and `_history.html` need."""
    changes = history(source.kind)
    return {
        "q": request.GET.get("q", "").strip()[:200],
        "history": changes,
        "last": changes[0] if changes else None,
        "waiting_moves": moving.waiting(source.kind),
    }


def last_change(kind: str) -> Change | None:
    """Return the newest change of a kind."""
    return Change.objects.filter(kind=kind).first()


def made_since(kind: str, before: Change | None, by: str) -> Change | None:
    """Return the newest change that a user made after another one, None when nothing was changed."""
    return Change.objects.filter(kind=kind, by=by, pk__gt=before.pk if before else 0).first()


def require_seen(request: PageRequest, kind: str) -> None:
    """Raise `VersionConflict` when the page was made before somebody's change; `change` is the last that it knew."""
    seen = request.POST.get("change")
    if seen is None:
        return
    since = Change.objects.filter(kind=kind, pk__gt=int(seen) if seen.isdecimal() and len(seen) < 19 else 0)
    if found := list(since[:HISTORY]):
        raise VersionConflict(
            _("%(user)s changed the settings meanwhile; nothing of yours was saved, and nothing is lost.")
            % {"user": found[0].by},
            [
                Detail(
                    change.name or _("the whole list"),
                    str(change.get_action_display()),
                    {"yours": None, "theirs": change.get_action_display(), "user": change.by, "time": str(change.at)},
                )
                for change in found
            ],
        )


def reorder(request: PageRequest, source: Source, url_name: str) -> HttpResponse:
    """Take an order: `order` names all, or `move` is a name with `:up` or `:down`.

    A script gets the list of changes anew, as the page shows it.
    """
    names = request.POST.getlist("order") or _moved(source.names(), request.POST.get("move", ""))
    require_seen(request, source.kind)
    source.reorder(names, by=request.user.username)
    if request.htmx:
        context = list_context(request, source) | {"undo_url": reverse(f"{url_name}-undo")}
        response = render(request, "web/settings/_history.html", context)
        for name, value in toast_headers("ok", _("The new order is saved.")).items():
            response[name] = value
        return response
    messages.success(request, _("The new order is saved."))
    return redirect(url_name)


def _moved(names: list[str], move: str) -> list[str]:
    name, _colon, direction = move.rpartition(":")
    if name not in names or direction not in ("up", "down"):
        raise ValidationFailed.field("move", _("a name of the list with :up or :down"))
    at = names.index(name)
    to = min(max(at + (1 if direction == "down" else -1), 0), len(names) - 1)
    names.insert(to, names.pop(at))
    return names


def undo(request: PageRequest, source: Source, url_name: str) -> HttpResponse:
    """Take back the last change of the page, if it still is the one that the administrator saw."""
    seen = request.POST.get("change", "")
    last = last_change(source.kind)
    if last is None:
        raise NotFound(_("There is nothing to take back."))
    if str(last.pk) != seen:
        raise VersionConflict(
            _("%(user)s changed something meanwhile; nothing was taken back. Look again first.") % {"user": last.by}
        )
    try:
        moving.require_settled(last)
        source.undo(last, by=request.user.username)
        back = moving.take_back(request, last, made_since(source.kind, last, request.user.username))
        messages.success(request, _taken_back(back))
    except (ValidationFailed, VersionConflict, NotFound) as error:
        messages.error(request, error.reason)
    return redirect(url_name)


def _taken_back(documents: int) -> str:
    if not documents:
        return _("The last change is taken back.")
    text = ngettext(
        "The last change is taken back; %(n)s incident or group has its former value again.",
        "The last change is taken back; %(n)s incidents and groups have their former values again.",
        documents,
    )
    return text % {"n": f"{documents:,}"}


def revision_of(request: PageRequest) -> int:
    """Return the revision that a form was made from."""
    text = request.POST.get("revision", "0")
    if not text.isdecimal() or len(text) > 9:
        raise ValidationFailed.field("revision", _("a whole number"))
    return int(text)


def find(source: Kind[D], name: str) -> store.Item[D]:
    """Return an object read afresh, or raise `NotFound`."""
    return store.get(source, name, fresh=True)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text area that hold something, trimmed."""
    return [line.strip() for line in text.splitlines() if line.strip()]

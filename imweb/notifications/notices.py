"""What a user is told in the console: counted for the bell, listed, marked as read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from imweb.accounts.actor import Actor
from imweb.incidents import access
from imweb.notifications.matching import read, said, shown
from imweb.notifications.models import Notice

Json = dict[str, Any]
# The bell says "99+" beyond.
COUNTED = 100
PAGE = 50


@dataclass(frozen=True, slots=True)
class Told:
    """One notice as its reader sees it: the event, and what its object is like now."""

    id: int
    data: Json
    about: Json
    count: int
    is_read: bool

    @property
    def when(self) -> datetime:
        """Return when it happened."""
        return datetime.fromisoformat(str(self.data["time"]))

    @property
    def kind(self) -> str:
        """Return `incident` or `aggregation`."""
        return str(self.data["key"]).partition("/")[0]

    @property
    def object_id(self) -> str:
        """Return the id of the object."""
        return str(self.data["key"]).partition("/")[2]


def unread(actor: Actor) -> int:
    """Return how many notices of an actor are unread, at most `COUNTED`; those of what he may not see do not count."""
    rows = Notice.objects.filter(user_id=actor.user_id, read_at=None)
    if actor.rows is None:
        return rows[:COUNTED].count()
    carried = rows.values_list("access", flat=True)[:COUNTED]
    return sum(1 for values in carried if access.entry_visible(actor, {"access": values}))


def bell(actor: Actor) -> Json:
    """Return what the bell shows: `unread` as a number, `unread_shown` as a text."""
    count = unread(actor)
    return {"unread": count, "unread_shown": str(count) if count < COUNTED else f"{COUNTED - 1}+"}


def listed(actor: Actor, *, before: int | None = None, only_unread: bool = False) -> tuple[list[Told], int | None]:
    """Return a page of notices, the newest first, and what `before` takes for the next page, None at the end.

    What the actor may not see now, and what was deleted, is left out.
    """
    rows = Notice.objects.filter(user_id=actor.user_id)
    if only_unread:
        rows = rows.filter(read_at=None)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    part = list(rows[: PAGE + 1])
    more = part[PAGE - 1].pk if len(part) > PAGE else None
    part = part[:PAGE]
    sources = read({row.data["key"] for row in part})
    found = []
    for row in part:
        source = sources.get(row.data["key"])
        if "test" in row.data:
            found.append(Told(row.pk, row.data, {"title": row.data["test"]}, 1, row.read_at is not None))
        elif source is not None and access.visible(actor, source) and (data := said(row.data, actor.hidden)):
            found.append(Told(row.pk, data, shown(source, actor.hidden), row.count, row.read_at is not None))
    return found, more


def mark_read(actor: Actor, notice_id: int | None = None) -> int:
    """Mark one notice, or all, as read; return how many were unread."""
    rows = Notice.objects.filter(user_id=actor.user_id, read_at=None)
    if notice_id is not None:
        rows = rows.filter(pk=notice_id)
    return rows.update(read_at=timezone.now())

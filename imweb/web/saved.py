"""Saved views as their users have them: pinned in the navigation with counts, one of them the first to open."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs

from django.core.cache import cache
from django.urls import reverse

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.errors import ImError
from imweb.incidents import insights
from imweb.incidents.access import registry_of
from imweb.web.listing.state import ListState
from imweb.web.models import SavedView

MAX_PINNED = 7
COUNT_SECONDS = 30


def choices(user: User) -> dict[str, Any]:
    """Return `pinned` (ids in order) and `default` (an id or None); what was stored askew counts as nothing."""
    kept = user.preferences.get("views") if isinstance(user.preferences, dict) else None
    kept = kept if isinstance(kept, dict) else {}
    pinned = kept.get("pinned")
    default = kept.get("default")
    return {
        "pinned": [item for item in pinned if isinstance(item, int)] if isinstance(pinned, list) else [],
        "default": default if isinstance(default, int) else None,
    }


def keep(user: User, chosen: dict[str, Any]) -> None:
    """Store a user's choices."""
    user.preferences = {**user.preferences, "views": chosen}
    user.save(update_fields=["preferences"])


def url_of(view: SavedView) -> str:
    """Return the address of a view."""
    return reverse("incidents") + (f"?{view.query}" if view.query else "")


def default_url(user: User) -> str | None:
    """Return the address that the user wants to begin at."""
    view = SavedView.seen_by(user).filter(pk=choices(user)["default"] or 0).first()
    return url_of(view) if view else None


def pinned(user: User) -> list[tuple[SavedView, int | None]]:
    """Return the pinned views with their numbers of rows, at most 30 s old; None where it cannot be counted."""
    ids = choices(user)["pinned"][:MAX_PINNED]
    if not ids:
        return []
    known = {view.pk: view for view in SavedView.seen_by(user).filter(pk__in=ids)}
    return [(known[pk], _count(user, known[pk])) for pk in ids if pk in known]


def _count(user: User, view: SavedView) -> int | None:
    # Roles may change within the half minute, and a view be replaced.
    seen = hashlib.sha256(repr((view.query, user.scope.rows, sorted(user.scope.hidden))).encode()).hexdigest()[:16]
    mark = f"view-count:{view.pk}:{user.pk}:{seen}"
    if (kept := cache.get(mark)) is not None:
        return int(kept) if kept >= 0 else None
    count = _rows(user, view)
    # What cannot be counted is not tried again with every page.
    cache.set(mark, -1 if count is None else count, COUNT_SECONDS)
    return count


def _rows(user: User, view: SavedView) -> int | None:
    actor = actor_of(user, default_zone=user.time_zone or "UTC")
    state = ListState.of(parse_qs(view.query), reverse("incidents"))
    try:
        query = state.query(registry_of(actor), actor.time_zone, None)
        return insights.counts(actor, query.filters, None).rows
    except ImError:
        return None

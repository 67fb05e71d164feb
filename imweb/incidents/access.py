"""Which documents somebody may see: one filter for searches and its twin for what is read in real time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.actor import Actor

Json = dict[str, Any]


def clauses(actor: Actor) -> list[Json]:
    """Return the filter clauses that every search of this actor carries; raises `PermissionDenied`."""
    actor.require(permissions.VIEW)
    return []


def visible(actor: Actor, source: Mapping[str, Any]) -> bool:
    """Return whether the actor may see a document that was read in real time."""
    return actor.may(permissions.VIEW)

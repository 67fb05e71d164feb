"""Who asks: what services need to know of a user, without the request or the database row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imweb.errors import PermissionDenied

if TYPE_CHECKING:
    from imweb.accounts.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user or the owner of a token, with the permissions of this request."""

    user_id: int
    username: str
    permissions: frozenset[str]
    time_zone: str = "UTC"
    # Search texts over access fields, one of which a document must match; None: every document.
    rows: tuple[str, ...] | None = None
    # Fields that do not exist for this actor.
    hidden: frozenset[str] = frozenset()

    def may(self, permission: str) -> bool:
        """Return whether the actor has a permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise `PermissionDenied` naming the permission when the actor lacks it."""
        if permission not in self.permissions:
            raise PermissionDenied(f"This needs the permission '{permission}', which {self.username} does not have.")


def actor_of(user: User, permissions: frozenset[str] | None = None, *, default_zone: str = "UTC") -> Actor:
    """Return the actor of a user; a token's narrower permissions replace the user's own."""
    granted = user.granted if permissions is None else permissions & user.granted
    zone = user.time_zone or default_zone
    return Actor(user.pk, user.username, granted, zone, user.scope.rows, user.scope.hidden)

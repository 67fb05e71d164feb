"""What all of a user's roles together give: permissions, the rows to see, and the fields not to see."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from imweb.accounts import permissions

# Their pages show figures and samples over all incidents, so they do not go with a view of some of them.
OVER_EVERYTHING = frozenset({permissions.SETTINGS, permissions.USERS, permissions.SYSTEM, permissions.AUDIT})


@dataclass(frozen=True, slots=True)
class Scope:
    """`rows` holds search texts over access fields of which one must match, None for every row.

    `hidden` holds the names of fields that do not exist for this user.
    """

    permissions: frozenset[str] = frozenset()
    rows: tuple[str, ...] | None = None
    hidden: frozenset[str] = frozenset()


EVERYTHING = Scope(permissions.ALL)


def scope_of(roles: Iterable[tuple[Collection[str], str, Collection[str]]]) -> Scope:
    """Return the scope of roles given as (permissions, row filter, hidden fields).

    Rows are joined by "or", a field is hidden when no role shows it; a role that cannot see incidents opens none.
    """
    given = list(roles)
    granted = frozenset(name for names, _rows, _hidden in given for name in names) & permissions.ALL
    viewing = [(rows, hidden) for names, rows, hidden in given if permissions.VIEW in names]
    if not viewing:
        return Scope(granted, rows=())
    rows = None if any(not text for text, _hidden in viewing) else tuple(sorted({text for text, _hidden in viewing}))
    hidden = frozenset.intersection(*(frozenset(names) for _text, names in viewing))
    if rows is not None or hidden:
        granted -= OVER_EVERYTHING
    return Scope(granted, rows, hidden)

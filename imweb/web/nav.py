"""The side navigation: what exists and what this user may open."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from imweb.accounts import permissions as may
from imweb.accounts.models import User

if TYPE_CHECKING:
    # Only the stubs have the name.
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Entry:
    """A page that the navigation knows of; `query` tells apart entries that share one page."""

    label: _StrPromise
    icon: str
    url_name: str
    permission: str
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NavItem:
    """One line of the navigation as drawn."""

    label: str
    icon: str
    url: str
    active: bool = False
    count: int | None = None
    # The address that it leads to in the end; where somebody stands is found by it when only a part of a page changes.
    where: str = ""


@dataclass(frozen=True, slots=True)
class NavGroup:
    """A heading and its lines."""

    label: str
    items: list[NavItem]


ME = "{me}"
# Only groups have a number of incidents.
GROUPS_ALONE = ">=1"

GROUPS: list[tuple[_StrPromise, list[Entry]]] = [
    (
        _("Triage"),
        [
            Entry(_("Incidents"), "list", "incidents", may.VIEW),
            Entry(_("Groups"), "merge", "groups", may.VIEW),
            Entry(_("Assigned to me"), "user", "incidents", may.VIEW, {"reviewer": ME}),
        ],
    ),
    (
        _("Shift"),
        [
            Entry(_("Hand-over"), "edit", "handover", may.VIEW),
            Entry(_("Overdue"), "clock", "overdue", may.VIEW),
        ],
    ),
    (
        _("Insight"),
        [
            Entry(_("Statistics"), "chart", "statistics", may.VIEW),
            Entry(_("ATT&CK matrix"), "grid", "attack", may.VIEW),
        ],
    ),
    (
        _("Shape"),
        [
            Entry(_("Fields"), "density-normal", "settings-fields", may.SETTINGS),
            Entry(_("Severities"), "flag", "settings-severities", may.SETTINGS),
            Entry(_("Workflows"), "branch", "settings-workflows", may.SETTINGS),
            Entry(_("Incident types"), "tag", "settings-types", may.SETTINGS),
            Entry(_("Grouping rules"), "workflow", "settings-grouping", may.SETTINGS),
            Entry(_("Links"), "popout", "settings-links", may.SETTINGS),
            Entry(_("Notifications"), "comment", "settings-notifications", may.SETTINGS),
            Entry(_("Users and roles"), "users", "settings-users", may.USERS),
            Entry(_("API tokens"), "lock", "settings-tokens", may.TOKEN),
            Entry(_("Audit trail"), "history", "audit", may.AUDIT),
            Entry(_("System"), "gear", "system", may.SYSTEM),
        ],
    ),
]


def groups_for(user: User, path: str, query: dict[str, str]) -> list[NavGroup]:
    """Return the navigation for a user standing at a path; pages that do not exist are left out."""
    found = []
    for number, (label, entries) in enumerate(GROUPS):
        items = [item for entry in entries if (item := _item(entry, user, path, query))]
        views = [] if number else _pinned(user, path, query)
        if any(view.active for view in views):
            # One line alone is where somebody stands.
            items = [replace(item, active=False) for item in items]
        if items:
            found.append(NavGroup(str(label), items))
        if views:
            found.append(NavGroup(str(_("Saved views")), views))
    return found


def _pinned(user: User, path: str, query: dict[str, str]) -> list[NavItem]:
    """Return the user's pinned views with their counts, one of them at most as where he stands.

    That is the one which says most of the address, the last of equals; `static/js/console.js` has the same rule.
    """
    from imweb.web import saved

    items: list[NavItem] = []
    most = 1
    for view, count in saved.pinned(user):
        wanted, url = dict(parse_qsl(view.query)), saved.url_of(view)
        here = path == reverse("incidents") and len(wanted) >= most and wanted.items() <= query.items()
        if here:
            most = len(wanted)
            items = [replace(item, active=False) for item in items]
        items.append(NavItem(view.name, "filter", url, here, count, url))
    return items


def _of_groups(query: dict[str, str]) -> bool:
    """Return whether a list is narrowed to groups, as the entry of that name opens it."""
    return query.get("incidents_count") == GROUPS_ALONE and query.get("mode") != "incidents"


def _item(entry: Entry, user: User, path: str, query: dict[str, str]) -> NavItem | None:
    if not user.may(entry.permission):
        return None
    try:
        url = reverse(entry.url_name)
    except NoReverseMatch:
        return None
    wanted = {name: value.replace(ME, user.username) for name, value in entry.query.items()}
    here = path == url or (url != "/" and path.startswith(f"{url.rstrip('/')}/"))
    if wanted:
        active = here and all(query.get(name) == value for name, value in wanted.items())
    else:
        # An entry without a query gives way to its neighbours that the query speaks of.
        others = query.get("reviewer") == user.username or _of_groups(query)
        active = here and not (entry.url_name == "incidents" and others)
    address = where = url + (f"?{urlencode(wanted)}" if wanted else "")
    if entry.url_name == "groups":
        # A group's own page stands beside the lists.
        active = (path == reverse("incidents") and _of_groups(query)) or path.startswith("/aggregations/")
        where = f"{reverse('incidents')}?{urlencode({'incidents_count': GROUPS_ALONE})}"
    return NavItem(str(entry.label), entry.icon, address, active, where=where)

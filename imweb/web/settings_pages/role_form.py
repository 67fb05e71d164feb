"""The form of a role: what is typed becomes a definition, and what it would mean is shown before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from imweb.accounts import permissions
from imweb.accounts.models import Role, User
from imweb.accounts.roles import RoleDefinition, definition_of
from imweb.errors import Detail, SearchTimeout, SearchUnavailable
from imweb.incidents import roles
from imweb.incidents.fields import FieldDef
from imweb.incidents.registry import registry
from imweb.incidents.roles import Preview

Json = dict[str, Any]
LABELS = {
    "label": gettext_lazy("Label"),
    "permissions": gettext_lazy("May"),
    "row_filter": gettext_lazy("Sees incidents with"),
    "hidden_fields": gettext_lazy("Does not see"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What saving a role would meet: faults, how many incidents it shows, and who has it."""

    text: str
    faults: list[Detail] = field(default_factory=list)
    preview: Preview | None = None
    down: bool = False
    hidden: Sequence[str] = ()
    users: Sequence[str] = ()
    views: bool = True


def empty() -> Json:
    """Return the values of a form for a new role: what an analyst may do."""
    return {"name": "", "label": "", "permissions": sorted(permissions.ANALYST), "row_filter": "", "hidden_fields": []}


def shown(role: Role) -> Json:
    """Return a stored role as the form's values."""
    return {"name": role.name, **definition_of(role).stated()}


def posted(data: QueryDict, name: str | None) -> Json:
    """Return what was typed."""
    return {
        "name": name if name is not None else data.get("name", "").strip(),
        "label": data.get("label", "").strip(),
        "permissions": data.getlist("permission"),
        "row_filter": data.get("row_filter", "").strip(),
        "hidden_fields": data.getlist("hidden"),
        "seen": data.get("seen", ""),
    }


def definition(values: Json) -> RoleDefinition:
    """Return the definition that a form's values mean."""
    return RoleDefinition(
        values["name"],
        values["label"],
        frozenset(values["permissions"]),
        values["row_filter"],
        tuple(dict.fromkeys(values["hidden_fields"])),
    )


def check(values: Json, *, new: bool) -> Check:
    """Return what saving would meet; faults of an empty form are not reported before anything is typed."""
    wanted = definition(values)
    faults = [item for item in roles.faults_of(wanted, new=new) if item.field in ("filter", "permissions")]
    labels = {item.name: item.label or item.name for item in choices()}
    users = User.objects.filter(Q(roles__name=wanted.name) | Q(user_groups__roles__name=wanted.name))
    names = users.order_by("username").values_list("username", flat=True).distinct()
    found = Check(
        wanted.row_filter,
        faults,
        hidden=[labels.get(name, name) for name in wanted.hidden_fields],
        users=[] if new else list(names[:50]),
        views=permissions.VIEW in wanted.permissions,
    )
    if any(item.field == "filter" for item in faults):
        return found
    try:
        return replace(found, preview=roles.preview(wanted))
    except (SearchUnavailable, SearchTimeout):
        return replace(found, down=True)


def choices() -> list[FieldDef]:
    """Return the fields that may be hidden."""
    return roles.hideable(registry())

"""Making, changing and removing roles, each change recorded; never so that nobody can manage users any more.

What a row filter and a hidden field may be is known above (`imweb.incidents.roles`), which calls this.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.administration import record, require_manager
from imweb.accounts.incident_types import INCIDENT_TYPES
from imweb.accounts.models import Role
from imweb.accounts.scope import OVER_EVERYTHING
from imweb.configuration.models import Change
from imweb.configuration.store import conflict, items
from imweb.errors import Detail, NotFound, ValidationFailed, VersionConflict

Json = dict[str, Any]
NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
MAX_ROLES = 100


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A role as an administrator defines it; an empty `row_filter` shows every incident."""

    name: str
    label: str
    permissions: frozenset[str] = frozenset()
    row_filter: str = ""
    hidden_fields: tuple[str, ...] = field(default=())

    def stated(self) -> Json:
        """Return the definition as it is recorded."""
        return {
            "label": self.label,
            "permissions": sorted(self.permissions),
            "row_filter": self.row_filter,
            "hidden_fields": sorted(self.hidden_fields),
        }

    @property
    def mark(self) -> str:
        """Return what tells two states of a role apart."""
        return hashlib.sha256(json.dumps(self.stated(), sort_keys=True).encode()).hexdigest()[:16]


def get_role(name: str) -> Role:
    """Return a role, or raise `NotFound`."""
    role = Role.objects.filter(name=name).first()
    if role is None:
        raise NotFound(f"There is no role named '{name}'.")
    return role


def definition_of(role: Role) -> RoleDefinition:
    """Return a stored role as a definition."""
    hidden = tuple(sorted(role.hidden_fields))
    return RoleDefinition(role.name, role.label, frozenset(role.permissions), role.row_filter, hidden)


def faults_of(definition: RoleDefinition, *, new: bool) -> list[Detail]:
    """Return what is wrong with a definition, the filter's text and the hidden names left aside."""
    faults = []
    if new and not NAME.fullmatch(definition.name):
        faults.append(Detail("name", "small letters, digits, - and _, beginning with a letter, at most 50"))
    elif new and Role.objects.filter(name=definition.name).exists():
        faults.append(Detail("name", "there is a role of this name already"))
    if not 1 <= len(definition.label) <= 100:
        faults.append(Detail("label", "1 to 100 characters"))
    if unknown := definition.permissions - permissions.ALL:
        faults.append(Detail("permissions", f"there is no permission '{sorted(unknown)[0]}'"))
    wide = sorted(definition.permissions & OVER_EVERYTHING)
    if wide and (definition.row_filter or definition.hidden_fields):
        names = ", ".join(f"“{permissions.LABELS[name]}”" for name in wide)
        reason = "such pages show everything, which does not go with a filter or hidden fields"
        faults.append(Detail("permissions", f"{names}: {reason}"))
    if len(definition.row_filter) > 2_000:
        faults.append(Detail("filter", "at most 2,000 characters"))
    if new and Role.objects.count() >= MAX_ROLES:
        faults.append(Detail("name", f"there are {MAX_ROLES} roles already, the limit"))
    return faults


def save_role(definition: RoleDefinition, *, by: str, new: bool = False, seen: str | None = None) -> Role:
    """Create or change a role; raises `NotFound`, and `ValidationFailed` with every fault.

    `seen` is the mark of the role that was edited; another now is a `VersionConflict` with who and both values.
    """
    role = Role(name=definition.name) if new else get_role(definition.name)
    if not new and seen is not None and seen != definition_of(role).mark:
        raise _conflict(role, definition)
    if faults := faults_of(definition, new=new):
        raise ValidationFailed.of(faults)
    with transaction.atomic():
        old = None if new else definition_of(role).stated()
        role.label, role.permissions = definition.label, sorted(definition.permissions)
        role.row_filter, role.hidden_fields = definition.row_filter, sorted(set(definition.hidden_fields))
        role.save()
        require_manager("permissions")
        if old != definition.stated():
            record("role", role.name, "created" if new else "changed", old, definition.stated(), by)
    return role


def _conflict(role: Role, definition: RoleDefinition) -> VersionConflict:
    last = Change.objects.filter(kind="role", name=role.name).first()
    theirs, yours = definition_of(role).stated(), definition.stated()
    return conflict(role.name, theirs, yours, by=last.by if last else "", at=last.at if last else timezone.now())


def remove_role(name: str, *, by: str) -> None:
    """Remove a role that nobody has; raises `NotFound`, `ValidationFailed`."""
    role = get_role(name)
    if needing := [item.value.title for item in items(INCIDENT_TYPES, fresh=True) if name in item.value.roles]:
        reason = f"the incident types {', '.join(needing)} are open to it; open them to others first"
        raise ValidationFailed.field("name", reason)
    if count := role.users.count():
        raise ValidationFailed.field("name", f"{count} of the users have this role; give them another first")
    if groups := list(role.user_groups.values_list("label", flat=True)):
        reason = f"the groups {', '.join(groups)} have this role; give them another first"
        raise ValidationFailed.field("name", reason)
    record("role", name, "removed", definition_of(role).stated(), None, by)
    role.delete()

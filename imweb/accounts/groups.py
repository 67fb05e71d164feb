"""Making, changing and removing groups of users, each change recorded; somebody can always manage users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from imweb.accounts.administration import record, require_manager
from imweb.accounts.models import Role, User, UserGroup
from imweb.accounts.roles import NAME
from imweb.errors import Detail, NotFound, ValidationFailed

KIND = "user_group"
MAX_GROUPS = 500


@dataclass(frozen=True, slots=True)
class GroupDefinition:
    """A group as an administrator defines it: system names of roles, names of users."""

    name: str
    label: str
    roles: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()

    def stated(self) -> dict[str, Any]:
        """Return the definition as it is recorded."""
        return {"label": self.label, "roles": sorted(self.roles), "members": sorted(self.members)}


def get_group(name: str) -> UserGroup:
    """Return a group, or raise `NotFound`."""
    group = UserGroup.objects.filter(name=name).first()
    if group is None:
        raise NotFound(f"There is no group named '{name}'.")
    return group


def definition_of(group: UserGroup) -> GroupDefinition:
    """Return a stored group as a definition."""
    roles = frozenset(group.roles.values_list("name", flat=True))
    return GroupDefinition(group.name, group.label, roles, frozenset(group.members.values_list("username", flat=True)))


def save_group(wanted: GroupDefinition, *, by: str, new: bool = False) -> UserGroup:
    """Create or change a group; raises `NotFound`, and `ValidationFailed` with every fault."""
    group = UserGroup(name=wanted.name) if new else get_group(wanted.name)
    roles = list(Role.objects.filter(name__in=wanted.roles))
    members = list(User.objects.filter(username__in=wanted.members))
    if faults := _faults(wanted, roles, members, new=new):
        raise ValidationFailed.of(faults)
    with transaction.atomic():
        old = None if new else definition_of(group).stated()
        group.label = wanted.label
        group.save()
        group.roles.set(roles)
        group.members.set(members)
        require_manager("members")
        if old != wanted.stated():
            record(KIND, group.name, "created" if new else "changed", old, wanted.stated(), by)
    return group


def remove_group(name: str, *, by: str) -> None:
    """Remove a group, and with it what its roles gave its members; raises `NotFound`, `ValidationFailed`."""
    group = get_group(name)
    with transaction.atomic():
        record(KIND, name, "removed", definition_of(group).stated(), None, by)
        group.delete()
        require_manager("name")


def _faults(wanted: GroupDefinition, roles: list[Role], members: list[User], *, new: bool) -> list[Detail]:
    faults = []
    if new and not NAME.fullmatch(wanted.name):
        faults.append(Detail("name", "small letters, digits, - and _, beginning with a letter, at most 50"))
    elif new and UserGroup.objects.filter(name=wanted.name).exists():
        faults.append(Detail("name", "there is a group of this name already"))
    elif new and UserGroup.objects.count() >= MAX_GROUPS:
        faults.append(Detail("name", f"there are {MAX_GROUPS} groups already, the limit"))
    if not 1 <= len(wanted.label) <= 100:
        faults.append(Detail("label", "1 to 100 characters"))
    if unknown := wanted.roles - {role.name for role in roles}:
        faults.append(Detail("roles", f"there is no role '{min(unknown)}'"))
    if missing := wanted.members - {user.username for user in members}:
        faults.append(Detail("members", f"there is no user named '{min(missing)}'"))
    return faults

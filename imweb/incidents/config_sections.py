"""Custom fields, severities, access fields, incident types and roles in a configuration file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pydantic import Field, field_validator

from imweb.accounts import permissions
from imweb.accounts import roles as accounts
from imweb.accounts.incident_types import INCIDENT_TYPES
from imweb.accounts.models import Role
from imweb.accounts.roles import RoleDefinition
from imweb.configuration import store
from imweb.configuration.kinds import Definition
from imweb.configuration.sections import Section, each, of_kind, register
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import custom_fields, declaring, registry, roles
from imweb.incidents.access import ACCESS_FIELDS, AccessField
from imweb.incidents.custom_fields import FieldDefinition
from imweb.incidents.links import ENTITY_LINKS
from imweb.incidents.severities import SEVERITIES


class RoleSettings(Definition):
    """A role: what it may, which incidents it shows (a search text over access fields), which fields it hides."""

    name: str
    label: str = Field(min_length=1, max_length=100)
    permissions: tuple[str, ...] = Field(
        default=(), json_schema_extra={"items": {"type": "string", "enum": [*sorted(permissions.ALL)]}}
    )
    row_filter: str = Field(default="", max_length=2_000)
    hidden_fields: tuple[str, ...] = ()

    @field_validator("permissions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in permissions.ALL:
                near = difflib.get_close_matches(name, permissions.ALL, n=1)
                raise ValueError(f"there is no permission '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        return value


def _fields() -> list[FieldDefinition]:
    return [item.value for item in custom_fields.items()]


def _check_fields(found: Sequence[FieldDefinition]) -> list[Detail]:
    try:
        each(found, custom_fields.check_mapping)
    except ValidationFailed as error:
        return error.details
    return []


def _roles() -> list[RoleSettings]:
    found = [accounts.definition_of(role) for role in Role.objects.order_by("name")]
    return [
        RoleSettings(
            name=role.name,
            label=role.label,
            permissions=tuple(sorted(role.permissions)),
            row_filter=role.row_filter,
            hidden_fields=tuple(sorted(role.hidden_fields)),
        )
        for role in found
    ]


def _bring_roles(new: Sequence[RoleSettings], by: str) -> None:
    known = set(Role.objects.values_list("name", flat=True))

    def save(role: RoleSettings) -> None:
        definition = RoleDefinition(
            role.name, role.label, frozenset(role.permissions), role.row_filter, tuple(sorted(role.hidden_fields))
        )
        try:
            roles.save_role(definition, by=by, new=role.name not in known)
        except ValidationFailed as error:
            raise ValidationFailed.of(_named(detail) for detail in error.details) from None

    # A user whose right to manage users moves to another of his roles has it all the while.
    each(sorted(new, key=lambda role: permissions.USERS not in role.permissions), save)
    for name in sorted(known - {role.name for role in new}):
        try:
            accounts.remove_role(name, by=by)
        except ValidationFailed as error:
            raise ValidationFailed.field("", f"'{name}' is left out: {error.details[0].reason}") from None


def _named(detail: Detail) -> Detail:
    """Return a fault under the setting's name in the file; the form of the page calls the filter otherwise."""
    head = detail.field.partition(".")[0]
    return Detail("row_filter" if head in ("filter", "row_filter") else head, detail.reason)


def _access() -> list[AccessField]:
    return [item.value for item in store.items(ACCESS_FIELDS, fresh=True)]


def _added(before: Sequence[AccessField], now: Sequence[AccessField]) -> list[str]:
    return sorted({item.name for item in now} - {item.name for item in before})


def _prepare_access(before: Sequence[AccessField], now: Sequence[AccessField]) -> None:
    if added := _added(before, now):
        # Fields that stand in the same file are known only from now on.
        registry.forget()
        declaring.prepare(added)


def _mark_groups(before: Sequence[AccessField], now: Sequence[AccessField]) -> str:
    if _added(before, now):
        declaring.begin_marking()
    return ""


register(
    Section(
        key="custom_fields",
        title="Custom fields",
        definition=FieldDefinition,
        standing=_fields,
        bring=lambda new, by: custom_fields.bring(new, by=by),
        check=_check_fields,
        finish=lambda _before, _now: custom_fields.apply(),
    )
)
register(of_kind("severities", "Severity levels", SEVERITIES))
register(of_kind("links", "Links out of cards", ENTITY_LINKS))
register(
    Section(
        key="access_fields",
        title="Access fields",
        definition=AccessField,
        standing=_access,
        bring=lambda new, by: store.bring(ACCESS_FIELDS, new, by=by),
        verify=ACCESS_FIELDS.faults,
        prepare=_prepare_access,
        finish=_mark_groups,
        after=("custom_fields",),
    )
)
register(
    of_kind(
        "incident_types",
        "Incident types",
        INCIDENT_TYPES,
        after=("custom_fields", "severities", "access_fields"),
    )
)
register(
    Section(
        key="roles",
        title="Roles",
        definition=RoleSettings,
        standing=_roles,
        bring=_bring_roles,
        # A type that stops naming a role does so before the role is removed.
        after=("custom_fields", "access_fields", "incident_types"),
    )
)

"""Incident types as administrators define them, and whom each is open to.

What a type means for an incident is known above (`imweb.incidents.incident_types`). Whom it is open to is part of what
roles show: a type that is closed to somebody narrows his row filters, so that there is one way to see less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, field_validator

from imweb.accounts import permissions
from imweb.accounts.scope import OVER_EVERYTHING, Scope, scope_of
from imweb.configuration import Kind
from imweb.configuration.kinds import Definition
from imweb.configuration.store import items
from imweb.errors import Detail

# What sources write is a name: letters, digits, spaces. It stands in quotes in a row filter, so nothing else may.
NAME = r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}$"
MAX_TYPES = 100
MAX_FIELDS = 50
FIELD = "incident_type"


class TypeField(BaseModel):
    """A custom field on the card of a type; `default` is set on creation where the sender leaves the field out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=63)
    required: bool = False
    default: str | float | tuple[str, ...] | None = None


class IncidentType(Definition):
    """A type: `name` is what incidents hold in `incident_type`; without `roles` everybody sees its incidents."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=60)
    # Custom fields in the order of the card; none: the card shows what every card shows.
    fields: tuple[TypeField, ...] = Field(default=(), max_length=MAX_FIELDS)
    # What an incident begins with where its sender says nothing; empty: as any other.
    severity: str = Field(default="", max_length=40)
    reviewer: str = Field(default="", max_length=150)
    roles: tuple[str, ...] = Field(default=(), max_length=100)

    @field_validator("fields")
    @classmethod
    def _once(cls, value: tuple[TypeField, ...]) -> tuple[TypeField, ...]:
        for name, count in Counter(item.name for item in value).items():
            if count > 1:
                raise ValueError(f"'{name}' stands {count} times")
        return value

    @field_validator("roles")
    @classmethod
    def _sorted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(value)))


def _check(types: Sequence[IncidentType]) -> list[Detail]:
    if len(types) > MAX_TYPES:
        return [Detail("name", f"at most {MAX_TYPES} incident types")]
    twice = [name for name, count in Counter(item.name.lower() for item in types).items() if count > 1]
    # Row filters do not tell letter case apart.
    return [Detail("name", f"'{name}' is the name of two types, letter case aside") for name in twice]


INCIDENT_TYPES: Kind[IncidentType] = Kind("incident_type", IncidentType, list, _check, "incident type")


def closed_to(roles: Collection[str], types: Sequence[IncidentType]) -> list[str]:
    """Return the names of the types that none of these roles opens."""
    return sorted(item.name for item in types if item.roles and not set(item.roles) & set(roles))


def scope_of_roles(roles: Iterable[tuple[str, Collection[str], str, Collection[str]]]) -> Scope:
    """Return the scope of roles given as (name, permissions, row filter, hidden fields)."""
    given = list(roles)
    viewing = {name for name, granted, _rows, _hidden in given if permissions.VIEW in granted}
    return narrowed(scope_of((granted, rows, hidden) for _name, granted, rows, hidden in given), viewing)


def narrowed(scope: Scope, roles: Collection[str], types: Sequence[IncidentType] | None = None) -> Scope:
    """Return a scope without the incidents of types that are closed to its roles, those that hold `incident.view`.

    Whoever may open the pages that show everything sees every type: he could not be kept from what they show, and an
    administrator who closed a type to himself could not open it again.
    """
    if scope.permissions & OVER_EVERYTHING or scope.rows == ():
        return scope
    # Never the defaults of an unreadable database: nobody would be kept from anything.
    standing = [item.value for item in items(INCIDENT_TYPES)] if types is None else types
    closed = closed_to(roles, standing)
    if not closed:
        return scope
    names = " or ".join(f'"{name}"' for name in closed)
    other = f"not {FIELD}:({names})"
    rows = (other,) if scope.rows is None else tuple(f"({text}) and {other}" for text in scope.rows)
    return replace(scope, rows=rows)

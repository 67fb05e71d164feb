"""Roles with what they show: the row filter and the hidden fields checked before a role is kept, and tried out."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from imweb.accounts import permissions
from imweb.accounts import roles as accounts
from imweb.accounts.actor import Actor
from imweb.accounts.incident_types import scope_of_roles
from imweb.accounts.models import Role
from imweb.accounts.roles import RoleDefinition
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import dsl
from imweb.incidents.access import access_fields, clauses
from imweb.incidents.fields import CORE_FIELDS, FieldDef, Kind, Registry
from imweb.incidents.registry import registry
from imweb.incidents.rowfilters import row_filter
from imweb.opensearch import gateway, schema

# Lists, statistics, the workflow and groups are made of these.
NEVER_HIDDEN = frozenset(
    {
        "@timestamp",
        "title",
        "severity",
        "status",
        "workflow_id",
        "reviewer",
        "incident_aggregation_id",
        "incident_aggregation_result_id",
        "incidents_count",
        "first_seen",
    }
)
EVENT = FieldDef("event", Kind.TEXT, "Raw event")


@dataclass(frozen=True, slots=True)
class Preview:
    """How many of all incidents a role shows."""

    seen: int
    total: int


def hideable(known: Registry) -> list[FieldDef]:
    """Return the fields that a role may hide: the core ones in their order, then the others, the raw event last."""
    core = [item for name, item in CORE_FIELDS.items() if name not in NEVER_HIDDEN]
    return [*core, *known.extra(), EVENT]


def save_role(definition: RoleDefinition, *, by: str, new: bool = False, seen: str | None = None) -> Role:
    """Create or change a role; raises `NotFound`, `ValidationFailed` with every fault, `VersionConflict`."""
    if faults := faults_of(definition, new=new):
        raise ValidationFailed.of(faults)
    return accounts.save_role(definition, by=by, new=new, seen=seen)


def faults_of(definition: RoleDefinition, *, new: bool) -> list[Detail]:
    """Return everything that is wrong with a definition; those of the filter point into its text."""
    faults = accounts.faults_of(definition, new=new)
    if definition.row_filter:
        try:
            row_filter(definition.row_filter, frozenset(access_fields()))
        except ValidationFailed as error:
            faults += error.details
    if definition.hidden_fields:
        known = {item.name for item in hideable(registry())}
        for name in definition.hidden_fields:
            if name in NEVER_HIDDEN:
                faults.append(Detail("hidden_fields", _("'%(name)s' is needed everywhere") % {"name": name}))
            elif name not in known:
                faults.append(Detail("hidden_fields", _("'%(name)s' is no field") % {"name": name[:64]}))
    return faults


def fields_of(text: str) -> frozenset[str]:
    """Return the access fields that a filter names; raises `ValidationFailed`."""
    return row_filter(text, frozenset(access_fields())).fields


def preview(definition: RoleDefinition) -> Preview:
    """Return what somebody with this role alone would see now; raises `ValidationFailed` for the text of its filter."""
    text = definition.row_filter
    if text:
        row_filter(text, frozenset(access_fields()))
    scope = scope_of_roles([(definition.name, definition.permissions, text, definition.hidden_fields)])
    shows = Actor(0, "", frozenset({permissions.VIEW}), rows=scope.rows)
    query = {"bool": {"must_not": [dsl.NOT_DELETED]}}
    total = gateway().count(query, index=schema.incidents_alias())
    seen = gateway().count({"bool": {**query["bool"], "filter": clauses(shows)}}, index=schema.incidents_alias())
    return Preview(seen, total)

"""Saving, removing and taking back incident types, and what keeps one from standing; see also `beginning`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from imweb.accounts import permissions
from imweb.accounts.incident_types import FIELD, INCIDENT_TYPES, IncidentType, narrowed
from imweb.accounts.models import Role, User
from imweb.accounts.scope import OVER_EVERYTHING, scope_of
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.configuration.store import Item
from imweb.errors import Detail, NotFound, ValidationFailed
from imweb.incidents import custom_fields, declaring
from imweb.incidents.access import ACCESS_FIELDS
from imweb.incidents.custom_fields import FieldDefinition
from imweb.incidents.severities import SEVERITIES, SeverityDefinition
from imweb.workflows.definitions import WORKFLOWS

Json = dict[str, Any]
# Under this key the record of a change says which workflow the type followed.
NOTED = "workflow"


def workflow_of(name: str) -> str:
    """Return the name of the workflow that a type chooses, an empty text when it follows its rule's or the default."""
    found = (item.value for item in store.items(WORKFLOWS, fresh=True))
    return next((workflow.name for workflow in found if name in workflow.incident_types), "")


def save(
    data: Mapping[str, Any], *, by: str, revision: int | None = None, workflow: str | None = None
) -> Item[IncidentType]:
    """Create or change a type; `workflow` names the one that its incidents follow, "" none of its own, None the same.

    Raises `ValidationFailed`, `VersionConflict` with who and both values. The first type that is open to some roles
    only makes its field an access field, which needs OpenSearch (`SearchUnavailable`).
    """
    value = INCIDENT_TYPES.parse(data)
    try:
        with transaction.atomic():
            declares = bool(value.roles) and FIELD not in _declared()
            if declares:
                _declare(by)
            with _noting_workflow(value.name, by):
                saved = store.save(INCIDENT_TYPES, data, by=by, revision=revision)
                if workflow is not None:
                    _follow(value.name, workflow, by)
            if declares:
                # Last: what cannot be made ready is not declared.
                declaring.prepare([FIELD])
    finally:
        # What was read inside the transaction may never have been kept.
        store.forget()
    if declares:
        declaring.begin_marking()
    return saved


def remove(name: str, *, by: str, revision: int | None = None) -> None:
    """Remove a type: its incidents keep their text in `incident_type` and are open to everybody from then on."""
    with transaction.atomic(), _noting_workflow(name, by):
        store.remove(INCIDENT_TYPES, name, by=by, revision=revision)
        _follow(name, "", by)


def undo(change: Change, *, by: str) -> None:
    """Take back a change of one type, with the workflow that it gave the type or took from it."""
    old = dict(change.old or {})
    workflow = old.pop(NOTED, "") if NOTED in {*(change.old or {}), *(change.new or {})} else None
    if old:
        save(old, by=by, workflow=workflow)
    else:
        remove(change.name, by=by)


@contextmanager
def _noting_workflow(name: str, by: str) -> Iterator[None]:
    """Have the record of a type's change tell of its workflow too, which is kept with the workflows."""
    last = Change.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    before, was = _standing(name), workflow_of(name)
    yield
    after, now = _standing(name), workflow_of(name)
    if was == now:
        return
    old = None if before is None else {**before, NOTED: was}
    new = None if after is None else {**after, NOTED: now}
    # Not committed yet: nobody has read what is completed here.
    if not Change.objects.filter(kind=INCIDENT_TYPES.name, name=name, pk__gt=last).update(old=old, new=new):
        revision = get(name).revision
        Change.objects.create(
            kind=INCIDENT_TYPES.name, name=name, action="changed", revision=revision, old=old, new=new, by=by
        )


def _standing(name: str) -> Json | None:
    found = (item.value for item in store.items(INCIDENT_TYPES, fresh=True) if item.value.name == name)
    return next((INCIDENT_TYPES.stored(item) for item in found), None)


def _declared() -> set[str]:
    return {item.value.name for item in store.items(ACCESS_FIELDS, fresh=True)}


def _declare(by: str) -> None:
    try:
        store.save(ACCESS_FIELDS, {"name": FIELD}, by=by)
    except ValidationFailed as error:
        raise ValidationFailed.of(Detail("roles", detail.reason) for detail in error.details) from None


def _follow(name: str, workflow: str, by: str) -> None:
    """Have the workflows say which one a type follows; the one that loses it goes first, as no two may have it."""
    standing = [item.value for item in store.items(WORKFLOWS, fresh=True)]
    if workflow and all(item.name != workflow for item in standing):
        raise ValidationFailed.field("workflow", _("there is no workflow named '%(name)s'") % {"name": workflow[:60]})
    for item in sorted(standing, key=lambda item: item.name == workflow):
        has, wanted = name in item.incident_types, item.name == workflow
        if has != wanted:
            names = (*item.incident_types, name) if wanted else tuple(n for n in item.incident_types if n != name)
            store.save(WORKFLOWS, WORKFLOWS.stored(item) | {"incident_types": list(names)}, by=by)


def faults(types: Sequence[IncidentType]) -> list[Detail]:
    """Return what keeps types from meaning what they say: unknown fields, levels, people, roles."""
    known = {item.value.name: item.value for item in custom_fields.items()}
    levels = {item.value.name for item in store.items(SEVERITIES, fresh=True)}
    roles = {role.name: role for role in Role.objects.all()}
    found = []
    for item in types:
        own = [*_field_faults(item, known), *_role_faults(item, roles), *_reviewer_faults(item)]
        if item.severity and item.severity not in levels:
            own.append(Detail("severity", _("there is no level named '%(name)s'") % {"name": item.severity}))
        found += [Detail(one.field, one.reason, {"about": item.name}) for one in own]
    if any(item.roles for item in types) and FIELD not in _declared():
        reason = _("incident_type is no access field; declare it first, so that it is never edited")
        found.append(Detail("roles", reason))
    return found


def _field_faults(item: IncidentType, known: Mapping[str, FieldDefinition]) -> list[Detail]:
    found = []
    for one in item.fields:
        field = known.get(one.name)
        if field is None or field.hidden:
            found.append(Detail("fields", _("'%(name)s' is no custom field") % {"name": one.name}))
        elif one.default is not None and (reason := default_fault(field, one.default)):
            found.append(Detail("fields", f"{one.name}: {reason}"))
    return found


def default_fault(field: FieldDefinition, value: Any) -> str:
    """Return why a field cannot begin with a value, an empty text when it can."""
    if field.type == "datetime":
        return _("a date and time has no default")
    try:
        custom_fields.PARSER.parse(custom_fields.PARSER.stored(field) | {"default": value})
    except ValidationFailed as error:
        return error.details[0].reason.removeprefix("default: ")
    if field.type == "multiselect" and not isinstance(value, tuple | list):
        return _("a list of options")
    return ""


def _role_faults(item: IncidentType, roles: Mapping[str, Role]) -> list[Detail]:
    found = []
    for name in item.roles:
        if name not in roles:
            found.append(Detail("roles", _("there is no role named '%(name)s'") % {"name": name[:60]}))
        elif permissions.VIEW not in roles[name].permissions:
            reason = _("the role %(label)s does not see incidents at all")
            found.append(Detail("roles", reason % {"label": roles[name].label}))
    return found


def _reviewer_faults(item: IncidentType) -> list[Detail]:
    if not item.reviewer:
        return []
    user = User.objects.filter(username=item.reviewer, is_active=True).first()
    if user is None:
        return [Detail("reviewer", _("there is no active user named '%(name)s'") % {"name": item.reviewer})]
    if not user.is_superuser and item.roles:
        given = user.held_roles()
        scope = scope_of((role.permissions, role.row_filter, role.hidden_fields) for role in given)
        viewing = {role.name for role in given if permissions.VIEW in role.permissions}
        if scope.rows == () or narrowed(scope, viewing, [item]) is not scope:
            return [Detail("reviewer", _("%(name)s would not see them: none of his roles is named") % {"name": user})]
    return []


def open_to_all(role: Role) -> bool:
    """Return whether a role sees every type, since it opens pages that show everything."""
    return permissions.VIEW in role.permissions and bool(set(role.permissions) & OVER_EVERYTHING)


def _needed_levels(levels: Sequence[SeverityDefinition]) -> list[Detail]:
    """Keep the levels that types begin with."""
    names = {level.name for level in levels}
    reason = _("'%(level)s' is what incidents of the type “%(title)s” begin with; change that first")
    return [
        Detail("name", reason % {"level": item.severity, "title": item.title})
        for item in (one.value for one in store.items(INCIDENT_TYPES, fresh=True))
        if item.severity and item.severity not in names
    ]


def get(name: str) -> Item[IncidentType]:
    """Return a type read afresh, or raise `NotFound`."""
    found = next((item for item in store.items(INCIDENT_TYPES, fresh=True) if item.value.name == name), None)
    if found is None:
        raise NotFound(_("There is no incident type named “%(name)s”.") % {"name": name[:60]})
    return found


INCIDENT_TYPES.guards.append(faults)
SEVERITIES.guards.append(_needed_levels)

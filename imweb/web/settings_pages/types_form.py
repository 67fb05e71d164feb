"""Incident types as their settings page treats them: what a form says, and what saving it would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imweb.accounts import permissions
from imweb.accounts.incident_types import FIELD, INCIDENT_TYPES, IncidentType
from imweb.accounts.models import HELD, Role, User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.errors import Detail, ImError, ValidationFailed, VersionConflict
from imweb.incidents import custom_fields, declaring, incident_types
from imweb.incidents.access import access_fields
from imweb.incidents.custom_fields import FieldDefinition
from imweb.incidents.severities import severities
from imweb.web.settings_pages.base import KindSource, faults_of, said
from imweb.workflows.definitions import WORKFLOWS

Json = dict[str, Any]
LABELS: dict[str, Promise | str] = {
    "name": gettext_lazy("Stored as"),
    "title": gettext_lazy("Title"),
    "fields": gettext_lazy("Fields"),
    "severity": gettext_lazy("Severity"),
    "reviewer": gettext_lazy("Reviewer"),
    "roles": gettext_lazy("Open to"),
    "workflow": gettext_lazy("Workflow"),
}


class TypeSource(KindSource[IncidentType]):
    """The types as the source of a settings page; a change is taken back with the workflow that went with it."""

    def undo(self, change: Change, *, by: str) -> None:
        """See `Source`."""
        if change.action == "reordered":
            store.reorder(INCIDENT_TYPES, change.old or [], by=by)
        else:
            incident_types.undo(change, by=by)


@dataclass(frozen=True, slots=True)
class Line:
    """A custom field in the form; `place` is empty when it is not on the card."""

    field: FieldDefinition
    place: str = ""
    required: bool = False
    text: str = ""
    chosen: tuple[str, ...] = ()

    @property
    def control(self) -> str:
        """Return how its default is typed: text, number, select, multiselect, or not at all."""
        if self.field.type == "datetime":
            return ""
        if self.field.type in ("select", "multiselect") and not self.field.options:
            return "text"
        return {"markdown": "text"}.get(self.field.type, self.field.type)


@dataclass(frozen=True, slots=True)
class Check:
    """What saving would meet: faults, the card, who would see its incidents, and what that brings about."""

    values: Json
    faults: dict[str, list[str]] = field(default_factory=dict)
    card: Sequence[Line] = ()
    workflow: str = ""
    severity: str = ""
    users: int = 0
    seeing: Sequence[str] = ()
    declares: bool = False
    # Groups of incidents that differ in an access field; None while OpenSearch does not answer.
    mixed: int | None = 0


def live_fields() -> dict[str, FieldDefinition]:
    """Return the custom fields that are not removed, in their order."""
    return {item.value.name: item.value for item in custom_fields.items() if not item.value.hidden}


def blank(name: str = "") -> Json:
    """Return the values of a form for a new type."""
    values = dict.fromkeys(("name", "title", "severity", "reviewer", "workflow", "workflow_was"), "")
    return values | {"name": name[:60], "title": name[:60], "fields": [], "roles": []}


def shown(definition: IncidentType) -> Json:
    """Return a definition as the form's values."""
    workflow = incident_types.workflow_of(definition.name)
    return INCIDENT_TYPES.stored(definition) | {"workflow": workflow, "workflow_was": workflow}


def posted(data: QueryDict, name: str | None) -> Json:
    """Return what a form says; fields stand by their typed places, those with the same in the fields' own order."""
    fields = []
    for known in live_fields().values():
        if place := data.get(f"place.{known.name}", "").strip():
            default = _default(known, [value.strip() for value in data.getlist(f"default.{known.name}")])
            required = f"required.{known.name}" in data
            fields.append((place, {"name": known.name, "required": required, "default": default}))
    values = {key: data.get(key, "").strip() for key in ("title", "severity", "reviewer", "workflow", "workflow_was")}
    return values | {
        "name": name if name is not None else data.get("name", "").strip(),
        "fields": [one for _place, one in sorted(fields, key=lambda pair: _number(pair[0]))],
        "roles": data.getlist("role"),
        "places": {one["name"]: place for place, one in fields},
    }


def _number(place: str) -> int:
    return int(place) if place.isdecimal() and len(place) < 5 else 10_000


def _default(known: FieldDefinition, given: list[str]) -> Any:
    filled = [value for value in given if value]
    if not filled:
        return None
    if known.type == "multiselect":
        # Without options the field is one line of text, several values with commas.
        return filled if known.options else [part.strip() for part in filled[0].split(",") if part.strip()]
    if known.type == "number":
        try:
            return float(filled[0])
        except ValueError:
            return filled[0]
    return filled[0]


def definition(values: Json) -> Json:
    """Return the part of a form's values that is the type itself; raises `ValidationFailed` for a wrong place."""
    labels = {name: known.label for name, known in live_fields().items()}
    wrong = [
        Detail("fields", _("the place of “%(name)s” is a whole number from 1") % {"name": labels.get(name, name)})
        for name, place in values.get("places", {}).items()
        if not 1 <= _number(place) < 10_000
    ]
    if wrong:
        raise ValidationFailed.of(wrong)
    return {name: values[name] for name in IncidentType.model_fields}


def save(values: Json, *, by: str, revision: int, new: bool) -> None:
    """Save what a form says; raises `VersionConflict` also for a workflow that somebody else chose meanwhile."""
    now = incident_types.workflow_of(values["name"])
    if not new and now != values["workflow_was"] and now != values["workflow"]:
        last = Change.objects.filter(kind=WORKFLOWS.name).first()
        told = {"yours": values["workflow"], "theirs": now, "user": last.by if last else ""}
        when = {"time": last.at.isoformat()} if last else {"time": ""}
        raise VersionConflict(
            _("%(user)s gave the type another workflow meanwhile; nothing of yours was saved, and nothing is lost.")
            % {"user": told["user"]},
            [Detail("workflow", _("was changed meanwhile"), told | when)],
        )
    incident_types.save(definition(values), by=by, revision=revision, workflow=values["workflow"])


def told(error: VersionConflict) -> VersionConflict:
    """Return a collision with the fields of both sides in words; their names alone may be the same."""

    def words(detail: Detail) -> Detail:
        if detail.field != "fields":
            return detail
        sides = {side: "; ".join(map(_said, detail.extra.get(side) or ())) for side in ("yours", "theirs")}
        return Detail(detail.field, detail.reason, {**detail.extra, **sides})

    return VersionConflict(error.reason, [words(detail) for detail in error.details])


def _said(one: Json) -> str:
    needed = _("required") if one.get("required") else ""
    begins = "" if one.get("default") is None else f"= {said(one['default'])}"
    return " ".join(part for part in (one["name"], needed, begins) if part)


def lines(values: Json) -> list[Line]:
    """Return the fields of the form: those on the card in their order, then the others."""
    known = live_fields()
    places = values.get("places", {})
    chosen = []
    for number, one in enumerate(values.get("fields", ()), start=1):
        if found := known.pop(one["name"], None):
            default = one.get("default")
            many = tuple(str(value) for value in default) if isinstance(default, list | tuple) else ()
            text = ", ".join(many) if many else "" if default is None else _text(default)
            place = places.get(found.name, str(number))
            chosen.append(Line(found, place, bool(one.get("required")), text, many))
    return [*chosen, *(Line(found) for found in known.values())]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def roles() -> list[tuple[Role, bool]]:
    """Return the roles that see incidents, and whether each sees every type."""
    viewing = [role for role in Role.objects.all() if permissions.VIEW in role.permissions]
    return [(role, incident_types.open_to_all(role)) for role in viewing]


def check(values: Json, *, new: bool) -> Check:
    """Return what saving would meet; nothing is written."""
    faults: dict[str, list[str]] = {}
    try:
        value = INCIDENT_TYPES.parse(definition(values))
    except ValidationFailed as error:
        # A form that is not filled yet need not be told so.
        faults = {name: found for name, found in faults_of(error).items() if values.get(name, "") or not new}
    else:
        others = [item.value for item in store.items(INCIDENT_TYPES, fresh=True)]
        standing = [item for item in others if item.name != value.name]
        if new and len(standing) != len(others):
            faults["name"] = [_("there is a type of this name already")]
        for detail in INCIDENT_TYPES.faults([*standing, value]):
            # Saving declares the field by itself.
            if detail.extra.get("about", value.name) == value.name and not _undeclared(detail):
                faults.setdefault(detail.field, []).append(detail.reason)
    titles = {item.value.name: item.value.title for item in store.items(WORKFLOWS, fresh=True)}
    levels = {level.name: level.label for level in severities()}
    users, seeing = _seeing(values["roles"])
    declares = bool(values["roles"]) and FIELD not in access_fields()
    return Check(
        values,
        faults,
        [line for line in lines(values) if line.place],
        titles.get(values["workflow"], ""),
        levels.get(values["severity"], "") if values.get("severity") else "",
        users,
        seeing,
        declares,
        _mixed() if values["roles"] and not declares else 0,
    )


def _undeclared(detail: Detail) -> bool:
    return detail.field == "roles" and "about" not in detail.extra


def _seeing(named: Sequence[str]) -> tuple[int, list[str]]:
    """Return how many active users there are, and the names of those to whom such a type would be open."""
    everybody = User.objects.filter(is_active=True).prefetch_related(*HELD).order_by("username")
    opening = {role.name for role, always in roles() if always or role.name in named}
    return len(everybody), [
        user.username
        for user in everybody
        if user.is_superuser or any(role.name in opening for role in user.held_roles())
    ]


def _mixed() -> int | None:
    try:
        return declaring.groups().differing
    except ImError:
        return None

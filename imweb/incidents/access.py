"""Who may see which documents and fields: one filter for searches, and its twin for what is read in real time.

A user's roles may hold filters over access fields: keyword fields that are set when an incident is created and never
edited, so that what somebody may see never changes under a point in time, a group or a history. A group is shown to a
restricted user only when `partition` says that all of its incidents agree in the fields of his filter: then they are
all his or none, and no figure of it tells of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.accounts.incident_types import FIELD, INCIDENT_TYPES
from imweb.accounts.models import Role
from imweb.configuration import Kind as SettingsKind
from imweb.configuration import store
from imweb.configuration.kinds import Definition
from imweb.errors import Detail, PermissionDenied, ValidationFailed
from imweb.incidents import hiding
from imweb.incidents import registry as fields
from imweb.incidents.clauses import any_of
from imweb.incidents.documents import Document
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.rowfilters import MATCH_NONE, RowFilter, indexed, row_filter

Json = dict[str, Any]
MAX_FIELDS = 5
# What the core knows and nobody works on: the others change, or several of their values stand in one incident.
_SET_ONCE = frozenset({"source", "incident_type", "rule.id", "rule.name"})
NEVER_EDITED = "is an access field: it is set when an incident is created and never edited"
_NO_GROUP: Json = {"bool": {"must_not": [{"exists": {"field": "group_number"}}]}}


class AccessField(Definition):
    """A declared access field."""


def unfit(field: FieldDef) -> str:
    """Return why a field cannot be declared, an empty text when it can."""
    if field.kind is not Kind.KEYWORD or field.bookkeeping:
        return _("holds no whole texts (keyword)")
    if field.multi:
        known = field.core or field.custom_type
        return _("may hold several values") if known else _("is not defined; define it as a field of one value first")
    if field.core and field.name not in _SET_ONCE:
        return _("changes while an incident is worked on")
    return ""


def _faults(declared: Sequence[AccessField]) -> list[Detail]:
    """Return what keeps fields from being declared together, with the filters of roles that would be left over."""
    known = fields.registry()
    faults = []
    if len(declared) > MAX_FIELDS:
        faults.append(Detail("name", _("at most %(most)d access fields") % {"most": MAX_FIELDS}))
    for item in declared:
        found = known.get(item.name)
        reason = _("there is no such field") if found is None else unfit(found)
        faults += [Detail("name", f"'{item.name[:64]}': {reason}")] if reason else []
    names = frozenset(item.name for item in declared)
    closed = [item.value.title for item in store.items(INCIDENT_TYPES, fresh=True) if item.value.roles]
    if closed and FIELD not in names:
        reason = _("the incident types %(titles)s need it: they are open to some roles only")
        faults.append(Detail("", reason % {"titles": ", ".join(closed)}))
    for role in Role.objects.exclude(row_filter=""):
        try:
            row_filter(role.row_filter, names)
        except ValidationFailed as error:
            faults.append(
                Detail("", _("the role %(role)s needs it: %(why)s") % {"role": role.label, "why": error.reason})
            )
    return faults


ACCESS_FIELDS: SettingsKind[AccessField] = SettingsKind("access_field", AccessField, list, _faults, "access field")


def access_fields() -> tuple[str, ...]:
    """Return the names of the declared access fields, sorted; grouping partitions by them."""
    return tuple(sorted(item.name for item in store.values(ACCESS_FIELDS)))


def clauses(actor: Actor) -> list[Json]:
    """Return the filter clauses that every search of this actor carries; raises `PermissionDenied`."""
    actor.require(permissions.VIEW)
    if actor.rows is None:
        return []
    return [_clause(actor.rows, frozenset(access_fields()))]


def visible(actor: Actor, source: Mapping[str, Any]) -> bool:
    """Return whether the actor may see a document that was read in real time."""
    if not actor.may(permissions.VIEW):
        return False
    if actor.rows is None:
        return True
    agreed = source.get("partition") or () if str(source.get("key", "")).startswith("aggregation/") else None
    return any(
        (agreed is None or found.fields <= set(agreed)) and found.matches(source)
        for found in _filters(actor.rows, frozenset(access_fields()))
    )


def entry_visible(actor: Actor, entry: Mapping[str, Any]) -> bool:
    """Return whether the actor may see a history entry whose document is gone, by the values that it carries."""
    if actor.rows is None:
        return actor.may(permissions.VIEW)
    carried = entry.get("access")
    if not isinstance(carried, Mapping):
        return False
    values: Json = {}
    for path, value in carried.items():
        place(values, path, value)
    return any(
        found.fields <= set(carried) and found.matches(values)
        for found in _filters(actor.rows, frozenset(access_fields()))
    )


def carried(source: Mapping[str, Any], declared: tuple[str, ...]) -> Json:
    """Return what a history entry carries: the document's values of access fields, an empty list where it has none.

    A group carries those in which all of its incidents agree.
    """
    is_group = str(source.get("key", "")).startswith("aggregation/")
    agreed = set(source.get("partition") or ()) if is_group else set(declared)
    return {path: indexed(source, path) for path in declared if path in agreed}


def registry_of(actor: Actor) -> Registry:
    """Return the fields as the actor knows them: hidden ones are not there."""
    known = fields.registry()
    return known.without(actor.hidden) if actor.hidden else known


def shown(actor: Actor, doc: Document) -> Document:
    """Return a document without the fields hidden from the actor."""
    if not actor.hidden:
        return doc
    marks = {"rule.id", "rule.name", "entities.host"} & actor.hidden
    return replace(doc, source=hiding.shown(doc.source, actor.hidden), fingerprint="" if marks else doc.fingerprint)


def require_writable(actor: Actor, body: Mapping[str, Any]) -> None:
    """Raise `PermissionDenied` when a body names a field hidden from the actor, also inside an object."""
    if not actor.hidden:
        return
    names = {*body}
    names |= {f"{head}.{rest}" for head, value in body.items() if isinstance(value, Mapping) for rest in value}
    if wrong := hiding.refused(names, actor.hidden):
        reason = _("is not open to your roles; leave it out")
        raise PermissionDenied(f"{wrong[0]}: {reason}", [Detail(name, reason) for name in wrong])


def require_editable(body: Mapping[str, Any], declared: Sequence[str]) -> None:
    """Raise `ValidationFailed` for every access field that a change of many documents names."""
    if wrong := [path for path in declared if path.partition(".")[0] in body]:
        raise ValidationFailed.of([Detail(path, NEVER_EDITED) for path in wrong])


def require_own(actor: Actor, source: Mapping[str, Any], declared: tuple[str, ...]) -> None:
    """Raise `ValidationFailed` when an actor would create an incident that he may not see."""
    if actor.rows is not None and not visible(actor, source):
        reason = _("your roles let you create only incidents that they let you see")
        raise ValidationFailed.of([Detail(name, reason) for name in declared] or [Detail("", reason)])


def require_no_id(actor: Actor) -> None:
    """Raise `PermissionDenied` when a restricted actor names the id of a new incident.

    A conflict would tell him that there is one; without an id one is made that nobody has.
    """
    if actor.rows is not None:
        raise PermissionDenied(_("Your roles show you some incidents only, so the id of a new one is made here."))


@lru_cache(maxsize=256)
def _filters(rows: tuple[str, ...], declared: frozenset[str]) -> tuple[RowFilter, ...]:
    """Return the filters that can be read; one over a field that is no access field any more shows nothing."""
    found = []
    for text in rows:
        try:
            found.append(row_filter(text, declared))
        except ValidationFailed:
            continue
    return tuple(found)


@lru_cache(maxsize=256)
def _clause(rows: tuple[str, ...], declared: frozenset[str]) -> Json:
    parts = []
    for found in _filters(rows, declared):
        agreed = [{"term": {"partition": path}} for path in sorted(found.fields)]
        parts.append({"bool": {"filter": [found.clause(), any_of([_NO_GROUP, {"bool": {"filter": agreed}}])]}})
    return any_of(parts) if parts else MATCH_NONE


def place(body: Json, path: str, value: Any) -> None:
    """Put a value at a dotted path; None takes away what stands there."""
    head, _dot, rest = path.partition(".")
    if rest:
        place(body.setdefault(head, {}), rest, value)
    elif value is None:
        body.pop(head, None)
    else:
        body[head] = value

"""What an incident begins with by its type: defaults where its sender said nothing, and what must come with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from imweb.accounts.incident_types import FIELD, INCIDENT_TYPES, IncidentType, TypeField
from imweb.configuration import store
from imweb.errors import Detail
from imweb.incidents.models import CustomField

Json = dict[str, Any]


def in_force() -> dict[str, IncidentType]:
    """Return the types by name, their fields without those that were removed since."""
    types = store.values(INCIDENT_TYPES)
    if not any(item.fields for item in types):
        return {item.name: item for item in types}
    live = set(CustomField.objects.filter(hidden=False).values_list("name", flat=True))
    return {
        item.name: item.model_copy(update={"fields": tuple(one for one in item.fields if one.name in live)})
        for item in types
    }


def begun(types: Mapping[str, IncidentType], fields: Mapping[str, Any]) -> tuple[Json, list[Detail]]:
    """Return what a new incident holds, its type's defaults where its sender said nothing, and what it lacks.

    A field sent empty (None) was spoken of: it stays empty, and is refused where the type requires it.
    """
    found = types.get(str(fields.get(FIELD) or ""))
    if found is None:
        return dict(fields), []
    defaults = {"severity": found.severity or None, "reviewer": found.reviewer or None}
    defaults |= {item.name: _stored(item) for item in found.fields}
    new = {**{name: value for name, value in defaults.items() if value is not None}, **fields}
    reason = _("is needed for an incident of the type “%(title)s”") % {"title": found.title}
    lacking = [item.name for item in found.fields if item.required and new.get(item.name) in (None, "", [])]
    return new, [Detail(name, reason) for name in lacking]


def _stored(item: TypeField) -> Any:
    return list(item.default) if isinstance(item.default, tuple) else item.default


def titles() -> dict[str, str]:
    """Return how the types are called, by name."""
    return {item.name: item.title for item in store.values(INCIDENT_TYPES)}

"""The registry of the moment: core fields, an administrator's definitions, and what the live mapping has."""

from __future__ import annotations

import threading
import time
from typing import Any

from imweb.errors import ImError, ValidationFailed
from imweb.incidents.fields import (
    MAX_DYNAMIC_FIELDS,
    TOP_LEVEL_NAMES,
    FieldDef,
    Registry,
    dynamic_field,
    kind_of_mapping,
    mapping_of,
)
from imweb.incidents.models import CustomField
from imweb.opensearch import gateway, schema

# Other processes' new fields are seen after this many seconds at the latest, and at once when a name is unknown.
_MAX_AGE = 10.0
_lock = threading.Lock()
_cached: tuple[float, str, Registry] | None = None


def registry(*, fresh: bool = False) -> Registry:
    """Return the registry, at most ten seconds old; `fresh` reads it anew.

    While OpenSearch is down it holds the core and the administrator's fields, so that pages still render.
    """
    global _cached
    alias = schema.incidents_alias()
    now = time.monotonic()
    held = _cached
    if not fresh and held and held[1] == alias and now - held[0] < _MAX_AGE:
        return held[2]
    custom = [row.field for row in CustomField.objects.all()]
    try:
        built = Registry.build(custom, _dynamic(gateway().mapping(alias)))
    except ImError:
        built = held[2] if held and held[1] == alias else Registry.build(custom)
    with _lock:
        # What could not be read either: a node that hangs instead of refusing is not waited for again and again.
        _cached = (time.monotonic(), alias, built)
    return built


def forget() -> None:
    """Drop the cached registry, after a field was defined or mapped."""
    global _cached
    _cached = None


def ensure_mapped(new: list[FieldDef]) -> None:
    """Map fields identically for incidents and aggregation results, before the first value is written.

    Raises `ValidationFailed` when the names are too many; OpenSearch refuses a changed type (`QueryRejected`).
    """
    if not new:
        return
    known = [field for field in registry(fresh=True).extra() if not field.custom_type]
    fresh = {field.name for field in new} - {field.name for field in known}
    undefined = {field.name for field in new if not field.custom_type} & fresh
    if len(known) + len(undefined) > MAX_DYNAMIC_FIELDS:
        raise ValidationFailed.field(
            sorted(undefined)[0], f"there are already {len(known)} undefined fields, {MAX_DYNAMIC_FIELDS} are the limit"
        )
    gateway().put_mapping(schema.document_aliases(), {field.name: mapping_of(field.kind) for field in new})
    forget()


def _dynamic(properties: dict[str, Any]) -> list[FieldDef]:
    found = []
    for name, mapping in properties.items():
        kind = kind_of_mapping(mapping)
        if kind is not None and name not in TOP_LEVEL_NAMES:
            found.append(dynamic_field(name, kind))
    return found

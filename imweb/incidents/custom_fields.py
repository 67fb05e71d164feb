"""Custom fields: defining, changing, hiding and ordering them, with undo, and what the data has under a name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils import timezone
from pydantic import Field, field_validator, model_validator

from imweb.configuration import Kind as SettingsKind
from imweb.configuration.kinds import Definition
from imweb.configuration.models import Change
from imweb.configuration.store import Item, alone, conflict
from imweb.errors import ImError, NotFound, SearchTimeout, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.incidents import registry
from imweb.incidents.access import access_fields, unfit
from imweb.incidents.dsl import NOT_DELETED
from imweb.incidents.fields import FieldDef, Kind, custom_field, kind_of_mapping
from imweb.incidents.models import MAX_OPTIONS, CustomField, check_field_name
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
log = logging.getLogger(__name__)
KIND = "custom_field"
MAX_FIELDS = 200
SAMPLES = 5


class FieldDefinition(Definition):
    """A custom field as an administrator defines it; `name` is its name in documents and never changes."""

    name: str
    label: str = Field(min_length=1, max_length=100)
    type: Literal["number", "text", "select", "multiselect", "datetime", "markdown"]
    options: tuple[str, ...] = Field(default=(), max_length=MAX_OPTIONS)
    live_options: bool = False
    default: str | float | tuple[str, ...] | None = None
    placeholder: str = Field(default="", max_length=200)
    is_filter: bool = True
    is_exclusion: bool = False
    on_card: bool = True
    bulk_editable: bool = False
    in_list: bool = False
    hidden: bool = False

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        try:
            check_field_name(value)
        except DjangoValidationError as error:
            raise ValueError(" ".join(error.messages)) from None
        return value

    @field_validator("options")
    @classmethod
    def _are_distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 < len(item.strip()) <= 256 for item in value):
            raise ValueError("each option is a text of 1 to 256 characters")
        if twice := next((item for item in value if value.count(item) > 1), None):
            raise ValueError(f"'{twice}' stands twice")
        return value

    @model_validator(mode="after")
    def _fits_its_type(self) -> FieldDefinition:
        choice = self.type in ("select", "multiselect")
        if choice and not self.options and not self.live_options:
            raise ValueError("options: name at least one, or offer the values that the field has")
        if self.default is not None and (reason := self._default_fault()):
            raise ValueError(f"default: {reason}")
        return self

    def _default_fault(self) -> str | None:
        if self.type == "number":
            return None if isinstance(self.default, float) else "a number"
        values = self.default if isinstance(self.default, tuple) else (self.default,)
        if self.type != "multiselect" and isinstance(self.default, tuple):
            return "one value only"
        if not all(isinstance(value, str) for value in values):
            return "a text"
        if self.type in ("select", "multiselect") and not self.live_options:
            outside = [value for value in values if value not in self.options]
            return f"'{outside[0]}' is none of the options" if outside else None
        return None

    @property
    def field(self) -> FieldDef:
        """Return the definition as the registry holds it."""
        return custom_field(self.name, self.type, self.label)


# Only for its parsing: the rows are `CustomField`, which lists and the registry read by themselves.
PARSER: SettingsKind[FieldDefinition] = SettingsKind(KIND, FieldDefinition, list, title="custom field")
_STORED = tuple(FieldDefinition.model_fields)


@dataclass(frozen=True, slots=True)
class Probe:
    """What stands under a name in the data now; `clash` says why a definition cannot have it, empty when it can."""

    mapped_as: Kind | None
    count: int
    values: list[tuple[str, int]]
    clash: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved definition; `warning` says what could not be done yet."""

    item: Item[FieldDefinition]
    warning: str = ""


def definition_of(row: CustomField) -> FieldDefinition:
    """Return the definition that a row holds."""
    return PARSER.parse({name: getattr(row, name) for name in _STORED})


def items() -> list[Item[FieldDefinition]]:
    """Return every custom field in order, hidden ones last."""
    rows = sorted(CustomField.objects.all(), key=lambda row: row.hidden)
    return [_item(row) for row in rows]


def get(name: str) -> Item[FieldDefinition]:
    """Return one custom field, or raise `NotFound`."""
    row = CustomField.objects.filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no custom field named '{name}'.")
    return _item(row)


def probe(name: str, custom_type: str = "") -> Probe:
    """Return what the live data has under a name and whether a field of this type fits; raises `SearchUnavailable`."""
    live = gateway().mapping(schema.incidents_alias()).get(name)
    if live is None:
        return Probe(None, 0, [])
    kind = kind_of_mapping(live)
    count = gateway().count(_has(name), index=schema.document_aliases())
    if kind is None:
        return Probe(
            None, count, [], f"'{name}' is in the index already as {live.get('type', 'object')}, unreadable here"
        )
    values = _samples(FieldDef(name, kind)) if count else []
    clash = ""
    if custom_type and (wanted := custom_field(name, custom_type, name).kind) is not kind:
        clash = f"'{name}' is in the index already as {_WORDS[kind]}; a {custom_type} field would need {_WORDS[wanted]}"
    return Probe(kind, count, values, clash)


_WORDS = {
    Kind.KEYWORD: "whole texts (keyword)",
    Kind.TEXT: "free text",
    Kind.NUMBER: "numbers",
    Kind.BOOLEAN: "true and false",
    Kind.DATE: "dates",
}


def _has(name: str) -> Json:
    return {"bool": {"filter": [{"exists": {"field": name}}], "must_not": [NOT_DELETED]}}


def _samples(field: FieldDef) -> list[tuple[str, int]]:
    body: Json = {
        "size": 0,
        "query": _has(field.name),
        "aggs": {"values": {"terms": {"field": field.exact, "size": 12}}},
    }
    buckets = gateway().search(body, index=schema.document_aliases())["aggregations"]["values"]["buckets"]
    return [(_shown(bucket), int(bucket["doc_count"])) for bucket in buckets]


def _shown(bucket: Json) -> str:
    key = bucket.get("key_as_string", bucket["key"])
    return f"{key:g}" if isinstance(key, float) else str(key)


def save(data: Mapping[str, Any], *, by: str, revision: int | None = None) -> Saved:
    """Define or change a field and map it in the live indices.

    Raises `ValidationFailed`, also when the data under this name is of another kind, and `VersionConflict` with who
    and both values. With OpenSearch down the definition is saved and mapped later (`Saved.warning`).
    """
    definition = PARSER.parse(data)
    if definition.name in access_fields() and (reason := unfit(definition.field)):
        raise ValidationFailed.field("type", f"the field is an access field; one of this type {reason}")
    check_mapping(definition)
    item = _change(definition.name, definition, by=by, revision=revision)
    return Saved(item, apply())


def remove(name: str, *, by: str, revision: int | None = None) -> None:
    """Hide a field everywhere; its data and its definition stay."""
    _change(name, get(name).value.model_copy(update={"hidden": True}), by=by, revision=revision, action="removed")


def restore(name: str, *, by: str) -> None:
    """Show a hidden field again."""
    _change(name, get(name).value.model_copy(update={"hidden": False}), by=by, revision=None, action="restored")


def reorder(names: Sequence[str], *, by: str) -> None:
    """Put the fields that are not hidden into this order, every one named once; else `ValidationFailed`."""
    with transaction.atomic():
        rows = {row.name: row for row in CustomField.objects.select_for_update().filter(hidden=False)}
        if sorted(names) != sorted(rows):
            raise ValidationFailed.field("order", "name every field once: " + ", ".join(rows))
        if list(rows) == list(names):
            return
        for position, name in enumerate(names):
            CustomField.objects.filter(pk=rows[name].pk).update(position=position)
        Change.objects.create(kind=KIND, action="reordered", old=list(rows), new=list(names), by=by)


def bring(new: Sequence[FieldDefinition], *, by: str) -> None:
    """Make these the fields, in this order; what is left out is hidden. Mapping them is the caller's: `apply`."""
    names = {definition.name for definition in new}
    for item in items():
        if item.value.name not in names and not item.value.hidden:
            remove(item.value.name, by=by)
    for definition in new:
        _change(definition.name, definition, by=by, revision=None)
    reorder([definition.name for definition in new if not definition.hidden], by=by)


def undo(name: str, *, by: str) -> FieldDefinition:
    """Take back the last change of a field; a field that was just defined is hidden, its data stays."""
    last = Change.objects.filter(kind=KIND, name=name).exclude(action="reordered").first()
    if last is None:
        raise NotFound("There is nothing to take back.")
    value = PARSER.parse(last.old) if last.old is not None else get(name).value.model_copy(update={"hidden": True})
    restored = _change(name, value, by=by, revision=None, action="restored").value
    apply()
    return restored


def _item(row: CustomField) -> Item[FieldDefinition]:
    return Item(definition_of(row), row.rev, row.updated_at, row.updated_by)


def check_mapping(definition: FieldDefinition) -> None:
    """Raise `ValidationFailed` when the data under the name is of another kind; nobody knows without OpenSearch."""
    row = CustomField.objects.filter(name=definition.name).first()
    if row is not None and row.mapped and row.field.kind is not definition.field.kind:
        raise ValidationFailed.field(
            "type", f"the field's data is stored as {_WORDS[row.field.kind]}; that cannot become {definition.type}"
        )
    try:
        found = probe(definition.name, definition.type)
    except (SearchUnavailable, SearchTimeout):
        return
    if found.clash:
        seen = ", ".join(value for value, _count in found.values[:SAMPLES])
        raise ValidationFailed.field("type", found.clash + (f"; values there: {seen}" if seen else ""))


def apply() -> str:
    """Map what is not mapped yet; returns a warning while OpenSearch does not answer."""
    try:
        apply_custom_fields()
    except ImError as error:
        log.warning("custom fields wait to be mapped: %s", error.reason)
        return "OpenSearch does not answer. The definition is saved and takes effect by itself once OpenSearch is back."
    return ""


def _change(
    name: str, new: FieldDefinition, *, by: str, revision: int | None, action: str = ""
) -> Item[FieldDefinition]:
    with alone():
        row = CustomField.objects.select_for_update().filter(name=name).first()
        stored = PARSER.stored(new)
        old = PARSER.stored(definition_of(row)) if row else None
        if revision is not None and revision != (row.rev if row else 0):
            if row is None or old is None:
                raise VersionConflict(f"Somebody removed '{name}' meanwhile; save it under a new name.")
            raise conflict(name, old, stored, by=row.updated_by, at=row.updated_at)
        if row is not None and old == stored:
            return _item(row)
        if row is None:
            if CustomField.objects.filter(hidden=False).count() >= MAX_FIELDS:
                raise ValidationFailed.field("name", f"there are {MAX_FIELDS} custom fields already, the limit")
            last = CustomField.objects.order_by("-position").first()
            row = CustomField(name=name, rev=0, position=last.position + 1 if last else 0)
        elif row.field.kind is not new.field.kind:
            row.mapped = False
        for field in _STORED:
            setattr(row, field, stored[field])
        row.rev, row.updated_by, row.updated_at = row.rev + 1, by, timezone.now()
        row.save()
        done = action or ("created" if old is None else "changed")
        Change.objects.create(kind=KIND, name=name, action=done, revision=row.rev, old=old, new=stored, by=by)
    registry.forget()
    return _item(row)

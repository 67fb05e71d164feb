"""The field registry: every field's name, kind and place in the index, mapped alike wherever it occurs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How a field's values are stored and compared."""

    KEYWORD = "keyword"
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


# Nothing longer is found by its whole value; OpenSearch counts bytes, at most 32,766, so 8,191 characters always fit.
IGNORE_ABOVE = 8_191
MAX_DYNAMIC_FIELDS = 500
FIELD_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.IGNORECASE)
# Bookkeeping: never shown, never filtered by a caller, never accepted in a body.
INTERNAL = frozenset(
    {
        "key",
        "rev",
        "touched",
        "pending",
        "has_pending",
        "deleted",
        "created_at",
        "updated_at",
        "updated_by",
        "fingerprint",
        "responded_at",
        "closed_at",
        "group_number",
        "group_numbers",
        "search_all",
        "op",
        "partition",
    }
)
# Kept whole and shown, but not indexed field by field.
OPAQUE = frozenset({"event", "comparison_fields", "function_fields", "additional_fields", "generation"})
ENTITIES = [
    "host",
    "user",
    "ip",
    "source_ip",
    "destination_ip",
    "process",
    "parent_process",
    "command_line",
    "parent_command_line",
    "file",
    "hash",
    "domain",
    "url",
    "registry_key",
    "service",
    "pipe",
    "port",
    "email",
    "mailbox",
    "device",
    "cloud_account",
    "container",
    "process_id",
    "target_user",
]
_ENTITY_LABELS = {
    "ip": "IP",
    "source_ip": "Source IP",
    "destination_ip": "Destination IP",
    "url": "URL",
    "process_id": "Process ID",
    "email": "E-mail",
}
RESERVED_IDS = frozenset({"pit", "bulkUpdate"})


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field: `name` is its dotted path in a document, `exact` the indexed path that compares whole values."""

    name: str
    kind: Kind
    label: str = ""
    multi: bool = False
    sortable: bool = False
    core: bool = True
    custom_type: str = ""  # number, text, select, multiselect, datetime or markdown for an administrator's field
    bookkeeping: bool = False  # may be sorted or filtered by our own pages, not by a caller's query

    @property
    def exact(self) -> str:
        """Return the indexed path to use for whole values, sorting and facets."""
        return f"{self.name}.raw" if self.kind is Kind.TEXT else self.name


def mapping_of(kind: Kind) -> dict[str, Any]:
    """Return the OpenSearch mapping of a field kind, the same in every index."""
    match kind:
        case Kind.KEYWORD:
            return {"type": "keyword", "ignore_above": IGNORE_ABOVE}
        case Kind.TEXT:
            return {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 1_024}}}
        case Kind.NUMBER:
            # A `long` silently takes 5.7 for 5.
            return {"type": "double"}
        case Kind.BOOLEAN:
            return {"type": "boolean"}
        case Kind.DATE:
            return {"type": "date", "format": "strict_date_optional_time||epoch_millis"}


def kind_of_mapping(mapping: Mapping[str, Any]) -> Kind | None:
    """Return the kind that a live mapping stands for, None when it is none of ours."""
    return {
        "keyword": Kind.KEYWORD,
        "text": Kind.TEXT,
        "double": Kind.NUMBER,
        "boolean": Kind.BOOLEAN,
        "date": Kind.DATE,
    }.get(str(mapping.get("type")))


def _core() -> Iterator[FieldDef]:
    yield FieldDef("@timestamp", Kind.DATE, "Time", sortable=True)
    yield FieldDef("title", Kind.TEXT, "Title", sortable=True)
    yield FieldDef("description", Kind.TEXT, "Description")
    yield FieldDef("severity", Kind.KEYWORD, "Severity", sortable=True)
    yield FieldDef("status", Kind.KEYWORD, "Status", sortable=True)
    yield FieldDef("workflow_id", Kind.KEYWORD, "Workflow", sortable=True)
    yield FieldDef("reviewer", Kind.KEYWORD, "Reviewer", sortable=True)
    yield FieldDef("comment", Kind.TEXT, "Comment")
    yield FieldDef("resolution", Kind.KEYWORD, "Resolution", sortable=True)
    yield FieldDef("resolution_note", Kind.TEXT, "Resolution note")
    yield FieldDef("duplicate_of", Kind.KEYWORD, "Duplicate of")
    yield FieldDef("incident_type", Kind.KEYWORD, "Type", sortable=True)
    yield FieldDef("source", Kind.KEYWORD, "Source", sortable=True)
    yield FieldDef("rule.id", Kind.KEYWORD, "Rule id", sortable=True)
    yield FieldDef("rule.name", Kind.KEYWORD, "Rule", sortable=True)
    yield FieldDef("mitre", Kind.KEYWORD, "ATT&CK", multi=True)
    for entity in ENTITIES:
        yield FieldDef(
            f"entities.{entity}",
            Kind.KEYWORD,
            _ENTITY_LABELS.get(entity, entity.replace("_", " ").capitalize()),
            multi=True,
        )
    yield FieldDef("incident_aggregation_id", Kind.KEYWORD, "Grouping", multi=True)
    yield FieldDef("incident_aggregation_result_id", Kind.KEYWORD, "Group", multi=True)
    yield FieldDef("incidents_count", Kind.NUMBER, "Incidents")
    yield FieldDef("first_seen", Kind.DATE, "First seen")


CORE_FIELDS: dict[str, FieldDef] = {field.name: field for field in _core()}
# What an analyst types in the search bar instead of the whole path.
ALIASES: dict[str, str] = {
    **{entity: f"entities.{entity}" for entity in ENTITIES},
    "rule": "rule.name",
    "time": "@timestamp",
    "timestamp": "@timestamp",
    "tactic": "mitre",
    "technique": "mitre",
    "attack": "mitre",
    "type": "incident_type",
    "group": "incident_aggregation_result_id",
}
# Parameters of `GET /_im/incidents`, where every other one filters a field: a field of this name could not be.
PARAMETERS = frozenset(
    ["pit", "from", "size", "sort", "search_after", "next", "start_time", "end_time", "time_zone", "with_total_docs"]
)
TOP_LEVEL_NAMES = (
    frozenset(name.partition(".")[0] for name in CORE_FIELDS)
    | INTERNAL
    | OPAQUE
    | {"_meta", "_id", "_index", "_source"}
)


@dataclass(frozen=True, slots=True)
class Registry:
    """All fields known just now: the core ones, an administrator's, and those that callers have written."""

    fields: Mapping[str, FieldDef]
    # Fields are hidden from whom this is for: what is searched without naming a field must not be the copy of all.
    partial: bool = False

    @classmethod
    def build(cls, custom: Iterable[FieldDef] = (), dynamic: Iterable[FieldDef] = ()) -> Registry:
        """Return the registry of the core fields with others beside them; core names cannot be replaced."""
        fields = {field.name: field for field in dynamic}
        fields.update({field.name: field for field in custom})
        fields.update(CORE_FIELDS)
        return cls(fields)

    def get(self, name: str) -> FieldDef | None:
        """Return a field by its full name."""
        return self.fields.get(name)

    def resolve(self, name: str) -> FieldDef | None:
        """Return a field by its full name or by what the search bar calls it; a defined name goes before an alias."""
        return self.fields.get(name) or self.fields.get(ALIASES.get(name, ""))

    def nearest(self, name: str) -> str | None:
        """Return the known name nearest to a mistyped one."""
        known = [*self.fields, *(name for name, path in ALIASES.items() if path in self.fields)]
        found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        return found[0] if found else None

    def extra(self) -> list[FieldDef]:
        """Return the fields that are not core, by name."""
        return sorted((f for f in self.fields.values() if not f.core), key=lambda f: f.name)

    def without(self, hidden: Iterable[str]) -> Registry:
        """Return the registry as somebody sees it from whom fields are hidden."""
        names = set(hidden)
        return Registry({name: field for name, field in self.fields.items() if name not in names}, partial=bool(names))


def custom_field(name: str, custom_type: str, label: str) -> FieldDef:
    """Return the field of an administrator's definition."""
    kind = {"number": Kind.NUMBER, "datetime": Kind.DATE, "markdown": Kind.TEXT}.get(custom_type, Kind.KEYWORD)
    multi = custom_type == "multiselect"
    return FieldDef(
        name,
        kind,
        label,
        multi=multi,
        sortable=not multi and kind is not Kind.TEXT,
        core=False,
        custom_type=custom_type,
    )


def dynamic_field(name: str, kind: Kind) -> FieldDef:
    """Return a field that a caller wrote without anybody having defined it."""
    return FieldDef(name, kind, name, core=False, multi=True)


def infer_kind(value: Any) -> Kind | None:
    """Return the kind that a new field takes from its first value; None when the value fits no kind."""
    if isinstance(value, list):
        kinds = {infer_kind(item) for item in value}
        return kinds.pop() if len(kinds) == 1 and not any(isinstance(item, list) for item in value) else None
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    return Kind.KEYWORD if isinstance(value, str) else None


def with_label(field: FieldDef, label: str) -> FieldDef:
    """Return the field under another label."""
    return replace(field, label=label)

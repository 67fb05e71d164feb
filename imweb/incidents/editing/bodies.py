"""Bodies of edits, checked: what a caller may send becomes plain field values, every fault named at once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from django.conf import settings

from imweb import workflows
from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, QueryRejected, ValidationFailed
from imweb.incidents import access, times
from imweb.incidents.documents import DocKind, iso
from imweb.incidents.editing.rules import (
    COMPUTED,
    KEPT_BY_US,
    MEMBERSHIP,
    NEVER_EMPTY,
    ONLY_GROUPS,
    RULE_PARTS,
    Rules,
)
from imweb.incidents.fields import (
    ENTITIES,
    FIELD_NAME,
    PARAMETERS,
    FieldDef,
    Kind,
    Registry,
    dynamic_field,
    infer_kind,
)
from imweb.incidents.registry import ensure_mapped, registry

Json = dict[str, Any]
MAX_DEPTH = 100
MAX_VALUES = 1_000
# What OpenSearch's reader takes at most; a single character may count twice there.
MAX_KEY = 25_000
_LISTS = frozenset({"mitre", *MEMBERSHIP})
_EXPECTED = {
    Kind.KEYWORD: "a text",
    Kind.TEXT: "a text",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.DATE: "a time in ISO 8601 or epoch milliseconds",
}


@dataclass(frozen=True, slots=True)
class Body:
    """What a caller wants: `fields` by name (None empties one), and the revision he saw."""

    fields: Json
    rev: int | None = None
    new: tuple[FieldDef, ...] = field(default=())


class _Misfit(Exception):
    """A value that does not fit; the text says what is expected."""


def checked(
    raw: Any,
    rules: Rules,
    actor: Actor,
    *,
    doc_id: str | None,
    kind: DocKind | None,
    creating: bool = False,
    known: Registry | None = None,
) -> Body:
    """Return a body's fields with new ones mapped already; raises `ValidationFailed` with every fault."""
    if isinstance(raw, Mapping):
        access.require_writable(actor, raw)
    body = read(raw, rules, doc_id=doc_id, kind=kind, known=known or registry())
    if not body.new:
        return body
    actor.require(permissions.CREATE if creating else permissions.FIELDS)
    return _map_new(raw, rules, doc_id=doc_id, kind=kind)


def _map_new(raw: Any, rules: Rules, *, doc_id: str | None, kind: DocKind | None) -> Body:
    """Map the fields that nobody defined; what another process mapped first is checked against its mapping."""
    body = read(raw, rules, doc_id=doc_id, kind=kind, known=registry(fresh=True))
    try:
        ensure_mapped(list(body.new))
    except QueryRejected as error:
        # Somebody mapped the name otherwise between our look and our change: now it is known and may not fit.
        body = read(raw, rules, doc_id=doc_id, kind=kind, known=registry(fresh=True))
        if body.new:
            raise ValidationFailed.field(body.new[0].name, f"cannot be made a field: {error.reason}") from error
    return body


def read(raw: Any, rules: Rules, *, doc_id: str | None, kind: DocKind | None, known: Registry) -> Body:
    """Return a body's fields; nothing is mapped yet."""
    if not isinstance(raw, Mapping):
        raise ValidationFailed.field("", "the body is one JSON object of fields")
    faults: list[Detail] = []
    rev = _meta(raw.get("_meta"), doc_id, faults)
    fields: Json = {}
    new: list[FieldDef] = []
    for name, value in raw.items():
        if name == "_meta":
            continue
        try:
            if reason := name_fault(name, kind):
                raise _Misfit(reason)
            _check_json(value)
            fields[name] = _value(name, value, rules, known, new)
        except _Misfit as misfit:
            faults.append(Detail(str(name)[:200].encode(errors="replace").decode(), str(misfit)))
    # A comment is an event and not a state: sending none says nothing.
    if not fields.get("comment"):
        fields.pop("comment", None)
    if faults:
        raise ValidationFailed.of(faults)
    return Body(fields, rev, tuple(new))


def name_fault(name: str, kind: DocKind | None) -> str | None:
    """Return why a field may not be written by a caller, None when it may; without a kind what holds for both."""
    if name in KEPT_BY_US:
        return "is kept by the application; leave it out"
    if kind == "aggregation" and name in COMPUTED:
        return "is computed from the contained incidents; change those"
    if kind == "incident" and name in ONLY_GROUPS:
        return "belongs to aggregation results and is computed"
    return None


def _meta(meta: Any, doc_id: str | None, faults: list[Detail]) -> int | None:
    if meta is None:
        return None
    if not isinstance(meta, Mapping):
        faults.append(Detail("_meta", "an object, as it came with the document"))
        return None
    if "id" in meta and meta["id"] != doc_id:
        faults.append(Detail("_meta.id", "is not the id in the path; change the one or the other"))
    rev = meta.get("rev")
    if rev is not None and (isinstance(rev, bool) or not isinstance(rev, int) or rev < 1):
        faults.append(Detail("_meta.rev", "a whole number from 1, as it came with the document"))
        return None
    return rev


def _check_json(value: Any) -> None:
    level: list[Any] = [value]
    for _depth in range(MAX_DEPTH):
        if any(isinstance(item, dict) and any(len(key) > MAX_KEY for key in item) for item in level):
            raise _Misfit(f"holds a key of more than {MAX_KEY} characters")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            break
    else:
        raise _Misfit(f"nested deeper than {MAX_DEPTH} levels")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise _Misfit("holds characters that are no valid Unicode text") from None
    except ValueError:
        raise _Misfit("a finite number") from None


def _value(name: str, value: Any, rules: Rules, known: Registry, new: list[FieldDef]) -> Any:
    if value is None or value == "":
        if name in NEVER_EMPTY:
            raise _Misfit("cannot be empty")
        if name not in ("event", "rule", "entities") and known.get(name) is None:
            _new_field(name, value)
        return None
    match name:
        case "severity":
            return _one_of(value, rules.levels, "the severity levels")
        case "workflow_id":
            return _one_of(value, tuple(rules.workflows), "the workflows")
        case "resolution":
            return _one_of(value, tuple(workflows.RESOLUTIONS), "the resolutions")
        case "event":
            if not isinstance(value, dict):
                raise _Misfit("the raw event is an object")
            return value
        case "rule":
            return _parts(value, RULE_PARTS, lists=False)
        case "entities":
            return _parts(value, ENTITIES, lists=True)
    found = known.get(name)
    if found is None:
        found = _new_field(name, value)
        new.append(found)
    return _fitting(found, value)


def _new_field(name: str, value: Any) -> FieldDef:
    if not FIELD_NAME.fullmatch(name):
        raise _Misfit("a new field's name has letters, digits and underscores, at most 63, and begins with a letter")
    if name in PARAMETERS:
        raise _Misfit("is a parameter of lists and so no field's name; choose another")
    if settings.IM_STRICT_FIELDS:
        raise _Misfit("there is no such field; an administrator can define it")
    kind = Kind.KEYWORD if value in (None, "") else infer_kind(value)
    if kind is None:
        raise _Misfit("a new field takes a text, a number, true or false, or a list of one of them")
    return dynamic_field(name, kind)


def _one_of(value: Any, allowed: tuple[str, ...], what: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _Misfit(f"one of {what}: {', '.join(allowed)}")
    return value


def _parts(value: Any, names: Any, *, lists: bool) -> Json:
    if not isinstance(value, dict):
        raise _Misfit(f"an object with any of {', '.join(names)}")
    if unknown := [str(name) for name in value if name not in names]:
        raise _Misfit(f"has no '{unknown[0]}'; there are {', '.join(names)}")
    expected = "a text or a list of texts" if lists else "a text"
    for name, item in value.items():
        parts = item if lists and isinstance(item, list) else [item]
        if len(parts) > MAX_VALUES or not all(isinstance(part, str) for part in parts):
            raise _Misfit(f"'{name}' is {expected}")
    return dict(value)


def _fitting(found: FieldDef, value: Any) -> Any:
    expected = _EXPECTED[found.kind]
    if found.name in _LISTS and isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        if not found.multi:
            raise _Misfit(f"{expected}, one only")
        if len(value) > MAX_VALUES:
            raise _Misfit(f"at most {MAX_VALUES} values")
        return [_single(found.kind, item, f"{expected}, or a list of such") for item in value]
    return _single(found.kind, value, expected)


def _single(kind: Kind, value: Any, expected: str) -> Any:
    good: bool
    match kind:
        case Kind.NUMBER:
            good = isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
        case Kind.BOOLEAN:
            good = isinstance(value, bool)
        case Kind.DATE:
            return _date(value, expected)
        case _:
            good = isinstance(value, str)
    if not good:
        raise _Misfit(expected)
    # Minus zero would be another value to OpenSearch, and reads oddly to everybody.
    return 0.0 if kind is Kind.NUMBER and value == 0 and isinstance(value, float) else value


def _finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _date(value: Any, expected: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or times.is_relative(value):
        raise _Misfit(expected)
    try:
        return iso(times.parse_instant(value, now_ms=time.time_ns() // 1_000_000, tz=UTC))
    except times.BadInstant as error:
        raise _Misfit(error.reason) from None

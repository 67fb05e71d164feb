"""What a card's form sends, as the fields of one change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _

from imweb.errors import ValidationFailed
from imweb.incidents.models import CustomField

Json = dict[str, Any]
VERDICT = ("resolution", "resolution_note", "duplicate_of")
CORE = ("title", "description", "severity", "status", "reviewer", "comment", *VERDICT)


def changes(posted: QueryDict, custom: Mapping[str, CustomField], zone: str) -> Json:
    """Return the fields named by `set`; an empty value empties its field. Raises `ValidationFailed`."""
    found: Json = {}
    for name in posted.getlist("set"):
        if name in CORE:
            found[name] = posted.get(f"v.{name}", "").replace("\r\n", "\n").strip() or None
        elif name in custom:
            values = [value for value in posted.getlist(f"v.{name}") if value != ""]
            found[name] = _custom(custom[name], values, zone)
        else:
            raise ValidationFailed.field(name, _("cannot be edited here"))
    if found.get("comment") is None:
        found.pop("comment", None)
    for name in VERDICT:
        # A form that offers them beside the step says nothing by leaving them empty.
        if found.get(name) is None and len(found) > 1:
            found.pop(name, None)
    if not found:
        raise ValidationFailed.field("comment", _("write something first"))
    return found


def _custom(field: CustomField, values: list[str], zone: str) -> Any:
    if field.type == "multiselect":
        return values or None
    text = values[-1].replace("\r\n", "\n").strip() if values else ""
    if not text:
        return None
    if field.type == "number":
        try:
            return float(text)
        except ValueError:
            raise ValidationFailed.field(field.name, _("a number")) from None
    if field.type == "datetime":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValidationFailed.field(field.name, _("a date and time")) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).isoformat()
    return text


def revision(posted: QueryDict) -> int | None:
    """Return the revision that the form's page showed."""
    text = posted.get("rev", "")
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) > 0 else None

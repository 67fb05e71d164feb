"""The form of a custom field: what was posted, as a definition, and what its preview shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from imweb.configuration.models import Change
from imweb.errors import ImError, ValidationFailed
from imweb.incidents import custom_fields
from imweb.incidents.custom_fields import FieldDefinition, Probe
from imweb.web.settings_pages.base import faults_of, lines_of
from imweb.web.settings_pages.touched import Touched, by_field

FLAGS: dict[str, tuple[Promise | str, Promise | str]] = {
    "is_filter": (_("Filter"), _("stands in the list's filter bar")),
    "is_exclusion": (_("Exclusion filter"), _("the filter leaves out what it names")),
    "on_card": (_("On the card"), _("is shown on an incident's card")),
    "bulk_editable": (_("Editable in bulk"), _("can be set for many incidents at once")),
    "in_list": (_("Column in the list"), _("for users who chose no columns of their own")),
}
TYPES: dict[str, tuple[Promise | str, Promise | str]] = {
    "text": (_("Text"), _("whole value, case-insensitive, * and ?")),
    "number": (_("Number"), _("exact, >=5 or 5..10")),
    "select": (_("One of a list"), _("a list to choose one from")),
    "multiselect": (_("Several of a list"), _("boxes to tick")),
    "datetime": (_("Date and time"), _("on the card and as a column")),
    "markdown": (_("Markdown"), _("long text, on the card only")),
}
LABELS: dict[str, str] = {
    "name": "Field name",
    "label": "Label",
    "type": "Type",
    "options": "Options",
    "live_options": "Offer the values that the field has",
    "default": "Default",
    "placeholder": "Placeholder",
    "hidden": "Removed",
    **{name: str(label) for name, (label, _help) in FLAGS.items()},
}


@dataclass(frozen=True, slots=True)
class Check:
    """What is known before saving; `down` says that OpenSearch could not be asked."""

    values: dict[str, Any]
    probe: Probe | None
    touched: Touched | None
    faults: dict[str, list[str]]
    down: bool = False


class FieldSource:
    """The custom fields as the source of a settings page."""

    kind = custom_fields.KIND

    def names(self) -> list[str]:
        """Return the names of the fields that are shown."""
        return [item.value.name for item in custom_fields.items() if not item.value.hidden]

    def reorder(self, names: Any, *, by: str) -> None:
        """Put the shown fields into another order."""
        custom_fields.reorder(names, by=by)

    def undo(self, change: Change, *, by: str) -> None:
        """Take back a change."""
        if change.action == "reordered":
            custom_fields.reorder(change.old or [], by=by)
        else:
            custom_fields.undo(change.name, by=by)


def posted(data: QueryDict, name: str | None) -> dict[str, Any]:
    """Return what a form says, as a definition's data; `name` is that of the field edited."""
    kind = data.get("type", "text")
    values: dict[str, Any] = {
        "name": name or data.get("name", "").strip(),
        "label": data.get("label", "").strip(),
        "type": kind,
        "options": lines_of(data.get("options", "")) if kind in ("select", "multiselect") else [],
        "live_options": "live_options" in data and kind in ("select", "multiselect"),
        "default": _default(data.get("default", "").strip(), kind),
        "placeholder": data.get("placeholder", "").strip(),
    }
    return values | {flag: flag in data for flag in FLAGS}


def _default(text: str, kind: str) -> Any:
    if not text:
        return None
    if kind == "multiselect":
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            return text
    return text


def shown(definition: FieldDefinition) -> dict[str, Any]:
    """Return a definition as the form's values."""
    return custom_fields.PARSER.stored(definition)


def empty() -> dict[str, Any]:
    """Return the values of a form for a new field."""
    return {"type": "text", "is_filter": True, "on_card": True, "options": []}


def check(values: dict[str, Any], *, existing: bool) -> Check:
    """Return what saving these values would meet; nothing is written."""
    faults = _attempt(lambda: custom_fields.PARSER.parse(values))
    name = values.get("name", "")
    if not name or "name" in faults:
        return Check(values, None, None, faults)
    try:
        probe = custom_fields.probe(name, values["type"] if "type" not in faults else "")
    except ImError:
        return Check(values, None, None, faults, down=True)
    if probe.clash:
        faults.setdefault("type", []).append(probe.clash)
    return Check(values, probe, by_field(name) if existing or probe.count else None, faults)


def _attempt(parse: Callable[[], Any]) -> dict[str, list[str]]:
    try:
        parse()
    except ValidationFailed as error:
        return faults_of(error)
    return {}

"""The demo's custom fields, one of each filterable type, defined as an administrator would."""

from __future__ import annotations

from imweb.demo.generator import ASSET_TAGS, SITES
from imweb.errors import ValidationFailed
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields

FIELDS: tuple[dict[str, object], ...] = (
    {
        "name": "site",
        "label": "Site",
        "type": "select",
        "options": list(SITES),
        "in_list": False,
        "bulk_editable": True,
        "position": 10,
    },
    {
        "name": "asset_tags",
        "label": "Asset tags",
        "type": "multiselect",
        "options": list(ASSET_TAGS),
        "bulk_editable": True,
        "position": 20,
    },
    {
        "name": "risk_score",
        "label": "Risk score",
        "type": "number",
        "placeholder": "for example >=70",
        "position": 30,
    },
    {
        "name": "ticket",
        "label": "Ticket",
        "type": "text",
        "placeholder": "for example INC-4*",
        "position": 40,
    },
)


def ensure_fields() -> list[str]:
    """Define the demo's fields that are missing and map them; return the names defined now.

    Raises `ValidationFailed` when a field of that name exists with another type: its data would not fit.
    """
    defined = []
    for values in FIELDS:
        row, new = CustomField.objects.get_or_create(name=values["name"], defaults={**values, "updated_by": "demo"})
        if new:
            defined.append(row.name)
        elif row.type != values["type"]:
            raise ValidationFailed.field(
                row.name, f"it is defined as {row.type}; the demo's data needs {values['type']}"
            )
    apply_custom_fields()
    return defined

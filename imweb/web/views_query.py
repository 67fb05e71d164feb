"""The query bar's suggestions: what may stand where the cursor is, with the values that the data has."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imweb.accounts import permissions as may
from imweb.accounts.actor import Actor, actor_of
from imweb.errors import ValidationFailed
from imweb.incidents import facets
from imweb.incidents.access import registry_of
from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.querylang import complete
from imweb.web.listing.words import value_labels
from imweb.web.page import PageRequest, page, zone_of

Json = dict[str, Any]
MAX_VALUES = 10
_PLAIN = re.compile(r"[\w.@/+*-]+")
_SPECIAL = re.compile(r'([.?+*|{}\[\]()"\\#@&<>~^$-])')
OPERATOR_HINTS = {"and": gettext_lazy("both"), "or": gettext_lazy("either"), "not": gettext_lazy("leave out")}


@page(may.VIEW)
def suggestions(request: PageRequest) -> HttpResponse:
    """Return `{start, kind, items: [{text, label, hint}]}`; `text` replaces what stands from `start` to the cursor."""
    text = request.GET.get("q", "")
    cursor = request.GET.get("cursor", "")
    if not cursor.isdecimal() or len(cursor) > 6:
        raise ValidationFailed.field("cursor", _("a number of characters"))
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    known = registry_of(actor)
    found = complete(text, int(cursor), known)
    if found.kind == "field":
        items = [_field(name, known.resolve(name)) for name in found.options]
    elif found.kind == "operator":
        items = [{"text": f"{name} ", "label": name, "hint": str(OPERATOR_HINTS[name])} for name in found.options]
    else:
        items = _values(actor, found.field, found.prefix)
    return JsonResponse({"start": found.start, "kind": found.kind, "items": items})


def _field(name: str, known: FieldDef | None) -> Json:
    return {"text": f"{name}:", "label": name, "hint": known.label if known and known.label != name else ""}


def _values(actor: Actor, field: FieldDef | None, prefix: str) -> list[Json]:
    """Return the most frequent values that begin with what is typed, upper and lower case alike."""
    if field is None:
        return []
    if field.kind is Kind.BOOLEAN:
        return [_value(name, "") for name in ("true", "false") if name.startswith(prefix.lower())]
    if field.kind not in (Kind.KEYWORD, Kind.TEXT) or "*" in prefix or len(prefix) > 100:
        return []
    counted = facets.values_beginning(actor, field, _pattern(prefix), MAX_VALUES)
    name_of = value_labels().get(field.name)
    items = [_value(value.value, f"{value.count:,}", name_of(value.value) if name_of else "") for value in counted]
    if not prefix:
        items.append({"text": "* ", "label": "*", "hint": str(_("has a value"))})
    return items


def _value(value: str, hint: str, name: str = "") -> Json:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    text = value if _PLAIN.fullmatch(value) and value.lower() not in ("and", "or", "not") else f'"{escaped}"'
    label = f"{value} · {name}" if name and name != value else value
    return {"text": f"{text} ", "label": label[:120], "hint": hint}


def _pattern(prefix: str) -> str:
    """Return Lucene's regular expression of what begins with a text in any case."""
    parts = []
    for letter in prefix:
        low, high = letter.lower(), letter.upper()
        if low != high and len(low) == len(high) == 1:
            parts.append(f"[{low}{high}]")
        else:
            parts.append(_SPECIAL.sub(r"\\\1", letter))
    return "".join(parts) + ".*"

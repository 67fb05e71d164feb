"""Forms that work without a script: what "Add filter" and "Last n hours" send becomes an address of the page."""

from __future__ import annotations

from django.http import QueryDict

from imweb.web.listing.state import ListState


def meant(query: QueryDict, state: ListState) -> str:
    """Return the address that a form without a script meant, an empty text when the address is one already."""
    if "add" in query:
        name, value = query.get("add", ""), query.get("value", "").strip()
        operator = query.get("op", "is")
        if operator in ("any", "none"):
            value = "*"
        if not name or not value:
            return state.fresh().url
        return state.toggled(name, value, exclude=operator in ("not", "none")).url
    if "last" in query:
        number, unit = query.get("last", "").strip(), query.get("unit", "h")
        if number.isdecimal() and unit in ("m", "h", "d", "w"):
            return state.fresh(start=f"now-{int(number)}{unit}", end="now").url
        return state.fresh().url
    return ""

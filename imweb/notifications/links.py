"""The address of an object's page, for those who read of it elsewhere."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings


def link_to(key: str) -> str:
    """Return the address of the page of an incident or group; a path alone without `IM_PUBLIC_URL`."""
    kind, _slash, object_id = key.partition("/")
    folder = "aggregations" if kind == "aggregation" else "incidents"
    return f"{settings.IM_PUBLIC_URL}/{folder}/{quote(object_id, safe='')}/"

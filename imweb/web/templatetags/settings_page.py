"""What templates of settings pages need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.dateparse import parse_datetime

from imweb.configuration.models import Change
from imweb.web.settings_pages import told
from imweb.web.settings_pages.base import said as said_value

register = template.Library()


@register.filter
def lookup(found: Any, key: Any) -> Any:
    """Return a mapping's value under a key that stands in a variable, None when it has none."""
    return found.get(key) if isinstance(found, Mapping) else None


@register.filter
def said(value: Any) -> str:
    """Return a setting's value as a person reads it."""
    return said_value(value)


@register.filter
def called(change: Change) -> str:
    """Return what people call the object of a recorded change."""
    return told.called(change)


@register.filter
def in_words(change: Change) -> str:
    """Return what a recorded change did, as one line."""
    return told.in_words(change)


@register.filter
def as_lines(value: Any) -> str:
    """Return a list as the lines of a text area."""
    return "\n".join(str(item) for item in value or ())


@register.filter
def moment(value: str) -> datetime | None:
    """Return a stored time as one that can be formatted."""
    return parse_datetime(value) if value else None


@register.filter
def pretty(value: Any) -> str:
    """Return a stored value as indented JSON, a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)

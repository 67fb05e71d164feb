"""What the templates of the incident list need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

from imweb.web.listing.drawing import draw
from imweb.web.listing.rows import Row

register = template.Library()


@register.simple_tag(takes_context=True)
def draw_rows(context: Context, rows: Sequence[Row], group: str = "", tickable: bool = False) -> SafeString:
    """Return rows as lines of the table; those of an opened `group` have ticks only where they are `tickable`."""
    may_bulk = bool(context.get("may_bulk"))
    lines = [draw(row, may_bulk=may_bulk, group=group, tickable=tickable) for row in rows]
    return mark_safe("".join(lines))  # noqa: S308 - joined of escaped lines


@register.simple_tag(takes_context=True)
def draw_row(context: Context, row: Row) -> Any:
    """Return one row of the list as it stands alone."""
    return draw_rows(context, [row])

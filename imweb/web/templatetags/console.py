"""What templates of the console need: icons, avatars, hostile text made visible, times."""

from __future__ import annotations

import html
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.web import text

register = template.Library()

SPRITE = "vendor/oui-1.24.2/icons.svg"
MINUTE, HOUR, DAY = 60, 3600, 86_400


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, size: int = 16, css: str = "", label: str = "") -> SafeString:
    """Return an icon of OUI's; without a label it is decoration, which a screen reader passes over."""
    role = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="im-icon{}" width="{}" height="{}" {}><use href="{}#{}"></use></svg>',
        f" {css}" if css else "",
        size,
        size,
        role,
        static(SPRITE),
        name,
    )


@register.simple_tag
@lru_cache(maxsize=1024)
def avatar(name: str, initials: str = "", big: bool = False) -> SafeString:
    """Return the round mark of a person; its colour always stays with the name."""
    if not initials:
        words = name.replace(".", " ").replace("_", " ").replace("-", " ").split()
        initials = "".join(word[0] for word in words[:2]).upper() or "?"
    hue = zlib.crc32(name.encode("utf-8", "replace")) % 6
    return format_html(
        '<span class="im-avatar{}" data-h="{}" aria-hidden="true">{}</span>', " is-big" if big else "", hue, initials
    )


@register.filter
def visible(value: Any) -> SafeString:
    """Return a text as HTML with control characters and direction overrides spelled out."""
    raw = "" if value is None else str(value)
    if raw.isascii() and raw.isprintable():
        # What conditional_escape does with a plain text, without the detours that it takes for all others.
        return SafeString(html.escape(raw)) if type(raw) is str else conditional_escape(raw)
    shown = format_html_join(
        "",
        "{}",
        (
            (format_html('<span class="im-esc">{}</span>', piece) if escaped else piece,)
            for escaped, piece in text.pieces(raw)
        ),
    )
    return format_html("<bdi>{}</bdi>", shown) if text.has_right_to_left(raw) else shown


@register.filter
def plain(value: Any) -> str:
    """Return a text for an attribute or a title, with what cannot be seen spelled out."""
    return text.plain("" if value is None else str(value))


@register.filter
def clip(value: Any, limit: int = 160) -> str:
    """Cut a text; a page never carries ten thousand characters that nobody sees."""
    return text.clip("" if value is None else str(value), limit)


@register.filter
def sentence(value: Any) -> str:
    """Return a reason as a sentence of its own; behind a field's name, as scripts get it, it begins in lower case."""
    raw = "" if value is None else str(value)
    return raw[:1].upper() + raw[1:] + ("" if raw.endswith((".", "?", "!")) or not raw else ".")


@register.filter
def folded(value: Any, limit: int = 400) -> SafeString:
    """Return a text that folds when it is longer than the limit; it opens without a script."""
    raw = "" if value is None else str(value)
    if len(raw) <= limit:
        return visible(raw)
    more = ngettext("show all %(n)s character", "show all %(n)s characters", len(raw)) % {"n": f"{len(raw):,}"}
    return format_html(
        '<details class="im-long"><summary data-more="{}">{}…</summary><div>{}</div></details>',
        more,
        visible(raw[: limit // 2]),
        visible(raw),
    )


@register.filter
def thousands(value: Any) -> str:
    """Return a number with separators."""
    return f"{int(value):,}" if value is not None else "—"


@register.filter
def change(value: int) -> str:
    """Return a difference with its sign; nothing changed is `±0`."""
    return f"+{value:,}" if value > 0 else f"−{-value:,}" if value else "±0"


@register.filter
def caret(value: str, position: int) -> str:
    """Return the text around a position, and a caret below the character that stands there."""
    start = max(0, position - 60)
    line = text.plain(value[start : position + 40].replace("\n", " ").replace("\t", " "))
    return f"{line}\n{' ' * (position - start)}^"


@register.filter
def span(seconds: float | None) -> str:
    """Return a duration in seconds as people say it: 17 s, 4 min, 3 h, 12 d."""
    if seconds is None:
        return ""
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return _("%(n)s s") % {"n": whole}
    if whole < HOUR:
        return _("%(n)s min") % {"n": whole // MINUTE}
    if whole < 2 * DAY:
        return _("%(n)s h") % {"n": whole // HOUR}
    return _("%(n)s d") % {"n": whole // DAY}


@register.filter
def instant(millis: float | None) -> datetime | None:
    """Return epoch milliseconds as a date, which the `date` filter shows in the user's time zone."""
    return None if millis is None else datetime.fromtimestamp(millis / 1000, tz=UTC)

"""A row of the list as HTML: written here and not in a template, which took most of a page's time (7 ms of 25 rows)."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from imweb.web.listing.rows import Row
from imweb.web.templatetags.console import avatar, clip, icon, plain, span, visible


def draw(row: Row, *, may_bulk: bool, group: str = "", tickable: bool = False) -> SafeString:
    """Return a row as a line of the table; one of an opened `group` is marked as its member.

    Whatever comes from documents passes `_text` or `_attribute`, which escape it.
    """
    member = f' class="im-member" data-of="{_attribute(group, 300)}"' if group else ""
    cells = [
        _tick(row, with_box=not group or tickable) if may_bulk else "",
        _severity(row),
        _time(row),
        f'<td class="im-c-title"><div class="im-two">{_line(row)}{_sub(row)}</div></td>',
        *(f'<td class="im-c-field" title="{_attribute(cell, 300)}">{_text(cell, 80)}</td>' for cell in row.cells),
        _status(row),
        _reviewer(row),
    ]
    key = escape(row.key)
    return mark_safe(f'<tr data-key="{key}" data-rev="{row.rev}"{member}>{"".join(cells)}</tr>\n')  # noqa: S308 - escaped


def _text(value: str, limit: int) -> str:
    return visible(clip(value, limit))


def _attribute(value: str, limit: int) -> str:
    return escape(plain(clip(value, limit)))


def _tick(row: Row, *, with_box: bool) -> str:
    if not with_box:
        return '<td class="im-c-tick"></td>'
    label = escape(_("Tick %(title)s") % {"title": plain(clip(row.title, 80))})
    # Without a script the form of the change takes the boxes themselves.
    sent = 'name="tick" form="bulk-form"'
    box = f'<input type="checkbox" data-tick {sent} value="{escape(row.key)}" aria-label="{label}">'
    return f'<td class="im-c-tick"><label>{box}</label></td>'


def _severity(row: Row) -> str:
    dot = f'<i class="im-dot" data-sev="{escape(row.severity.name)}"></i>'
    return f'<td class="im-c-sev">{dot}{_text(row.severity.label, 20)}</td>'


def _time(row: Row) -> str:
    try:
        moment = datetime.fromtimestamp(row.at_ms / 1000, tz=UTC).astimezone(timezone.get_current_timezone())
        local, full = moment.isoformat(), f"{moment:%Y-%m-%d %H:%M:%S %Z}"
    except (OverflowError, ValueError, OSError):
        # As `clock` shows it: a year that no calendar here knows.
        local = full = ""
    age, late = span(row.age), f"{icon('clock', 10)} {_('overdue')}"
    if row.hour:
        shown = f'<span class="im-late">{late}</span>' if row.late else age
        small = f"<small>{escape(row.hour)} · {shown}</small>"
    else:
        small = f'<small class="im-late">{late}</small>' if row.late else f"<small>{age}</small>"
    time = f'<time datetime="{local}" title="{escape(full)}">{escape(row.clock)}</time>'
    return f'<td class="im-c-time">{time}{small}</td>'


def _line(row: Row) -> str:
    """Return the title between what opens a group and what says how it was done."""
    fresh = ' class="im-fresh"' if row.fresh else ""
    url = escape(row.url)
    parts = [
        _count(row) if row.count is not None else "",
        f'<a{fresh} href="{url}" data-open="{escape(row.key)}" data-card="{url}" title="{_attribute(row.title, 300)}">',
        f"{_text(row.title, 200)}</a>",
        *(f"<code>{_text(technique, 16)}</code>" for technique in row.techniques),
        f'<span class="im-more">+{row.more_techniques}</span>' if row.more_techniques else "",
    ]
    if row.similar:
        label = escape(row.similar.label)
        way = f'href="{escape(row.similar.url)}" title="{label}" aria-label="{label}"'
        parts.append(f'<a class="im-similar" {way} hx-boost="true" hx-target="#view">{icon("filter", 14)}</a>')
    return f'<div class="im-line">{"".join(parts)}</div>'


def _count(row: Row) -> str:
    url = escape(row.members_url)
    swap = f'hx-get="{url}" hx-target="closest tr" hx-swap="afterend" hx-push-url="false"'
    label = escape(_("%(n)s incidents, show them here") % {"n": row.count})
    return (
        f'<a class="im-count" href="{url}" {swap} data-members="{escape(row.id)}" aria-expanded="false"'
        f' title="{escape(_("Show its incidents here"))}" aria-label="{label}">'
        f"{icon('arrow-right', 10)}{row.count:,}</a>"
    )


def _sub(row: Row) -> str:
    """Return what decides without opening: where, who, what ran, how the same ended before."""
    parts = []
    if row.hosts:
        parts.append(f'<span class="im-host">{_text(row.hosts, 60)}</span>')
    if row.user:
        parts.append(f"<span>{_text(row.user, 60)}</span>")
    if row.facts:
        parts.append(f"<span>{_text(row.facts, 120)}</span>")
    if row.rule:
        parts.append(f'<span class="im-cmd">{_("Rule")} “{_text(row.rule, 80)}”</span>')
    if row.command:
        parts.append(f'<span class="im-cmd" title="{_attribute(row.command, 500)}">{_text(row.command, 160)}</span>')
    if row.seen:
        parts.append(f'<span class="im-seen">{escape(row.seen)}</span>')
    return f'<div class="im-sub">{"".join(parts)}</div>'


def _status(row: Row) -> str:
    ended = " data-terminal" if row.status.terminal else ""
    mark = f'<span class="im-status" data-st="{escape(row.status.name)}"{ended}>{_text(row.status.label, 40)}</span>'
    if "status" in row.acts:
        mark = _act(row, "status", _("Set the status"), mark)
    return f'<td class="im-c-st">{mark}</td>'


def _reviewer(row: Row) -> str:
    if row.reviewer:
        return f'<td class="im-c-rev">{avatar(row.reviewer)}{_text(row.reviewer, 40)}</td>'
    none = f'<span class="im-none" title="{escape(_("Nobody"))}">—</span>'
    if "assign" in row.acts:
        none = _act(row, "assign", _("Assign to me"), f'{none}<span class="im-take">{escape(_("Take"))}</span>')
    return f'<td class="im-c-rev">{none}</td>'


def _act(row: Row, act: str, label: str, inner: str) -> str:
    """Return a way to change a row by mouse; who works by keyboard has keys and the card, not two more stops a row."""
    shown = f'title="{escape(label)}" aria-label="{escape(label)}: {_attribute(row.title, 80)}"'
    return f'<a class="im-set" href="{escape(row.url)}key/{act}" data-act="{act}" tabindex="-1" {shown}>{inner}</a>'

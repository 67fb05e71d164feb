"""History entries as sentences: who did what, old value and new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from imweb.incidents.fields import Registry
from imweb.incidents.history import Entry
from imweb.web.card.events import scalar
from imweb.web.card.markdown import render

Labels = Mapping[str, Callable[[str], str]]
LONG = 120


@dataclass(frozen=True, slots=True)
class Changed:
    """One field of an entry; long texts are named without their values."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Line:
    """One entry."""

    user: str
    at: datetime | None
    verb: str
    changed: list[Changed]
    comment: SafeString | str
    kind: str = "edit"
    # The change that its author can take back still, an empty text for what stays.
    undo: str = ""


def lines(entries: Sequence[Entry], registry: Registry, labels: Labels) -> list[Line]:
    """Return entries as lines, in their order."""
    verbs = {"create": _("created it"), "undo": _("took back"), "delete": _("deleted it"), "comment": _("commented")}
    return [
        Line(
            entry.user,
            parse_datetime(entry.time),
            verbs.get(entry.type, _("set")),
            [_changed(item, registry, labels) for item in entry.edited],
            render(entry.comment) if entry.comment else "",
            entry.type,
        )
        for entry in entries
    ]


def _changed(item: Mapping[str, Any], registry: Registry, labels: Labels) -> Changed:
    name = str(item.get("fieldName", ""))
    known = registry.get(name)
    old, new = (shown(name, item.get(part), labels) for part in ("oldValue", "newValue"))
    return Changed(known.label if known else name, old, new)


def shown(name: str, value: Any, labels: Labels) -> str:
    """Return a stored value as people read it; nothing is an empty text."""
    if value is None or value == "":
        return ""
    if isinstance(value, list):
        return ", ".join(shown(name, part, labels) for part in value)
    word = labels[name](str(value)) if name in labels else scalar(value)
    return word if len(word) <= LONG else word[: LONG - 1] + "…"

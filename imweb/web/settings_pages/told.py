"""A recorded change of settings as one line: what it was and what it became."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from imweb.configuration.models import Change
from imweb.web.settings_pages.base import said


def in_words(change: Change) -> str:
    """Return what a change did to its object, field by field; empty where its action says everything."""
    match change.old, change.new:
        case _old, list(new) if change.action == "reordered":
            return ", ".join(str(name) for name in new)
        case list(old), list(new) if all(isinstance(item, dict) and "name" in item for item in (*old, *new)):
            return _whole(old, new)
        case dict(old), dict(new):
            names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            return "; ".join(f"{name.replace('_', ' ')}: {_became(old.get(name), new.get(name))}" for name in names)
    return ""


def _became(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        return ", ".join(_gone_and_come(old, new)) or _("another order")
    return f"{said(old)} → {said(new)}"


def _whole(old: Sequence[Any], new: Sequence[Any]) -> str:
    before = {item["name"]: item for item in old}
    after = {item["name"]: item for item in new}
    parts = _gone_and_come(list(before), list(after))
    for name, item in after.items():
        former = before.get(name, item)
        parts += [
            f"{name} {key}: {_became(former.get(key), item[key])}" for key in item if item[key] != former.get(key)
        ]
    return "; ".join(parts) or _("another order")


def _gone_and_come(old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    gone, come = [item for item in old if item not in new], [item for item in new if item not in old]
    return [f"{sign} {said(items)}" for sign, items in (("−", gone), ("+", come)) if items]

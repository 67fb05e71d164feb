"""A recorded change of settings as one line: what it was and what it became."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from imweb.configuration.models import Change, Entry
from imweb.web.settings_pages.base import said


def called(change: Change) -> str:
    """Return what people call the object of a change: its title as it became, its system name where it has none."""
    return next((title for held in (change.new, change.old) if (title := _title(held))), change.name)


def titles(kind: str, names: Sequence[str]) -> dict[str, str]:
    """Return what people call these objects of a kind by their names, those too that were removed since."""
    made = Change.objects.filter(kind=kind, name__in=names).order_by("pk").only("name", "old", "new")
    standing = Entry.objects.filter(kind=kind, name__in=names)
    found = {change.name: called(change) for change in made}
    return found | {entry.name: _title(entry.data) or entry.name for entry in standing}


def in_words(change: Change, known: Callable[[str, Sequence[str]], Mapping[str, str]] = titles) -> str:
    """Return what a change did to its object, field by field; empty where its action says everything.

    `known` finds the titles of a kind's objects where the change itself holds names alone.
    """
    match change.old, change.new:
        case _old, list(new) if change.action == "reordered":
            title_of = known(change.kind, new)
            return _order(title_of.get(name, str(name)) for name in new)
        case list(old), list(new) if all(isinstance(item, dict) and "name" in item for item in (*old, *new)):
            return _whole(old, new)
        case dict(old), dict(new):
            names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            # Some statuses stand in one version alone; one called otherwise now is called so in both.
            statuses = [*old.get("statuses", ()), *new.get("statuses", ())]
            title_of = {status["name"]: _title(status) for status in statuses}
            old, new = _with_titles(old, title_of), _with_titles(new, title_of)
            return "; ".join(f"{name.replace('_', ' ')}: {_became(old.get(name), new.get(name))}" for name in names)
    return ""


def _with_titles(held: dict[str, Any], title_of: Mapping[str, str]) -> dict[str, Any]:
    """Return an object whose steps lead from one title to another."""
    ends = ("source", "target")
    steps = [step | {end: title_of.get(step[end], step[end]) for end in ends} for step in held.get("transitions", ())]
    return {**held, "transitions": steps}


def _became(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        return ", ".join(_gone_and_come(old, new)) or _("another order")
    return f"{said(old)} → {said(new)}"


def _whole(old: Sequence[Any], new: Sequence[Any]) -> str:
    before = {item["name"]: item for item in old}
    after = {item["name"]: item for item in new}
    gone = [_title(item) for name, item in before.items() if name not in after]
    come = [_title(item) for name, item in after.items() if name not in before]
    parts = _signed(gone, come)
    edited = {
        name: {key: _became(before[name].get(key), item[key]) for key in item if item[key] != before[name].get(key)}
        for name, item in after.items()
        if name in before
    }
    # Ranks that are dealt anew are an order.
    moved = {key for keys in edited.values() for key in keys} <= {"rank"}
    if not parts and moved and [item["name"] for item in _ranked(old)] != [item["name"] for item in _ranked(new)]:
        return _order(_title(item) for item in _ranked(new))
    parts += [f"{_title(after[name])} {key}: {became}" for name, keys in edited.items() for key, became in keys.items()]
    return "; ".join(parts)


def _ranked(items: Sequence[Any]) -> Sequence[Any]:
    """Return objects in the order that they have: the worst first where they have ranks, else as they stand."""
    return sorted(items, key=lambda item: -item["rank"]) if all("rank" in item for item in items) else items


def _order(names: Iterable[str]) -> str:
    return _("order: %(names)s") % {"names": ", ".join(names)}


def _title(held: Any) -> str:
    """Return what people call an object as it is stored."""
    return str(held.get("label") or held.get("title") or held.get("name") or "") if isinstance(held, Mapping) else ""


def _gone_and_come(old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    return _signed([item for item in old if item not in new], [item for item in new if item not in old])


def _signed(gone: Sequence[Any], come: Sequence[Any]) -> list[str]:
    return [f"{sign} {said(items)}" for sign, items in (("−", gone), ("+", come)) if items]

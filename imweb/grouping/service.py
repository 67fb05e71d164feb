"""Grouping rules as administrators change them: checked against the live fields, then the engine looks anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.configuration.store import Item
from imweb.errors import Detail, ImError, NotFound, ValidationFailed
from imweb.grouping import tail
from imweb.grouping.engine import READER
from imweb.grouping.figures import unusable
from imweb.grouping.freshening import ask_for_rule
from imweb.grouping.models import Waiting
from imweb.grouping.ready import clause_of
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents.editing.holding import now_ms
from imweb.incidents.registry import registry
from imweb.incidents.severities import severities

Json = dict[str, Any]
log = logging.getLogger(__name__)
# What changes how a group reads, but not which incidents are in it.
_WORDS = frozenset({"title", "functions", "additional", "group_title", "group_description", "severity", "reviewer"})


def check(rule: GroupingRule) -> list[Detail]:
    """Return what is wrong with a rule as things stand: its filter, its fields, its severity, its reviewer."""
    known = registry()
    faults: list[Detail] = []
    try:
        clause_of(rule, known, now_ms())
    except ImError as error:
        faults += [Detail("filter", detail.reason, detail.extra) for detail in error.details] or [
            Detail("filter", error.reason)
        ]
    faults += [Detail(name, reason) for name, reason in unusable(rule, known)]
    levels = [level.name for level in severities()]
    if rule.severity not in ("highest", *levels):
        faults.append(Detail("severity", f"'highest', or one of the levels {', '.join(levels)}"))
    if rule.reviewer and not User.objects.filter(username=rule.reviewer, is_active=True).exists():
        faults.append(Detail("reviewer", f"there is no user named '{rule.reviewer}'"))
    return faults


def save_rule(data: Mapping[str, Any], *, by: str, revision: int | None = None) -> Item[GroupingRule]:
    """Create or change a rule; raises `ValidationFailed` with every fault, `VersionConflict` with both values."""
    rule = RULES.parse(data)
    if faults := check(rule):
        raise ValidationFailed.of(faults)
    old = _standing(rule.name)
    item = store.save(RULES, data, by=by, revision=revision)
    look_anew(old, item.value)
    return item


def remove_rule(name: str, *, by: str, revision: int | None = None) -> None:
    """Remove a rule; its groups stay as they are. Raises `NotFound`, `VersionConflict`."""
    store.remove(RULES, name, by=by, revision=revision)
    Waiting.objects.filter(rule=name).delete()
    look_anew(None, None)


def reorder_rules(names: Sequence[str], *, by: str) -> None:
    """Put the rules into this order, each named once; what is in a group stays there."""
    store.reorder(RULES, names, by=by)
    look_anew(None, None)


def undo_rule(name: str, *, by: str) -> Item[GroupingRule] | None:
    """Take back the last change of a rule; returns what stands now, None when it is gone again."""
    old = _standing(name)
    item = store.undo(RULES, name, by=by)
    look_anew(old, item.value if item else None)
    return item


def look_anew(old: GroupingRule | None, new: GroupingRule | None) -> None:
    """Have the engine look at what is already there, as far back as the rules say."""
    changed = _changed(old, new)
    if new is not None and changed & _WORDS:
        ask_for_rule(new.name)
    if old is None or new is None or changed - _WORDS:
        tail.forget(READER)
    nudge()


def nudge() -> None:
    """Ask a worker to group now; without Redis beat does it later."""
    from imweb.grouping.tasks import run_grouping

    try:
        run_grouping.apply_async(retry=False)
    except Exception as error:  # kombu's errors are those of every transport
        log.warning("grouping could not be handed to a worker: %s", error)


def _standing(name: str) -> GroupingRule | None:
    try:
        return store.get(RULES, name, fresh=True).value
    except NotFound:
        return None


def _changed(old: GroupingRule | None, new: GroupingRule | None) -> set[str]:
    before, after = (rule.model_dump() if rule else {} for rule in (old, new))
    return {name for name in before | after if before.get(name) != after.get(name)}

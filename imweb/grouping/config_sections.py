"""Grouping rules in a configuration file."""

from __future__ import annotations

from collections.abc import Sequence

from imweb.configuration.sections import about, of_kind, register
from imweb.errors import Detail
from imweb.grouping import service
from imweb.grouping.models import Waiting
from imweb.grouping.rules import RULES, GroupingRule


def _check(found: Sequence[GroupingRule]) -> list[Detail]:
    return [about(rule.name, fault) for rule in found for fault in service.check(rule)]


def _look_anew(before: Sequence[GroupingRule], now: Sequence[GroupingRule]) -> str:
    old = {rule.name: rule for rule in before}
    gone = set(old) - {rule.name for rule in now}
    Waiting.objects.filter(rule__in=gone).delete()
    for rule in now:
        if rule != old.get(rule.name):
            service.look_anew(old.get(rule.name), rule)
    if gone or [rule.name for rule in before] != [rule.name for rule in now]:
        service.look_anew(None, None)
    return ""


register(
    of_kind(
        "grouping_rules",
        "Grouping rules",
        RULES,
        after=("custom_fields", "severities", "access_fields"),
        check=_check,
        finish=_look_anew,
    )
)

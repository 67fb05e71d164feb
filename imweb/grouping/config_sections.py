"""Grouping rules in a configuration file."""

from __future__ import annotations

from collections.abc import Sequence

from imweb.configuration.sections import about, of_kind, register
from imweb.errors import Detail
from imweb.grouping import service
from imweb.grouping.rules import RULES, GroupingRule


def _check(found: Sequence[GroupingRule]) -> list[Detail]:
    return [about(rule.name, fault) for rule in found for fault in service.check(rule)]


def _look_anew() -> str:
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

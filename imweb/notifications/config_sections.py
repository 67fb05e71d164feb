"""Notification rules in a configuration file; of a webhook's secret it holds the variable's name alone."""

from __future__ import annotations

from collections.abc import Sequence

from imweb.configuration.sections import about, of_kind, register
from imweb.errors import Detail
from imweb.notifications.rules import RULES, NotificationRule, filter_faults


def _check(found: Sequence[NotificationRule]) -> list[Detail]:
    return [about(rule.name, fault) for rule in found for fault in filter_faults(rule)]


register(of_kind("notifications", "Notification rules", RULES, check=_check))

"""Notification rules in a configuration file; of a webhook's secret it holds the variable's name alone."""

from __future__ import annotations

from collections.abc import Sequence

from imweb.configuration.sections import about, of_kind, register
from imweb.errors import Detail
from imweb.notifications.rules import RULES, NotificationRule, filter_faults, role_faults, unknown_users


def _check(found: Sequence[NotificationRule]) -> list[Detail]:
    return [about(rule.name, fault) for rule in found for fault in (*filter_faults(rule), *role_faults(rule))]


def _warn(_before: Sequence[NotificationRule], now: Sequence[NotificationRule]) -> str:
    # Users are no configuration: they may be made later, and a rule that names them is no fault.
    unknown = sorted({name for rule in now for name in unknown_users(rule)})
    return f"notification rules name users who may not sign in here: {', '.join(unknown)}" if unknown else ""


register(
    of_kind(
        "notifications",
        "Notification rules",
        RULES,
        after=("custom_fields", "severities", "access_fields", "roles"),
        check=_check,
        finish=_warn,
    )
)

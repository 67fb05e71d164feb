"""Notification rules: which events of which incidents are told, to whom, and by what channel."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from imweb.accounts.models import Role, User
from imweb.configuration import Kind, store
from imweb.configuration.kinds import Definition
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import registry
from imweb.incidents.params import text_clause
from imweb.notifications.addresses import url_fault

EventName = Literal["new_incident", "new_group", "status", "assignment", "mention"]
Channel = Literal["console", "email", "webhook"]
EVENTS: tuple[EventName, ...] = ("new_incident", "new_group", "status", "assignment", "mention")
# Those of which one bulk change makes very many.
EDITS: frozenset[EventName] = frozenset({"status", "assignment"})
MAX_RULES = 200
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
# Of our own settings none is a receiver's secret, so a rule cannot name them.
SECRET_NAME = re.compile(r"IM_NOTIFY_SECRET_[A-Z0-9_]{1,60}")
Json = dict[str, Any]


class NotificationRule(Definition):
    """A rule as an administrator defines it; `filter` is a search text, an empty one means everything."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=120)
    enabled: bool = True
    filter: str = Field(default="", max_length=4_000)
    events: tuple[EventName, ...] = Field(min_length=1)
    channel: Channel
    # Console and e-mail: those concerned are whom a comment mentions, and the reviewer of what changes.
    concerned: bool = False
    users: tuple[str, ...] = Field(default=(), max_length=200)
    roles: tuple[str, ...] = Field(default=(), max_length=50)
    # E-mail: 0 sends one for each event, else one for all events of so many minutes.
    digest_minutes: int = Field(default=0, ge=0, le=7 * 24 * 60)
    # Webhook: the secret that signs stands in an environment variable of the workers.
    url: str = Field(default="", max_length=2_000)
    secret_env: str = Field(default="", max_length=80)

    @field_validator("events", "users", "roles")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _fits_channel(self) -> NotificationRule:
        if self.channel == "webhook":
            if fault := url_fault(self.url):
                raise ValueError(f"url: {fault}")
            if not SECRET_NAME.fullmatch(self.secret_env):
                raise ValueError(
                    "secret_env: the name of an environment variable that begins with IM_NOTIFY_SECRET_,"
                    " then capital letters, digits and underscores"
                )
            if self.concerned or self.users or self.roles:
                raise ValueError("users: a webhook has no recipients besides its address")
        else:
            if not (self.concerned or self.users or self.roles):
                raise ValueError("users: name users or roles, or tick those concerned")
            if self.url or self.secret_env:
                raise ValueError("url: only a webhook has an address and a secret")
        if self.digest_minutes and self.channel != "email":
            raise ValueError("digest_minutes: only e-mails are gathered into a digest")
        return self


def defaults() -> list[NotificationRule]:
    """Return what holds until somebody changes it: the console tells those concerned."""
    return [
        NotificationRule(
            name="concerns-me",
            title="Assignments and mentions",
            events=("assignment", "mention"),
            channel="console",
            concerned=True,
        )
    ]


def check_rules(rules: Sequence[NotificationRule]) -> list[Detail]:
    """Return what keeps rules from working together."""
    if len(rules) > MAX_RULES:
        return [Detail("rules", f"at most {MAX_RULES} notification rules")]
    return []


RULES: Kind[NotificationRule] = Kind("notification_rule", NotificationRule, defaults, check_rules, "notification rule")


def clause_of(rule: NotificationRule) -> Json | None:
    """Return the clause of a rule's filter, None when it matches everything; raises `ValidationFailed`."""
    now_ms = time.time_ns() // 1_000_000
    return text_clause(rule.filter, registry.registry(), now_ms=now_ms, tz=UTC)


def faults_of(rule: NotificationRule) -> list[Detail]:
    """Return what is wrong with a rule besides its form: fields, users and roles that do not exist."""
    unknown = [Detail("users", f"there is no user “{name}” who may sign in") for name in unknown_users(rule)]
    return [*filter_faults(rule), *unknown, *role_faults(rule)]


def unknown_users(rule: NotificationRule) -> list[str]:
    """Return the recipients of a rule who do not exist or may not sign in."""
    known = set(User.objects.filter(username__in=rule.users, is_active=True).values_list("username", flat=True))
    return [name for name in rule.users if name not in known]


def role_faults(rule: NotificationRule) -> list[Detail]:
    """Return the roles of a rule that do not exist, as faults."""
    held = set(Role.objects.filter(name__in=rule.roles).values_list("name", flat=True))
    return [Detail("roles", f"there is no role “{name}”") for name in rule.roles if name not in held]


def filter_faults(rule: NotificationRule) -> list[Detail]:
    """Return what is wrong with a rule's filter, each with its place in the text."""
    try:
        clause_of(rule)
    except ValidationFailed as error:
        return [Detail("filter", detail.reason, detail.extra) for detail in error.details]
    return []


def save(data: Json, *, by: str, revision: int) -> store.Item[NotificationRule]:
    """Create or change a rule; raises `ValidationFailed` with every fault, `VersionConflict`."""
    rule = RULES.parse(data)
    if faults := faults_of(rule):
        raise ValidationFailed.of(faults)
    return store.save(RULES, data, by=by, revision=revision)

"""The form of a notification rule: what was typed as a definition's data, and what stands beside it before saving."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imweb.accounts.models import Role
from imweb.errors import Detail, ImError, ValidationFailed
from imweb.notifications.rules import EVENTS, RULES, NotificationRule, faults_of
from imweb.notifications.trying import Preview, preview
from imweb.web.settings_pages.base import KindSource, lines_of

SOURCE = KindSource(RULES)
EVENT_LABELS: dict[str, Promise | str] = {
    "new_incident": gettext_lazy("New incident"),
    "new_group": gettext_lazy("New group"),
    "status": gettext_lazy("Status changed"),
    "assignment": gettext_lazy("Assigned"),
    "mention": gettext_lazy("Mentioned in a comment"),
}
CHANNELS: dict[str, tuple[Promise | str, Promise | str]] = {
    "console": (gettext_lazy("Console"), gettext_lazy("the bell at the top of every page")),
    "email": (gettext_lazy("E-mail"), gettext_lazy("one for each event, or a digest")),
    "webhook": (gettext_lazy("Webhook"), gettext_lazy("a signed POST to another program")),
}
DIGESTS: dict[int, Promise | str] = {
    0: gettext_lazy("one for each event"),
    15: gettext_lazy("a digest every 15 minutes"),
    60: gettext_lazy("a digest every hour"),
    480: gettext_lazy("a digest every 8 hours"),
    1440: gettext_lazy("a digest every day"),
}
LABELS: dict[str, str] = {
    "name": "System name",
    "title": "Title",
    "enabled": "On",
    "filter": "Filter",
    "events": "Events",
    "channel": "Channel",
    "concerned": "Those concerned",
    "users": "Users",
    "roles": "Roles",
    "digest_minutes": "E-mails",
    "url": "Address",
    "secret_env": "Secret",
}


@dataclass(slots=True)
class Check:
    """What saving would meet: faults with their places, and what the rule would have told."""

    text: str
    faults: list[Detail] = field(default_factory=list)
    preview: Preview | None = None
    down: str = ""
    hints: list[str] = field(default_factory=list)


def empty() -> dict[str, Any]:
    """Return a new rule's form."""
    return {
        "enabled": True,
        "events": ["new_incident"],
        "channel": "console",
        "concerned": False,
        "users": [],
        "roles": [],
        "secret_env": "",
        "digest_minutes": 0,
    }


def posted(data: QueryDict, name: str | None) -> dict[str, Any]:
    """Return what a form says, as a definition's data; what belongs to another channel is left out."""
    channel = data.get("channel", "")
    digest = data.get("digest_minutes", "0")
    found: dict[str, Any] = {
        "name": name or data.get("name", "").strip(),
        "title": data.get("title", "").strip(),
        "enabled": "enabled" in data,
        "filter": data.get("filter", "").strip(),
        "events": [event for event in data.getlist("events") if event],
        "channel": channel,
    }
    if channel == "webhook":
        return found | {"url": data.get("url", "").strip(), "secret_env": data.get("secret_env", "").strip()}
    found |= {
        "concerned": "concerned" in data,
        "users": lines_of(data.get("users", "").replace(",", "\n")),
        "roles": data.getlist("roles"),
    }
    if channel == "email":
        found["digest_minutes"] = int(digest) if digest.isdecimal() and len(digest) < 7 else digest
    return found


def check(values: dict[str, Any]) -> Check:
    """Return what stands beside the form as typed."""
    found = Check(str(values.get("filter", "")))
    draft = NotificationRule.model_construct(
        name="draft",
        title="draft",
        filter=found.text[:4_000],
        events=tuple(event for event in EVENTS if event in values.get("events", ())),
        users=tuple(str(name) for name in values.get("users", ())),
        roles=tuple(str(name) for name in values.get("roles", ())),
    )
    found.hints = _hints(values)
    found.faults = faults_of(draft)
    if any(fault.field == "filter" for fault in found.faults):
        return found
    try:
        found.preview = preview(draft)
    except ValidationFailed as error:
        found.faults = list(error.details)
    except ImError as error:
        found.down = error.reason
    return found


def _hints(values: dict[str, Any]) -> list[str]:
    found = []
    secret = str(values.get("secret_env", ""))
    if values.get("channel") == "webhook" and secret and not os.environ.get(secret):
        found.append(
            _("The web server does not have the variable %(name)s. What counts is that the workers do.")
            % {"name": secret}
        )
    if values.get("channel") == "email" and not settings.IM_EMAIL:
        found.append(_("No mail server is set: IM_EMAIL_URL names one. Until then e-mails wait and are then given up."))
    return found


def roles() -> list[Role]:
    """Return the roles that a rule can name."""
    return list(Role.objects.all())


def recipients(rule: NotificationRule) -> str:
    """Return in words whom a rule tells."""
    if rule.channel == "webhook":
        return rule.url
    parts = [_("those concerned")] if rule.concerned else []
    return ", ".join([*parts, *rule.users, *(_("role %(name)s") % {"name": name} for name in rule.roles)])

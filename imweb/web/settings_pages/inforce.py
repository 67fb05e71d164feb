"""The settings in force in this process, by the names of their variables; what is secret is never part of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from imweb import env

SECRET = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL")
# Named by the program's own code, not by settings: they hold the secrets of webhooks.
OF_WEBHOOKS = "IM_NOTIFY_SECRET_"
# Up to the last @: a password may hold slashes, commas and others.
_LOGIN = re.compile(r"(?<=//)\S*@")
_IN_QUERY = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]+", re.IGNORECASE)
_GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (_("Servers"), ("OPENSEARCH_", "REDIS_", "DATABASE_", "IM_INDEX_", "IM_REDIS_")),
    (_("Points in time"), ("IM_LEASE", "IM_PIT_")),
    (_("Notifications"), ("IM_NOTIFY_", "IM_EMAIL_", "IM_PUBLIC_")),
    (
        _("Sign-in and transport"),
        tuple(
            f"IM_{name}"
            for name in (
                *("ALLOWED_", "BEHIND_", "CSRF_", "DEBUG", "HSTS_", "INSECURE", "OIDC_", "PROXY_"),
                *("SECOND_", "SECRET_", "SESSION_", "SIGN_IN_", "SSL_"),
            )
        ),
    ),
)
_REST = _("Everything else")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it may be shown; `given` says that the environment set it, `secret` that its value is hidden."""

    name: str
    value: str
    given: bool
    secret: bool


def groups() -> list[tuple[str, list[Setting]]]:
    """Return the settings in force, by subject."""
    found: dict[str, list[Setting]] = {}
    for setting in _all():
        title = next((title for title, heads in _GROUPS if setting.name.startswith(heads)), _REST)
        found.setdefault(str(title), []).append(setting)
    return [
        (str(title), found[str(title)])
        for title in (*(title for title, _heads in _GROUPS), _REST)
        if str(title) in found
    ]


def shown(value: Any) -> str:
    """Return a value without the passwords that an address in it may carry."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    text = "" if value is None else str(value)
    return _IN_QUERY.sub(r"\1…", _LOGIN.sub("…@", text))


def _all() -> list[Setting]:
    names = {*env.asked, *(name for name in os.environ if name.startswith(OF_WEBHOOKS))}
    return [_setting(name) for name in sorted(names)]


def _setting(name: str) -> Setting:
    value, given = env.asked.get(name, ("", True))
    if SECRET.search(name):
        return Setting(name, "", given, True)
    if name == "DATABASE_URL":
        # The folder of the data may have chosen another than was asked for.
        return Setting(name, _database(), given, False)
    return Setting(name, shown(getattr(settings, name, value)), given, False)


def _database() -> str:
    database = settings.DATABASES["default"]
    engine = str(database["ENGINE"]).rpartition(".")[2]
    host = "".join(
        str(part) for part in (database.get("HOST", ""), database.get("PORT") and f":{database['PORT']}") if part
    )
    return f"{engine}://{host}/{database['NAME']}" if host else f"{engine}: {database['NAME']}"

"""The permissions that code asks for, and the three ready roles that hand them out."""

from __future__ import annotations

from typing import Final

VIEW: Final = "incident.view"
COMMENT: Final = "incident.comment"
ASSIGN_SELF: Final = "incident.assign_self"
ASSIGN: Final = "incident.assign"
TRANSITION: Final = "incident.transition"
REOPEN: Final = "incident.reopen"
SEVERITY: Final = "incident.severity"
FIELDS: Final = "incident.fields"
BULK: Final = "incident.bulk"
BULK_UNLIMITED: Final = "incident.bulk_unlimited"
CREATE: Final = "incident.create"
DELETE: Final = "incident.delete"
EXPORT: Final = "incident.export"
SHARE_VIEW: Final = "view.share"
TOKEN: Final = "token.own"  # noqa: S105 - the name of a permission
SETTINGS: Final = "settings.manage"
USERS: Final = "users.manage"
SYSTEM: Final = "system.view"
AUDIT: Final = "audit.view"

LABELS: dict[str, str] = {
    VIEW: "See incidents and groups",
    COMMENT: "Comment",
    ASSIGN_SELF: "Assign to oneself",
    ASSIGN: "Assign others",
    TRANSITION: "Make the workflow's steps and close with a verdict",
    REOPEN: "Reopen what is closed",
    SEVERITY: "Change severity",
    FIELDS: "Change other fields",
    BULK: "Change up to 500 at once",
    BULK_UNLIMITED: "Change any number at once",
    CREATE: "Create incidents",
    DELETE: "Delete incidents",
    EXPORT: "Export",
    SHARE_VIEW: "Share saved views",
    TOKEN: "Have API tokens",
    SETTINGS: "Manage fields, severities, workflows and grouping",
    USERS: "Manage users, roles and all tokens",
    SYSTEM: "See the system page",
    AUDIT: "Read the audit trail",
}
ALL: frozenset[str] = frozenset(LABELS)
ANALYST: frozenset[str] = frozenset({VIEW, COMMENT, ASSIGN_SELF, TRANSITION, BULK, EXPORT, TOKEN})
LEAD: frozenset[str] = ANALYST | {ASSIGN, SEVERITY, FIELDS, REOPEN, BULK_UNLIMITED, CREATE, SHARE_VIEW}
READY_ROLES: dict[str, tuple[str, frozenset[str]]] = {
    "analyst": ("Analyst", ANALYST),
    "lead": ("Team lead", LEAD),
    "admin": ("Administrator", ALL),
}

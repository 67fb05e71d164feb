"""What a bulk change may set, for this user: the form's fields, and the changes that were filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import Actor
from imweb.accounts.models import User
from imweb.incidents.access import access_fields
from imweb.incidents.models import CustomField
from imweb.incidents.severities import severities
from imweb.workflows import RESOLUTIONS, all_statuses

Json = dict[str, Any]
NOBODY = "-"
PREFIX = "set."


@dataclass(slots=True)
class Setting:
    """One field of the form; `type` is select, multiselect, number, text, area or datetime."""

    name: str
    label: str
    type: str
    options: list[tuple[str, str]] = field(default_factory=list)
    placeholder: str = ""
    values: list[str] = field(default_factory=list)
    fault: str = ""
    may_be_empty: bool = False
    empty: bool = False

    @property
    def parameter(self) -> str:
        """Return the name in the form."""
        return PREFIX + self.name

    @property
    def value(self) -> str:
        """Return what is filled in."""
        return self.values[0] if self.values else ""

    @property
    def shown(self) -> str:
        """Return what is filled in as a person reads it."""
        if self.empty:
            return _("empty")
        names = dict(self.options)
        return ", ".join(names.get(value, value) for value in self.values)

    @property
    def change(self) -> Any:
        """Return what is to be stored; a number that is none is left for the check to refuse."""
        if self.empty or (self.name == "reviewer" and self.value == NOBODY):
            return None
        if self.type == "multiselect":
            return self.values
        if self.type == "number":
            try:
                return float(self.value)
            except ValueError:
                return self.value
        return self.value

    @property
    def empty_parameter(self) -> str:
        """Return the name in the form of the wish to empty it."""
        return f"empty.{self.name}"

    def contradicts(self) -> bool:
        """Return whether it is to be filled in and emptied, and say so at the field."""
        if self.empty and self.values:
            self.fault = _("Either fill it in or empty it, not both.")
            return True
        return False


def settings_for(actor: Actor, custom: Sequence[CustomField], posted: QueryDict) -> list[Setting]:
    """Return the fields that the actor may change, with what is filled in."""
    possible = [*_core(actor), *(_custom(item) for item in custom if item.bulk_editable and actor.may(may.FIELDS))]
    # Access fields are never edited, and what is hidden does not exist.
    closed = {*access_fields(), *actor.hidden}
    found = [item for item in possible if item.name not in closed]
    for item in found:
        item.values = [text for value in posted.getlist(item.parameter) if (text := value.strip())]
        item.empty = item.may_be_empty and posted.get(item.empty_parameter) == "1"
    return found


def changes(settings: Sequence[Setting]) -> Json:
    """Return the body of the change: what is filled in or to be emptied, nothing else."""
    return {item.name: item.change for item in settings if item.values or item.empty}


def _core(actor: Actor) -> list[Setting]:
    found = []
    if actor.may(may.ASSIGN) or actor.may(may.ASSIGN_SELF):
        found.append(Setting("reviewer", _("Reviewer"), "select", _reviewers(actor)))
    if actor.may(may.TRANSITION):
        found.append(
            Setting("status", _("Status"), "select", [(status.name, status.title) for status in all_statuses()])
        )
    if actor.may(may.SEVERITY):
        found.append(
            Setting("severity", _("Severity"), "select", [(level.name, level.label) for level in severities()])
        )
    if actor.may(may.TRANSITION):
        found.append(Setting("resolution", _("Resolution"), "select", list(RESOLUTIONS.items())))
        found.append(Setting("resolution_note", _("Note on the resolution"), "text"))
    if actor.may(may.COMMENT):
        found.append(Setting("comment", _("Comment"), "area"))
    return found


def _reviewers(actor: Actor) -> list[tuple[str, str]]:
    me = [(actor.username, _("%(name)s (me)") % {"name": actor.username})]
    if not actor.may(may.ASSIGN):
        return me
    others = User.objects.filter(is_active=True, is_service=False).exclude(pk=actor.user_id).order_by("username")
    return [*me, (NOBODY, _("Nobody")), *((name, name) for name in others.values_list("username", flat=True)[:500])]


def _custom(item: CustomField) -> Setting:
    kinds = {"select": "select", "multiselect": "multiselect", "number": "number", "markdown": "area"}
    options = [(option, option) for option in item.options]
    kind = kinds.get(item.type, "text")
    if item.live_options and kind == "select":
        kind = "text"
    placeholder = item.placeholder or (_("2026-11-23T08:00Z") if item.type == "datetime" else "")
    return Setting(item.name, item.label, kind, options, placeholder, may_be_empty=True)

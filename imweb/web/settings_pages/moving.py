"""Incidents whose value of a field was taken out of the settings are moved to another one by a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.accounts.actor import Actor, actor_of
from imweb.errors import ImError, ValidationFailed
from imweb.incidents import jobs
from imweb.incidents.fields import CORE_FIELDS
from imweb.incidents.params import FieldFilter, Filters, StatisticsQuery
from imweb.web.page import PageRequest


def posted(request: PageRequest, gone: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Return where each value that goes away is moved to, as the form says; raises `ValidationFailed`."""
    mapping = {}
    for value in gone:
        target = request.POST.get(f"to.{value}", "")
        if target not in targets:
            raise ValidationFailed.field(f"to.{value}", _("choose one of %(names)s") % {"names": ", ".join(targets)})
        mapping[value] = target
    return mapping


def move(
    request: PageRequest, field: str, mapping: Mapping[str, str], *, only: Mapping[str, str] | None = None
) -> None:
    """Begin a job for each value that is moved, and tell on the next page how far it is.

    `only` narrows by other fields (a workflow's incidents). The settings stand already: what fails is said, not raised.
    """
    for value, target in mapping.items():
        change(request, {field: value, **(only or {})}, {field: target}, value, target)


def change(request: PageRequest, where: Mapping[str, str], changes: dict[str, str], value: str, target: str) -> None:
    """Begin one job; `value` and `target` are what the page says of it."""
    try:
        task = _begin(actor_of(request.user), where, changes)
    except ImError as error:
        text = _("Incidents with “%(value)s” are not moved yet: %(reason)s")
        messages.warning(request, text % {"value": value, "reason": error.reason})
        return
    done = task.counts["updated"]
    total = task.counts["matched"]
    if not task.finished:
        text = _("%(total)s with “%(value)s” are being moved to “%(target)s”; it goes on without this page.")
        messages.info(request, text % {"total": f"{total:,}", "value": value, "target": target})
    elif total:
        text = ngettext(
            "%(n)s incident or group moved from “%(value)s” to “%(target)s”.",
            "%(n)s incidents and groups moved from “%(value)s” to “%(target)s”.",
            done,
        )
        messages.success(request, text % {"n": f"{done:,}", "value": value, "target": target})
    if failed := task.counts["failed"]:
        text = _("%(n)s could not be moved: %(reason)s")
        messages.warning(request, text % {"n": f"{len(failed):,}", "reason": failed[0]["reason"]})


def _begin(actor: Actor, where: Mapping[str, str], changes: dict[str, str]) -> jobs.Task:
    fields = tuple(FieldFilter(CORE_FIELDS[name], "is", (value,)) for name, value in where.items())
    return jobs.bulk_matching(actor, StatisticsQuery(Filters(fields=fields)), None, changes)

"""Incidents whose value of a field was taken out of the settings are moved to another one by a job.

A move has a row of its own: it waits there while OpenSearch is away, and goes back with the change of settings.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.accounts.actor import actor_of
from imweb.configuration.models import Change
from imweb.errors import ImError, SearchTimeout, SearchUnavailable, TooManyPits, ValidationFailed, VersionConflict
from imweb.incidents import jobs
from imweb.incidents.fields import CORE_FIELDS
from imweb.incidents.models import Job
from imweb.incidents.params import FieldFilter, Filters, StatisticsQuery
from imweb.opensearch import gateway, schema
from imweb.web.models import SettingsMove
from imweb.web.page import PageRequest

log = logging.getLogger(__name__)
LATER = (SearchUnavailable, SearchTimeout, TooManyPits)


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
    request: PageRequest,
    kind: str,
    of: Change | None,
    field: str,
    mapping: Mapping[str, str],
    *,
    only: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Begin a job for each value that is moved, and tell on the next page how far it is.

    `only` narrows by other fields (a workflow's incidents), `titles` are what people call the values. The settings
    stand already: what fails is said, not raised.
    """
    known = titles or {}
    for value, target in mapping.items():
        where = {field: value, **(only or {})}
        words = (known.get(value, value), known.get(target, target))
        change(request, kind, of, where, {field: target}, words)


def change(
    request: PageRequest,
    kind: str,
    of: Change | None,
    where: Mapping[str, str],
    changes: Mapping[str, str],
    words: tuple[str, str],
) -> None:
    """Begin one job; `words` are what the page calls the value before and after."""
    value, target = words
    row = SettingsMove.objects.create(
        kind=kind,
        change=of,
        user=request.user,
        where=dict(where),
        changes=dict(changes),
        value=value[:200],
        target=target[:200],
    )
    names = {"value": value, "target": target}
    try:
        task = _begin(row)
    except ImError as error:
        messages.warning(request, _("“%(value)s” is not moved: %(reason)s") % {"value": value, "reason": error.reason})
        return
    if task is None:
        text = _("OpenSearch does not answer. What is “%(value)s” becomes “%(target)s” by itself once it is back.")
        messages.warning(request, text % names)
        return
    _tell(request, task, names)


def _tell(request: PageRequest, task: jobs.Task, names: Mapping[str, str]) -> None:
    done, total = task.counts["updated"], task.counts["matched"]
    if done:
        _show_to_searches()
    if not task.finished:
        text = _("%(total)s with “%(value)s” are being moved to “%(target)s”; it goes on without this page.")
        messages.info(request, text % {"total": f"{total:,}", **names})
    elif total:
        text = ngettext(
            "%(n)s incident or group moved from “%(value)s” to “%(target)s”.",
            "%(n)s incidents and groups moved from “%(value)s” to “%(target)s”.",
            done,
        )
        messages.success(request, text % {"n": f"{done:,}", **names})
    if failed := task.counts["failed"]:
        text = _("%(n)s could not be moved: %(reason)s")
        messages.warning(request, text % {"n": f"{len(failed):,}", "reason": failed[0]["reason"]})


def _show_to_searches() -> None:
    """Have the page that follows count what was moved where it is now; by itself OpenSearch does so later."""
    try:
        gateway().refresh(schema.document_aliases())
    except ImError as error:
        log.warning("counts may be those of before the move: %s", error.reason)


def _begin(row: SettingsMove) -> jobs.Task | None:
    """Begin the job of a row; None while OpenSearch is away."""
    fields = tuple(FieldFilter(CORE_FIELDS[name], "is", (value,)) for name, value in row.where.items())
    try:
        task = jobs.bulk_matching(
            actor_of(row.user), StatisticsQuery(Filters(fields=fields)), None, row.changes, settings=True
        )
    except LATER as error:
        log.warning("the move %s waits: %s", row, error.reason)
        return None
    except ImError as error:
        row.fault = error.reason[:500]
        row.save(update_fields=["fault"])
        raise
    row.task = task.id
    row.save(update_fields=["task"])
    return task


def waiting(kind: str | None = None) -> QuerySet[SettingsMove]:
    """Return the moves that wait for OpenSearch, of one kind of settings or of all, in their order."""
    found = SettingsMove.objects.filter(task="", fault="").select_related("user")
    return found if kind is None else found.filter(kind=kind)


def begin_waiting() -> int:
    """Begin the moves that wait; return how many began. Two at once do no harm: the later one finds nothing left."""
    began = 0
    for row in waiting():
        try:
            if _begin(row) is None:
                break
        except ImError as error:
            log.warning("the move %s cannot be made: %s", row, error.reason)
            continue
        began += 1
    return began


def require_settled(of: Change) -> None:
    """Raise `VersionConflict` while incidents are still on their way because of a change of settings."""
    tasks = SettingsMove.objects.filter(change=of).exclude(task="").values_list("task", flat=True)
    if Job.objects.filter(pk__in=list(tasks), state__in=("preparing", "running")).exists():
        raise VersionConflict(_("Its incidents are still being moved; take it back when that is done."))


def take_back(request: PageRequest, undone: Change, made: Change | None) -> int:
    """Move the incidents of a change of settings back to what they were, where nobody has touched them since.

    Returns how many it were; whoever asked says it together with what else was taken back.
    `made` is the change that took it back: taking that back moves them forth again.
    """
    back = 0
    for row in SettingsMove.objects.filter(change=undone):
        if row.back:
            change(request, row.kind, made, row.where, row.changes, (row.value, row.target))
            continue
        if not row.task:
            row.delete()
            continue
        try:
            task = jobs.undo_with_settings(actor_of(request.user), row.task)
        except ImError as error:
            messages.warning(
                request, _("“%(value)s” is not moved back: %(reason)s") % {"value": row.target, "reason": error.reason}
            )
            continue
        SettingsMove.objects.create(
            kind=row.kind,
            change=made,
            user=request.user,
            where=row.where,
            changes=row.changes,
            value=row.value,
            target=row.target,
            task=task.id,
            back=True,
        )
        back += task.counts["updated"]
    if back:
        _show_to_searches()
    return back

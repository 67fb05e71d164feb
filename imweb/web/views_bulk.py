"""A bulk change: choose, preview, run with its progress, read what became of each row, take it back."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.errors import ImError, PermissionDenied, ValidationFailed
from imweb.incidents import facets, jobs
from imweb.incidents.editing.bodies import read
from imweb.incidents.editing.rules import Rules
from imweb.incidents.jobs.service import SMALL, require_bulk
from imweb.incidents.jobs.store import Task
from imweb.incidents.params import StatisticsQuery
from imweb.web.bulk.fields import Setting, changes, settings_for
from imweb.web.bulk.selection import MAX_NAMED, Selection, selection, ticked, titles
from imweb.web.card import by_key
from imweb.web.listing.load import Frame, frame
from imweb.web.listing.preferences import ListPreferences
from imweb.web.listing.rows import card_url
from imweb.web.listing.words import value_labels
from imweb.web.page import PageRequest, page, toast_headers, zone_of

Json = dict[str, Any]
EDITED = "edited"  # the session's frozen lists whose rows are shown as they stand now
MAX_EDITED = 20
WAIT_SECONDS = 1.5


@page(may.BULK, "POST")
def change(request: PageRequest) -> HttpResponse:
    """Show the form (`step` is empty), the preview (`preview`), or make the change (`apply`)."""
    here = _frame(request)
    posted = request.POST.copy()
    posted["keys"] = "\n".join(ticked(posted.get("keys", ""), posted.getlist("tick")))
    if "take" in posted:
        posted["set.reviewer"] = here.actor.username
    settings = settings_for(here.actor, here.custom, posted)
    values: Json = {"posted": posted, "back_url": request.POST.get("next") or reverse("incidents")}
    try:
        chosen = selection(here, {name: str(value) for name, value in posted.items()})
        _limit(here, chosen.counts.rows)
    except ImError as error:
        reasons = [item.reason for item in error.details] if isinstance(error, ValidationFailed) else [error.reason]
        return _body(request, "web/bulk/_refused.html", values | {"reasons": reasons})
    values |= {"chosen": chosen, "settings": settings}
    step = request.POST.get("step", "")
    if step not in ("preview", "apply"):
        return _body(request, "web/bulk/_form.html", values)
    contradicting = [item for item in settings if item.contradicts()]
    if contradicting:
        return _body(request, "web/bulk/_form.html", values)
    wanted = changes(settings)
    if not wanted:
        return _body(request, "web/bulk/_form.html", values | {"fault": _("Fill in at least one field.")})
    try:
        read(wanted, Rules.load(), doc_id=None, kind=None, known=here.registry)
    except ValidationFailed as error:
        return _body(request, "web/bulk/_form.html", values | {"fault": _mark(settings, error)})
    if step == "preview":
        return _body(request, "web/bulk/_preview.html", values | {"lines": _preview(here, chosen, settings)})
    task = jobs.bulk_matching(here.actor, StatisticsQuery(chosen.filters), chosen.pit, wanted, seconds=WAIT_SECONDS)
    _note_edited(request, chosen.state.rs)
    return _outcome(request, task)


@page(may.BULK)
def recent(request: PageRequest) -> HttpResponse:
    """List one's own changes of many that can still be taken back."""
    here = _frame(request)
    found = [
        {
            "task": item.task,
            "at": parse_datetime(item.task.finished_at or ""),
            "until": parse_datetime(item.task.undo_until or ""),
            "what": by_key.in_words(here, item.changes),
        }
        for item in jobs.recent(here.actor)
    ]
    return _body(request, "web/bulk/_recent.html", {"found": found, "back_url": reverse("incidents")})


@page(may.BULK)
def progress(request: PageRequest, task_id: str) -> HttpResponse:
    """Show how far a bulk change is, and at its end what became of the rows."""
    return _outcome(request, jobs.get_task(actor_of(request.user), task_id))


@page(may.BULK, "POST")
def take_back(request: PageRequest, task_id: str) -> HttpResponse:
    """Take a bulk change back where nobody has touched its fields since."""
    try:
        task = jobs.undo(actor_of(request.user), task_id, seconds=WAIT_SECONDS)
    except ImError as error:
        return _body(request, "web/bulk/_refused.html", {"reasons": [error.reason], "back_url": reverse("incidents")})
    return _outcome(request, task)


def _frame(request: PageRequest) -> Frame:
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    if not request.session.session_key:
        request.session.create()
    return frame(actor, str(request.session.session_key), ListPreferences.of(request.user))


def _limit(here: Frame, count: int) -> None:
    try:
        require_bulk(here.actor, count)
    except PermissionDenied:
        raise PermissionDenied(
            _("You may change up to %(limit)s rows at once, and these are %(count)s. Narrow the list, or ask a lead.")
            % {"limit": SMALL, "count": f"{count:,}"}
        ) from None


def _mark(settings: list[Setting], error: ValidationFailed) -> str:
    """Put each fault to its field; return what belongs to none."""
    rest = []
    for fault in error.details:
        item = next((item for item in settings if item.name == fault.field), None)
        if item is None:
            rest.append(f"{fault.field}: {fault.reason}")
        else:
            item.fault = fault.reason
    return " ".join(rest)


def _preview(here: Frame, chosen: Selection, settings: list[Setting]) -> list[Json]:
    """Return what changes, with the values that stand there now and how often."""
    filled = [item for item in settings if item.values or item.empty]
    known = {item.name: found for item in filled if (found := here.registry.get(item.name)) and item.type != "area"}
    now = facets.values_of(here.actor, chosen.filters, chosen.pit, list(known.values()), size=5)
    labels = value_labels()
    lines = []
    for item in filled:
        facet = now.get(item.name)
        name_of = labels.get(item.name, str)
        before = [(name_of(value.value), value.count) for value in facet.values] if facet else []
        if facet and facet.missing:
            before.append((_("none"), facet.missing))
        lines.append({"setting": item, "before": before, "others": facet.others if facet else 0})
    return lines


def _note_edited(request: PageRequest, key: str) -> None:
    kept = [item for item in request.session.get(EDITED, []) if item != key]
    request.session[EDITED] = [*kept, key][-MAX_EDITED:]


def _outcome(request: PageRequest, task: Task) -> HttpResponse:
    counts = task.counts
    faults = jobs.faults(task.id)
    denied = sum(1 for item in faults if item["category"] == "denied")
    failed = len(counts["failed"]) - denied
    if request.htmx and request.POST.get("by") == "key" and task.finished and not faults:
        return _toast(task)
    shown = faults[:MAX_NAMED]
    called = titles(_frame(request), [item["key"] for item in shown]) if shown and task.finished else {}
    done = counts["updated"] + counts["unchanged"] + counts["conflicted"] + len(counts["failed"])
    values: Json = {
        "task": task,
        "done": done,
        "matched": counts["matched"],
        "categories": [
            ("ok", _("updated") if task.kind != "undo" else _("taken back"), counts["updated"]),
            ("", _("unchanged"), counts["unchanged"]),
            ("warn", _("conflicted"), counts["conflicted"]),
            ("bad", _("not allowed"), denied),
            ("bad", _("failed"), failed),
        ],
        "faults": [
            item | {"url": card_url(*item["key"].split("/", 1)), "title": called.get(item["key"], "")} for item in shown
        ],
        "more": max(0, len(faults) - len(shown)),
        "kept": json.dumps([item["key"] for item in faults]),
        "undo_until": parse_datetime(task.undo_until) if task.undo_until and counts["updated"] else None,
        "back_url": reverse("incidents"),
    }
    return _body(request, "web/bulk/_outcome.html", values)


def _toast(task: Task) -> HttpResponse:
    """Return what a change by key says: nothing but a message with its undo, and that the rows are to be read anew."""
    updated = task.counts["updated"]
    rows = ngettext("%(n)s row", "%(n)s rows", updated) % {"n": f"{updated:,}"}
    words = _("Taken back: %(rows)s.") if task.kind == "undo" else _("Changed: %(rows)s.")
    more: Json = {}
    if task.undo_until and updated:
        more["action"] = {"label": _("Undo"), "url": reverse("bulk-undo", args=[task.id]), "values": {"by": "key"}}
    response = HttpResponse(status=204, headers=toast_headers("ok", words % {"rows": rows}, **more))
    response["HX-Trigger"] = json.dumps({**json.loads(response["HX-Trigger"]), "im:rows": {"ticks": []}})
    return response


def _body(request: PageRequest, template: str, values: Json) -> HttpResponse:
    """Return the dialog's content, or a page around it for those without a script."""
    if request.htmx:
        return render(request, template, values)
    return render(request, "web/bulk/page.html", values | {"body": template})

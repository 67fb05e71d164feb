"""Settings: severity levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.configuration import store
from imweb.errors import ValidationFailed, VersionConflict
from imweb.incidents.severities import SEVERITIES, SeverityDefinition
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, moving, severities_form, touched
from imweb.web.settings_pages.base import Form
from imweb.web.settings_pages.touched import Touched

SOURCE = severities_form.SeveritySource()
PAGE = "settings-severities"


@dataclass(frozen=True, slots=True)
class Moved:
    """A value that goes away, what has it, and where that is proposed to go."""

    value: str
    touched: Touched
    target: str


@page(may.SETTINGS)
def severities(request: PageRequest) -> HttpResponse:
    """List the levels, the worst first."""
    context = base.list_context(request, SOURCE)
    counts = touched.counts("severity")
    levels = base.matching(severities_form.standing(), context["q"], lambda level: f"{level.label} {level.name}")
    known = {level.name for level in severities_form.standing()}
    context |= {
        "levels": levels,
        "counts": counts or {},
        "no_counts": counts is None,
        "unknown": {name: count for name, count in (counts or {}).items() if name not in known},
        "sets": severities_form.SET_LABELS,
    }
    return render(request, "web/settings/severities.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def severity_new(request: PageRequest) -> HttpResponse:
    """Add a level."""
    if request.method == "POST":
        return _save(request, Form(severities_form.posted(request.POST, None), new=True))
    highest = max((level.rank for level in severities_form.standing()), default=0)
    values = {"rank": highest + 1, "color": "#a3205f", "color_dark": "#f08bb8"}
    return _show(request, Form(values, new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def severity_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a level."""
    item = base.find(SEVERITIES, name)
    if request.method == "POST":
        return _save(request, Form(severities_form.posted(request.POST, item.value), base.revision_of(request)))
    return _show(request, Form(SEVERITIES.stored(item.value), item.revision))


@page(may.SETTINGS, "POST")
def severity_check(request: PageRequest) -> HttpResponse:
    """Return the preview of a level's colours as typed."""
    values = severities_form.posted(request.POST, None)
    context = {"contrasts": severities_form.contrasts(values), "v": values}
    return render(request, "web/settings/_severity_check.html", context)


@page(may.SETTINGS, "POST")
def severity_default(request: PageRequest, name: str) -> HttpResponse:
    """Make a level the default."""
    severities_form.make_default(name, by=request.user.username)
    messages.success(request, _("Incidents that name no severity get it from now on."))
    return redirect(PAGE)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def severity_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a level and move its incidents to another."""
    found = base.find(SEVERITIES, name).value
    left = [level for level in severities_form.standing() if level.name != name]
    return _exchange(request, left, [name], title=_("Remove “%(name)s”") % {"name": found.label})


@page(may.SETTINGS, "GET", "HEAD", "POST")
def severity_set(request: PageRequest, key: str) -> HttpResponse:
    """Put a ready set in the place of all levels and move the incidents of those that go away."""
    levels = severities_form.ready_set(key)
    kept = {level.name for level in levels}
    gone = [level.name for level in severities_form.standing() if level.name not in kept]
    return _exchange(request, levels, gone, title=severities_form.SET_LABELS[key], key=key)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def severity_unknown(request: PageRequest, name: str) -> HttpResponse:
    """Move incidents whose level does not exist any more."""
    return _exchange(request, severities_form.standing(), [name], title=_("Move “%(name)s”") % {"name": name})


@page(may.SETTINGS, "POST")
def severities_order(request: PageRequest) -> HttpResponse:
    """Deal the ranks out in another order."""
    return base.reorder(request, SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def severities_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, PAGE)


def _exchange(
    request: PageRequest, levels: Sequence[SeverityDefinition], gone: Sequence[str], *, title: str, key: str = ""
) -> HttpResponse:
    form = Form({})
    last = base.last_change(SOURCE.kind)
    if request.method == "POST":
        try:
            mapping = moving.posted(request, gone, [level.name for level in levels])
            base.require_seen(request, SOURCE.kind)
            titles = {level.name: level.label for level in (*severities_form.standing(), *levels)}
            severities_form.replace(levels, by=request.user.username)
        except (ValidationFailed, VersionConflict) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            made = base.made_since(SOURCE.kind, last, request.user.username)
            moving.move(request, SOURCE.kind, made, "severity", mapping, titles=titles)
            return redirect(PAGE)
    moved = [
        Moved(
            name,
            touched.by_value("severity", name),
            request.POST.get(f"to.{name}") or severities_form.proposal(name, levels, key),
        )
        for name in gone
    ]
    context = {"title": title, "levels": levels, "moved": moved, "form": form, "page_url": PAGE, "last": last}
    return render(request, "web/settings/severity_exchange.html", context, status=form.status)


def _save(request: PageRequest, form: Form) -> HttpResponse:
    try:
        saved = store.save(SEVERITIES, form.values, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        if form.new:
            form.faults = {"name": [_("there is a level of this name already")]}
        else:
            form.refuse(error, severities_form.LABELS)
            form.revision = base.find(SEVERITIES, form.values["name"]).revision
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    messages.success(request, _("“%(label)s” is saved.") % {"label": saved.value.label})
    return redirect(PAGE)


def _show(request: PageRequest, form: Form) -> HttpResponse:
    name = "" if form.new else form.values["name"]
    context = {
        "form": form,
        "labels": severities_form.LABELS,
        "v": form.values,
        "existing": name,
        "contrasts": severities_form.contrasts(form.values),
        "touched": touched.by_value("severity", name) if name else None,
    }
    return render(request, "web/settings/severity.html", context, status=form.status)

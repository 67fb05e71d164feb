"""Settings: grouping rules."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.configuration import store
from imweb.errors import ImError, SearchTimeout, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.grouping import service
from imweb.grouping.rules import RULES
from imweb.grouping.trying import Trial, try_it
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, grouping_form, touched
from imweb.web.settings_pages.base import Form

SOURCE = grouping_form.GroupingSource()
PAGE = "settings-grouping"
DOWN = (SearchUnavailable, SearchTimeout)


@page(may.SETTINGS)
def rules(request: PageRequest) -> HttpResponse:
    """List the rules in their order, with what stands of each."""
    context = base.list_context(request, SOURCE)
    everything = store.items(RULES, fresh=True)
    found = base.matching(everything, context["q"], lambda i: f"{i.value.title} {i.value.name} {i.value.filter}")
    context |= {"rows": grouping_form.rows(found), "behind": grouping_form.behind()}
    return render(request, "web/settings/grouping.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def rule_new(request: PageRequest) -> HttpResponse:
    """Add a rule, below all others."""
    if request.method == "POST":
        return _save(request, Form(grouping_form.posted(request.POST, None), new=True))
    return _show(request, Form(grouping_form.blank(), new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def rule_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a rule."""
    item = base.find(RULES, name)
    if request.method == "POST":
        return _save(request, Form(grouping_form.posted(request.POST, item.value), base.revision_of(request)))
    return _show(request, Form(RULES.stored(item.value), item.revision))


@page(may.SETTINGS, "POST")
def rule_check(request: PageRequest) -> HttpResponse:
    """Return what saving the form as typed would meet."""
    context = {"check": grouping_form.check(_typed(request)), "labels": grouping_form.LABELS}
    return render(request, "web/settings/_grouping_check.html", context)


@page(may.SETTINGS, "POST")
def rule_try(request: PageRequest) -> HttpResponse:
    """Show which groups the last day would have made with the form as typed."""
    form = Form(_typed(request), base.revision_of(request), new=not request.POST.get("existing"))
    trial: Trial | None = None
    fault = ""
    try:
        trial = try_it(RULES.parse(form.values))
    except ValidationFailed as error:
        form.refuse(error)
    except DOWN as error:
        fault = error.reason
    if request.htmx:
        context = {"trial": trial, "form": form, "fault": fault, "labels": grouping_form.LABELS}
        return render(request, "web/settings/_grouping_trial.html", context)
    return _show(request, form, trial=trial, fault=fault)


@page(may.SETTINGS, "POST")
def rule_switch(request: PageRequest, name: str) -> HttpResponse:
    """Put a rule to use or out of it; its groups stay."""
    item = base.find(RULES, name)
    data = RULES.stored(item.value) | {"enabled": not item.value.enabled}
    try:
        service.save_rule(data, by=request.user.username, revision=base.revision_of(request))
    except ImError as error:
        messages.error(request, error.reason)
    else:
        said = _("“%(title)s” groups again.") if data["enabled"] else _("“%(title)s” rests; its groups stay.")
        messages.success(request, said % {"title": item.value.title})
    return redirect(PAGE)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def rule_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a rule; its groups stay."""
    item = base.find(RULES, name)
    if request.method == "POST":
        try:
            service.remove_rule(name, by=request.user.username, revision=base.revision_of(request))
        except (ValidationFailed, VersionConflict) as error:
            messages.error(request, error.reason)
            return redirect(PAGE)
        messages.success(request, _("“%(title)s” is removed; its groups stay.") % {"title": item.value.title})
        return redirect(PAGE)
    context = {
        "rule": item.value,
        "revision": item.revision,
        "standing": grouping_form.standing(name),
        "touched": touched.by_value("incident_aggregation_id", name),
    }
    return render(request, "web/settings/grouping_remove.html", context)


@page(may.SETTINGS, "POST")
def rules_order(request: PageRequest) -> HttpResponse:
    """Put the rules into another order."""
    return base.reorder(request, SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def rules_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, PAGE)


def _typed(request: PageRequest) -> dict[str, Any]:
    name = request.POST.get("existing", "")
    return grouping_form.posted(request.POST, base.find(RULES, name).value if name else None)


def _save(request: PageRequest, form: Form) -> HttpResponse:
    try:
        saved = service.save_rule(form.values, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        if form.new:
            form.faults = {"name": [_("there is a rule of this name already")]}
        else:
            form.refuse(error, grouping_form.LABELS)
            form.revision = base.find(RULES, form.values["name"]).revision
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    messages.success(request, _("“%(title)s” is saved.") % {"title": saved.value.title})
    return redirect(PAGE)


def _show(request: PageRequest, form: Form, *, trial: Trial | None = None, fault: str = "") -> HttpResponse:
    name = "" if form.new else form.values["name"]
    context = {
        "form": form,
        "v": form.values,
        "d": grouping_form.drawn(form.values),
        "existing": name,
        "check": grouping_form.check(form.values),
        "labels": grouping_form.LABELS,
        "standing": grouping_form.standing(name) if name else None,
        "touched": touched.by_value("incident_aggregation_id", name) if name else None,
        "trial": trial,
        "fault": fault,
    }
    return render(request, "web/settings/grouping_rule.html", context, status=form.status)

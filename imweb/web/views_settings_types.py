"""Settings: incident types."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.incident_types import FIELD, INCIDENT_TYPES
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.errors import SearchTimeout, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.incidents import incident_types
from imweb.incidents.severities import severities
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, touched, types_form
from imweb.web.settings_pages.base import Form
from imweb.workflows.definitions import WORKFLOWS

SOURCE = types_form.TypeSource(INCIDENT_TYPES)
PAGE = "settings-types"
SUGGESTED = 200


@page(may.SETTINGS)
def types(request: PageRequest) -> HttpResponse:
    """List the types, and what incidents hold that is no type yet."""
    context = base.list_context(request, SOURCE)
    standing = [item.value for item in store.items(INCIDENT_TYPES, fresh=True)]
    counts = touched.counts(FIELD)
    known = {item.name for item in standing}
    flows = {name: item.value for item in store.items(WORKFLOWS, fresh=True) for name in item.value.incident_types}
    context |= {
        "types": base.matching(standing, context["q"], lambda t: f"{t.title} {t.name}"),
        "workflows": flows,
        "labels": {role.name: role.label for role in Role.objects.all()},
        "levels": {level.name: level.label for level in severities()},
        "counts": counts or {},
        "no_counts": counts is None,
        "unknown": {name: count for name, count in (counts or {}).items() if name not in known},
    }
    return render(request, "web/settings/types.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def type_new(request: PageRequest) -> HttpResponse:
    """Add a type; `name` in the address is what incidents hold already."""
    if request.method == "POST":
        return _save(request, Form(types_form.posted(request.POST, None), new=True))
    return _show(request, Form(types_form.blank(request.GET.get("name", "")), new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def type_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a type."""
    item = base.find(INCIDENT_TYPES, name)
    if request.method == "POST":
        return _save(request, Form(types_form.posted(request.POST, name), base.revision_of(request)))
    return _show(request, Form(types_form.shown(item.value), item.revision))


@page(may.SETTINGS, "POST")
def type_check(request: PageRequest) -> HttpResponse:
    """Return what a form as typed would mean: faults, the card, who would see its incidents."""
    existing = request.POST.get("existing", "")
    check = types_form.check(types_form.posted(request.POST, existing or None), new=not existing)
    return render(request, "web/settings/_type_check.html", {"check": check, "labels": types_form.LABELS})


@page(may.SETTINGS, "GET", "HEAD", "POST")
def type_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a type, told first what that touches; its incidents keep their text."""
    item = base.find(INCIDENT_TYPES, name)
    if request.method == "POST":
        try:
            incident_types.remove(name, by=request.user.username, revision=base.revision_of(request))
        except (ValidationFailed, VersionConflict) as error:
            messages.error(request, error.reason)
            return redirect("settings-type-remove", name)
        messages.success(request, _("“%(title)s” is removed.") % {"title": item.value.title})
        return redirect(PAGE)
    context = {"type": item.value, "revision": item.revision, "touched": touched.by_value(FIELD, name)}
    return render(request, "web/settings/type_remove.html", context)


@page(may.SETTINGS, "POST")
def types_order(request: PageRequest) -> HttpResponse:
    """Put the types into another order."""
    return base.reorder(request, SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def types_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, PAGE)


def _save(request: PageRequest, form: Form) -> HttpResponse:
    if "check" in request.POST:
        return _show(request, form)
    values = form.values
    try:
        types_form.save(values, by=request.user.username, revision=form.revision, new=form.new)
    except VersionConflict as error:
        if form.new:
            form.faults = {"name": [_("there is a type of this name already")]}
        else:
            form.refuse(types_form.told(error), {name: str(label) for name, label in types_form.LABELS.items()})
            # Saving once more is then a decision for what was typed, made knowing what it replaces.
            form.revision = base.find(INCIDENT_TYPES, values["name"]).revision
            values["workflow_was"] = incident_types.workflow_of(values["name"])
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    except (SearchUnavailable, SearchTimeout):
        reason = _("OpenSearch does not answer; it is needed to close a type for the first time. Nothing was saved.")
        form.faults = {"roles": [reason]}
        return _show(request, form)
    messages.success(request, _("“%(title)s” is saved.") % {"title": values["title"]})
    return redirect(PAGE)


def _show(request: PageRequest, form: Form) -> HttpResponse:
    name = "" if form.new else form.values["name"]
    counts = touched.counts(FIELD) if form.new else {}
    known = {item.value.name for item in store.items(INCIDENT_TYPES, fresh=True)}
    lines = types_form.lines(form.values)
    users = User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)
    context: dict[str, Any] = {
        "form": form,
        "labels": types_form.LABELS,
        "v": form.values,
        "existing": name,
        "placed": [line for line in lines if line.place],
        "others": [line for line in lines if not line.place],
        "roles": types_form.roles(),
        "levels": severities(),
        "workflows": [item.value for item in store.items(WORKFLOWS, fresh=True)],
        "users": users[:SUGGESTED],
        "found": [value for value in (counts or {}) if value not in known],
        "check": types_form.check(form.values, new=form.new),
        "touched": touched.by_value(FIELD, name) if name else None,
    }
    return render(request, "web/settings/type.html", context, status=form.status)

"""Settings: custom fields."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.errors import ValidationFailed, VersionConflict
from imweb.incidents import custom_fields
from imweb.incidents.models import CustomField
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, fields_form, touched
from imweb.web.settings_pages.base import Form

SOURCE = fields_form.FieldSource()


@page(may.SETTINGS)
def fields(request: PageRequest) -> HttpResponse:
    """List the custom fields in their order, the removed ones below."""
    context = base.list_context(request, SOURCE)
    waiting = set(CustomField.objects.filter(mapped=False).values_list("name", flat=True))
    everything = custom_fields.items()
    found = base.matching(everything, context["q"], lambda i: f"{i.value.label} {i.value.name} {i.value.type}")
    shown = [item for item in found if not item.value.hidden]
    context |= {
        "fields": shown,
        "removed": [item for item in found if item.value.hidden],
        "total": sum(1 for item in everything if not item.value.hidden),
        "waiting": waiting,
        "types": fields_form.TYPES,
        "filterable": CustomField.FILTERABLE,
    }
    return render(request, "web/settings/fields.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def field_new(request: PageRequest) -> HttpResponse:
    """Define a field."""
    if request.method == "POST":
        return _save(request, Form(fields_form.posted(request.POST, None), new=True))
    values = fields_form.empty() | {"name": request.GET.get("name", "")[:63]}
    return _show(request, Form(values, new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def field_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a field."""
    item = custom_fields.get(name)
    if request.method == "POST":
        values = fields_form.posted(request.POST, name) | {"hidden": item.value.hidden}
        return _save(request, Form(values, base.revision_of(request)))
    return _show(request, Form(fields_form.shown(item.value), item.revision))


@page(may.SETTINGS, "POST")
def field_check(request: PageRequest) -> HttpResponse:
    """Return the preview of a form as typed: faults, the control, live values, what is touched."""
    name = request.POST.get("existing", "")
    check = fields_form.check(fields_form.posted(request.POST, name or None), existing=bool(name))
    return render(request, "web/settings/_field_check.html", {"check": check})


@page(may.SETTINGS, "POST")
def field_remove(request: PageRequest, name: str) -> HttpResponse:
    """Hide a field, or show a hidden one again."""
    if request.POST.get("restore"):
        custom_fields.restore(name, by=request.user.username)
        messages.success(request, _("The field is shown again."))
    else:
        custom_fields.remove(name, by=request.user.username, revision=base.revision_of(request))
        messages.success(request, _("The field is hidden everywhere. Its data is kept; you can bring it back below."))
    return redirect("settings-fields")


@page(may.SETTINGS, "POST")
def fields_order(request: PageRequest) -> HttpResponse:
    """Put the fields into another order."""
    return base.reorder(request, SOURCE, "settings-fields")


@page(may.SETTINGS, "POST")
def fields_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, "settings-fields")


def _save(request: PageRequest, form: Form) -> HttpResponse:
    if "check" in request.POST:
        return _show(request, form)
    try:
        saved = custom_fields.save(form.values, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        form.refuse(error, fields_form.LABELS)
        if form.new:
            form.collision, form.faults = None, {"name": [_("there is a field of this name already")]}
        else:
            # Saving once more is then a decision for what was typed, made knowing what it replaces.
            form.revision = custom_fields.get(form.values["name"]).revision
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    if saved.warning:
        messages.warning(request, saved.warning)
    else:
        messages.success(request, _("“%(label)s” is saved.") % {"label": saved.item.value.label})
    return redirect("settings-fields")


def _show(request: PageRequest, form: Form) -> HttpResponse:
    name = "" if form.new else form.values["name"]
    context: dict[str, Any] = {
        "form": form,
        "labels": fields_form.LABELS,
        "v": form.values,
        "types": fields_form.TYPES,
        "flags": fields_form.FLAGS,
        "check": fields_form.check(form.values, existing=not form.new),
        "touched": touched.by_field(name) if name else None,
        "existing": name,
        "hidden": bool(form.values.get("hidden")),
    }
    return render(request, "web/settings/field.html", context, status=form.status)

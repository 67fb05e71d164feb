"""Settings: roles one by one, with what they show, and the access fields that their filters are made of."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.accounts import permissions
from imweb.accounts import permissions as may
from imweb.accounts import roles as accounts
from imweb.accounts.models import Role
from imweb.errors import ImError, SearchTimeout, SearchUnavailable, ValidationFailed, VersionConflict
from imweb.incidents import access, declaring, roles
from imweb.incidents.registry import registry
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, role_form
from imweb.web.settings_pages.base import Form

Json = dict[str, Any]


@page(may.USERS, "GET", "HEAD", "POST")
def role_new(request: PageRequest) -> HttpResponse:
    """Make a role."""
    if request.method == "POST":
        return _save(request, Form(role_form.posted(request.POST, None), new=True))
    return _show(request, Form(role_form.empty(), new=True))


@page(may.USERS, "GET", "HEAD", "POST")
def role_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a role: label, permissions, row filter, hidden fields."""
    role = accounts.get_role(name)
    if request.method == "POST":
        return _save(request, Form(role_form.posted(request.POST, name)))
    return _show(request, Form(role_form.shown(role)))


@page(may.USERS, "POST")
def role_check(request: PageRequest) -> HttpResponse:
    """Return what a form as typed would mean: faults, and how many incidents the role would see."""
    existing = request.POST.get("existing", "")
    check = role_form.check(role_form.posted(request.POST, existing or None), new=not existing)
    return render(request, "web/settings/_role_check.html", {"check": check})


@page(may.USERS, "POST")
def role_permissions(request: PageRequest, name: str) -> HttpResponse:
    """Change what a role may do, from the table of all roles."""
    values = role_form.shown(accounts.get_role(name)) | {"permissions": request.POST.getlist("permission")}
    try:
        role = roles.save_role(role_form.definition(values), by=request.user.username)
        messages.success(request, _("“%(name)s” is saved.") % {"name": role.label})
    except ValidationFailed as error:
        messages.error(request, error.reason)
    return redirect("settings-users")


@page(may.USERS, "POST")
def role_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a role that nobody has."""
    try:
        accounts.remove_role(name, by=request.user.username)
        messages.success(request, _("The role is removed."))
    except ValidationFailed as error:
        messages.error(request, error.reason)
        return redirect("settings-role-edit", name)
    return redirect("settings-users")


@page(may.USERS)
def access_fields(request: PageRequest) -> HttpResponse:
    """Show the declared access fields, what declaring another touches, and why only such fields may be used."""
    known = registry()
    wanted = known.get(request.GET.get("field", ""))
    context: Json = {
        "declared": [(name, known.get(name), _needed_by(name)) for name in access.access_fields()],
        "candidates": declaring.candidates(known),
        "limit": access.MAX_FIELDS,
        "history": base.history(access.ACCESS_FIELDS.name),
        "last": None,
    }
    if wanted is not None and not access.unfit(wanted) and wanted.name not in access.access_fields():
        context["wanted"] = wanted
    try:
        context["groups"] = declaring.groups()
        if "wanted" in context:
            context["touched"] = declaring.touched(context["wanted"])
    except (SearchUnavailable, SearchTimeout):
        context["down"] = True
    return render(request, "web/settings/access.html", context)


@page(may.USERS, "POST")
def access_declare(request: PageRequest) -> HttpResponse:
    """Declare an access field."""
    try:
        declaring.declare(request.POST.get("field", ""), by=request.user.username)
        messages.success(request, _("Declared. It can be used in the filters of roles, and is not edited any more."))
    except ImError as error:
        messages.error(request, error.reason)
    return redirect("settings-access")


@page(may.USERS, "POST")
def access_withdraw(request: PageRequest, name: str) -> HttpResponse:
    """Declare a field no longer."""
    try:
        declaring.withdraw(name, by=request.user.username)
        messages.success(request, _("It is an access field no longer."))
    except ValidationFailed as error:
        messages.error(request, error.reason)
    return redirect("settings-access")


@page(may.USERS, "POST")
def access_mark(request: PageRequest) -> HttpResponse:
    """Look anew which groups agree in the access fields."""
    marked = declaring.mark_groups()
    text = ngettext("%(n)s group is marked anew.", "%(n)s groups are marked anew.", marked) % {"n": f"{marked:,}"}
    messages.success(request, text)
    return redirect("settings-access")


def _needed_by(name: str) -> list[str]:
    found = []
    for role in Role.objects.exclude(row_filter=""):
        try:
            if name in roles.fields_of(role.row_filter):
                found.append(role.label)
        except ValidationFailed:
            continue
    return found


def _save(request: PageRequest, form: Form) -> HttpResponse:
    if "check" in request.POST:
        return _show(request, form)
    try:
        role = roles.save_role(
            role_form.definition(form.values), by=request.user.username, new=form.new, seen=request.POST.get("seen")
        )
    except (ValidationFailed, VersionConflict) as error:
        form.refuse(error, {name: str(label) for name, label in role_form.LABELS.items()})
        return _show(request, form)
    messages.success(request, _("“%(name)s” is saved.") % {"name": role.label})
    return redirect("settings-users")


def _show(request: PageRequest, form: Form) -> HttpResponse:
    name = "" if form.new else form.values["name"]
    context: Json = {
        "form": form,
        "v": form.values,
        "existing": name,
        "check": role_form.check(form.values, new=form.new),
        "labels": permissions.LABELS.items(),
        "choices": role_form.choices(),
        "declared": access.access_fields(),
        # After a collision saving once more is a decision, made knowing what it replaces.
        "seen": accounts.definition_of(accounts.get_role(name)).mark if name else "",
        "ready": name in permissions.READY_ROLES,
    }
    return render(request, "web/settings/role.html", context, status=form.status)

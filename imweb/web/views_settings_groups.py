"""Settings: groups of users, their roles and members."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import groups
from imweb.accounts import permissions as may
from imweb.accounts.groups import GroupDefinition
from imweb.accounts.models import Role, User, UserGroup
from imweb.errors import ValidationFailed
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages.base import Form


@page(may.USERS, "GET", "HEAD", "POST")
def group_new(request: PageRequest) -> HttpResponse:
    """Make a group."""
    return _edit(request, None)


@page(may.USERS, "GET", "HEAD", "POST")
def group_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a group's label, roles and members."""
    return _edit(request, groups.get_group(name))


@page(may.USERS, "POST")
def group_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a group; its members keep the roles of their own."""
    group = groups.get_group(name)
    try:
        groups.remove_group(name, by=request.user.username)
    except ValidationFailed as error:
        form = _form(groups.definition_of(group), new=False)
        form.refuse(error)
        return _show(request, form, group)
    messages.success(request, _("The group “%(name)s” is removed.") % {"name": name})
    return redirect("settings-users")


def _edit(request: PageRequest, group: UserGroup | None) -> HttpResponse:
    form = _form(groups.definition_of(group) if group else GroupDefinition("", ""), new=group is None)
    if request.method == "POST":
        wanted = GroupDefinition(
            group.name if group else request.POST.get("name", "").strip(),
            request.POST.get("label", "").strip(),
            frozenset(request.POST.getlist("role")),
            frozenset(request.POST.getlist("member")),
        )
        form = _form(wanted, new=group is None)
        try:
            groups.save_group(wanted, by=request.user.username, new=group is None)
        except ValidationFailed as error:
            form.refuse(error)
        else:
            messages.success(request, _("The group “%(name)s” is saved.") % {"name": wanted.name})
            return redirect("settings-users")
    return _show(request, form, group)


def _form(held: GroupDefinition, *, new: bool) -> Form:
    values = {"name": held.name, "label": held.label, "roles": held.roles, "members": held.members}
    return Form(values, new=new)


def _show(request: PageRequest, form: Form, group: UserGroup | None) -> HttpResponse:
    context = {
        "form": form,
        "v": form.values,
        "group": group,
        "roles": Role.objects.all(),
        "people": User.objects.order_by("username"),
    }
    return render(request, "web/settings/group.html", context, status=form.status)

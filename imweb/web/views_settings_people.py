"""Settings: users and roles, API tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from imweb.accounts import administration, identities, permissions, second_factor
from imweb.accounts import permissions as may
from imweb.accounts.models import HELD, ApiToken, Role, User, UserGroup
from imweb.errors import NotFound, ValidationFailed
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base
from imweb.web.settings_pages.base import Form

DAYS = (7, 30, 90, 365)
LIMIT = 500


@page(may.USERS)
def users(request: PageRequest) -> HttpResponse:
    """List users, and what each role may do."""
    q = request.GET.get("q", "").strip()[:200]
    everybody = User.objects.prefetch_related(*HELD).order_by("-is_active", "username")[:LIMIT]
    found = base.matching(everybody, q, lambda u: f"{u.username} {u.get_full_name()} {u.email}")
    roles = list(Role.objects.all())
    groups = UserGroup.objects.prefetch_related("roles", "members")
    matrix = [
        (name, label, [(role, name in role.permissions) for role in roles])
        for name, label in permissions.LABELS.items()
    ]
    changes = [change for kind in ("user", "role", "user_group") for change in base.history(kind)]
    changes = sorted(changes, key=lambda c: c.pk, reverse=True)[: base.HISTORY]
    context = {
        "q": q,
        "users": found,
        "roles": roles,
        "matrix": matrix,
        "groups": groups,
        "history": changes,
        "last": None,
    }
    return render(request, "web/settings/users.html", context)


@never_cache
@page(may.USERS, "GET", "HEAD", "POST")
def user_new(request: PageRequest) -> HttpResponse:
    """Make a user; the password is shown once."""
    form = Form({"roles": ["analyst"], "active": True}, new=True)
    if request.method == "POST":
        form.values = _posted(request) | {"active": True, "service": "service" in request.POST}
        try:
            user, password = administration.create_user(form.values, by=request.user.username)
        except ValidationFailed as error:
            form.refuse(error)
        else:
            if user.is_service:
                messages.success(request, _("“%(name)s” is made. Make a token for it here.") % {"name": user.username})
                return redirect(f"{reverse('settings-tokens')}?{urlencode({'for': user.username})}")
            return _password(request, user, password)
    return _show(request, form, None)


@never_cache
@page(may.USERS, "GET", "HEAD", "POST")
def user_edit(request: PageRequest, username: str) -> HttpResponse:
    """Change a user, or give him a new password."""
    user = administration.get_user(username)
    form = Form(
        {
            "username": user.username,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "email": user.email,
            "active": user.is_active,
            "roles": [role.name for role in user.roles.all()],
        }
    )
    if request.method == "POST":
        if "password" in request.POST:
            return _password(request, user, administration.reset_password(user, by=request.user.username))
        if "second" in request.POST:
            second_factor.remove(user)
            administration.record(
                "user", username, "changed", None, {"second_factor": "removed"}, request.user.username
            )
            messages.success(request, _("“%(name)s” signs in without a second factor now.") % {"name": username})
            return redirect("settings-user", username)
        if "provider" in request.POST:
            identities.disconnect(user, by=request.user.username)
            messages.success(request, _("No provider opens the account of “%(name)s” now.") % {"name": username})
            return redirect("settings-user", username)
        if "sessions" in request.POST:
            administration.end_sessions(user, by=request.user.username)
            messages.success(request, _("“%(name)s” is signed out everywhere.") % {"name": username})
            return redirect("settings-user", username)
        form.values = _posted(request) | {"username": user.username}
        try:
            administration.update_user(user, form.values, by=request.user)
        except ValidationFailed as error:
            form.refuse(error)
        else:
            messages.success(request, _("“%(name)s” is saved.") % {"name": username})
            return redirect("settings-users")
    return _show(request, form, user)


@never_cache
@page(may.TOKEN, "GET", "HEAD", "POST")
def tokens(request: PageRequest) -> HttpResponse:
    """List API tokens and make one, whose secret is shown in this answer and never again."""
    form = Form({"days": "90", "scopes": []}, new=True)
    secret, made = "", None
    everybody = request.user.may(may.USERS)
    owner = _owner(request, everybody)
    if request.method == "POST":
        form.values = {
            "name": request.POST.get("name", "").strip(),
            "days": request.POST.get("days", ""),
            "scopes": request.POST.getlist("scope"),
        }
        try:
            days = _days(form.values["days"])
            made, secret = administration.issue_token(
                owner, form.values["name"], days, form.values["scopes"], by=request.user
            )
            form = Form({"days": "90", "scopes": []}, new=True)
        except ValidationFailed as error:
            form.refuse(error)
    rows = ApiToken.objects.select_related("user").order_by("-created_at")
    rows = rows if everybody else rows.filter(user=request.user)
    q = request.GET.get("q", "").strip()[:200]
    context = {
        "q": q,
        "tokens": base.matching(rows[:LIMIT], q, lambda t: f"{t.name} {t.user.username} {t.hint}"),
        "form": form,
        "secret": secret,
        "made": made,
        "everybody": everybody,
        "days": DAYS,
        "scopes": [(name, label) for name, label in permissions.LABELS.items() if owner.may(name)],
        "owner": owner,
        "services": User.objects.filter(is_service=True, is_active=True).order_by("username") if everybody else (),
    }
    return render(request, "web/settings/tokens.html", context, status=form.status)


@page(may.TOKEN, "POST")
def token_revoke(request: PageRequest, pk: int) -> HttpResponse:
    """End a token."""
    token = administration.revoke_token(pk, by=request.user)
    messages.success(request, _("“%(name)s” opens nothing any more.") % {"name": token.name})
    return redirect("settings-tokens")


def _owner(request: PageRequest, everybody: bool) -> User:
    """Return whose token is made: one's own, or a service account's for who manages users."""
    name = request.POST.get("for", "") or request.GET.get("for", "")
    if not name or name == request.user.username:
        return request.user
    found = User.objects.filter(username=name, is_service=True, is_active=True).first() if everybody else None
    if found is None:
        raise NotFound(_("There is no such service account."))
    return found


def _days(text: str) -> int | None:
    if text == "never":
        return None
    if not text.isdecimal() or len(text) > 6:
        raise ValidationFailed.field("days", _("a number of days, or never"))
    return int(text)


def _posted(request: PageRequest) -> dict[str, Any]:
    names = ("username", "first_name", "last_name", "email")
    values: dict[str, Any] = {name: request.POST.get(name, "").strip() for name in names}
    return values | {"active": "active" in request.POST, "roles": request.POST.getlist("role")}


def _password(request: PageRequest, user: User, password: str) -> HttpResponse:
    return render(request, "web/settings/user_password.html", {"account": user, "password": password})


def _show(request: PageRequest, form: Form, user: User | None) -> HttpResponse:
    context = {"form": form, "v": form.values, "account": user, "roles": Role.objects.all()}
    context["groups"] = user.user_groups.prefetch_related("roles") if user else ()
    context["connected"] = user is not None and identities.is_connected(user)
    context["has_second"] = user is not None and second_factor.is_set(user)
    return render(request, "web/settings/user.html", context, status=form.status)

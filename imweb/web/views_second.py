"""The second factor: asked for after the password, set up and taken away on the page of one's sessions."""

from __future__ import annotations

import time
from typing import Any

import segno
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from imweb.accounts import administration, second_factor, security_keys
from imweb.accounts import permissions as may
from imweb.accounts.models import User
from imweb.errors import ValidationFailed
from imweb.web import own_password
from imweb.web.page import PageRequest, page

HALF = "im_half"
"""In the session of somebody whose password was right: (user, backend, when, where to go on)."""
PATIENCE = 300  # seconds


def ask(request: HttpRequest, user: User, go_on: str) -> HttpResponse:
    """Remember that the password was right, and ask for the second factor."""
    request.session.cycle_key()
    request.session[HALF] = [user.pk, getattr(user, "backend", ""), int(time.time()), go_on]
    return redirect("second")


@sensitive_post_parameters()
@never_cache
def second(request: HttpRequest) -> HttpResponse:
    """Take a code or a key's answer and sign in; without a password before it, back to the beginning."""
    half = request.session.get(HALF)
    user = User.objects.filter(pk=half[0], is_active=True).first() if half else None
    if half is None or user is None or time.time() - half[2] > PATIENCE:
        request.session.pop(HALF, None)
        return redirect("login")
    error = ""
    if request.method == "POST":
        credentials = {"username": user.get_username()}
        if AxesProxyHandler.is_allowed(request, credentials) and _proves(request, user):
            del request.session[HALF]
            login(request, user, backend=half[1] or settings.AUTHENTICATION_BACKENDS[-1])
            request.session[second_factor.PROVED] = True
            return redirect(_safe(request, half[3]))
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
        error = _(
            "That code is not right, was used before, or came too soon after a wrong one. Wait for the next code."
        )
        if "answer" in request.POST:
            error = _("That key did not answer as it should. Try again, or use a code.")
    keys = bool(security_keys.of_user(user)) and security_keys.can_be_used(request)
    context = {
        "error": error,
        "app": second_factor.has_app(user),
        "options": security_keys.asked_to_prove(request, user) if keys else "",
    }
    return render(request, "registration/second.html", context, status=400 if error else 200)


def _proves(request: HttpRequest, user: User) -> bool:
    if "answer" in request.POST:
        return security_keys.proves(request, user, request.POST["answer"])
    return second_factor.proves(user, request.POST.get("code", ""))


@sensitive_post_parameters()
@never_cache
@page(may.VIEW, "GET", "HEAD", "POST")
def setup(request: PageRequest) -> HttpResponse:
    """Show the key for the app, take its first code, and show the recovery codes once."""
    error, wrong_password, codes = "", "", None
    device = second_factor.begin(request.user)
    if request.method == "POST" and (wrong_password := own_password.fault(request)):
        pass
    elif request.method == "POST":
        codes = second_factor.confirm(request.user, request.POST.get("code", ""))
        if codes is None:
            error = _("That code is not right. Compare the clock of the device, and enter the code that it shows now.")
        else:
            request.session[second_factor.PROVED] = True
            _record(request.user, {"second_factor": "set up"})
    drawn = segno.make(device.config_url, error="m").svg_inline(scale=4, light="#fff")
    context = {
        "codes": codes,
        "error": error,
        "wrong_password": wrong_password,
        "secret": second_factor.secret_of(device),
        "picture": mark_safe(drawn),  # noqa: S308 - squares drawn from our own key; the user name is encoded in them
    }
    return render(request, "web/second_setup.html", context, status=400 if error or wrong_password else 200)


@sensitive_post_parameters()
@never_cache
@page(may.VIEW, "GET", "HEAD", "POST")
def key_new(request: PageRequest) -> HttpResponse:
    """Add a security key, and show the recovery codes once if it is the first second factor."""
    faults: dict[str, str] = {}
    if request.method == "POST":
        name = request.POST.get("name", "").strip()
        if fault := own_password.fault(request):
            faults["password"] = fault
        else:
            try:
                security_keys.add(request, request.user, name, request.POST.get("answer", ""))
            except ValidationFailed as error:
                faults = {detail.field: detail.reason for detail in error.details}
            else:
                request.session[second_factor.PROVED] = True
                _record(request.user, {"security_key": "added", "name": name})
                if codes := second_factor.codes_at_first(request.user):
                    return render(request, "web/second_setup.html", {"codes": codes})
                messages.success(request, _("“%(name)s” is added.") % {"name": name})
                return redirect("security")
    usable = security_keys.can_be_used(request)
    context: dict[str, Any] = {
        "faults": faults,
        "usable": usable,
        "options": security_keys.asked_to_add(request, request.user) if usable else "",
        "name": request.POST.get("name", ""),
    }
    return render(request, "web/security_key.html", context, status=400 if faults else 200)


@sensitive_post_parameters()
@page(may.VIEW, "POST")
def remove(request: PageRequest) -> HttpResponse:
    """Take the second factor or one of the keys away; a session alone, which may be stolen, is not enough."""
    if own_password.fault(request):
        messages.error(request, _("The password is not right; the second factor stands as it was."))
    elif key := request.POST.get("key", ""):
        if name := second_factor.remove_key(request.user, key):
            _record(request.user, {"security_key": "removed", "name": name})
            messages.success(request, _("“%(name)s” opens nothing any more.") % {"name": name})
    else:
        second_factor.remove(request.user)
        _record(request.user, {"second_factor": "removed"})
        messages.success(request, _("Signing in asks for the password alone from now on."))
    if not second_factor.is_set(request.user):
        request.session.pop(second_factor.PROVED, None)
    return redirect("security")


def _record(user: User, what: dict[str, str]) -> None:
    administration.record("user", user.username, "changed", None, what, user.username)


def _safe(request: HttpRequest, address: str) -> str:
    if address and url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)

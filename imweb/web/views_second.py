"""The second factor: asked for after the password, set up and taken away on the page of one's sessions."""

from __future__ import annotations

import time

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

from imweb.accounts import administration, second_factor
from imweb.accounts import permissions as may
from imweb.accounts.models import User
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
    """Take the code and sign in; without a password before it, back to the beginning."""
    half = request.session.get(HALF)
    user = User.objects.filter(pk=half[0], is_active=True).first() if half else None
    if half is None or user is None or time.time() - half[2] > PATIENCE:
        request.session.pop(HALF, None)
        return redirect("login")
    error = ""
    if request.method == "POST":
        credentials = {"username": user.get_username()}
        if AxesProxyHandler.is_allowed(request, credentials) and second_factor.proves(
            user, request.POST.get("code", "")
        ):
            del request.session[HALF]
            login(request, user, backend=half[1] or settings.AUTHENTICATION_BACKENDS[-1])
            request.session[second_factor.PROVED] = True
            return redirect(_safe(request, half[3]))
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
        error = _(
            "That code is not right, was used before, or came too soon after a wrong one. Wait for the next code."
        )
    return render(request, "registration/second.html", {"error": error}, status=400 if error else 200)


@sensitive_post_parameters()
@never_cache
@page(may.VIEW, "GET", "HEAD", "POST")
def setup(request: PageRequest) -> HttpResponse:
    """Show the key for the app, take its first code, and show the recovery codes once."""
    error, codes = "", None
    device = second_factor.begin(request.user)
    if request.method == "POST":
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
        "secret": second_factor.secret_of(device),
        "picture": mark_safe(drawn),  # noqa: S308 - squares drawn from our own key; the user name is encoded in them
    }
    return render(request, "web/second_setup.html", context, status=400 if error else 200)


@sensitive_post_parameters()
@page(may.VIEW, "POST")
def remove(request: PageRequest) -> HttpResponse:
    """Take the second factor away; the password is asked for, since a session alone may be stolen."""
    if not request.user.check_password(request.POST.get("password", "")):
        messages.error(request, _("The password is not right; the second factor stands as it was."))
    else:
        second_factor.remove(request.user)
        request.session.pop(second_factor.PROVED, None)
        _record(request.user, {"second_factor": "removed"})
        messages.success(request, _("Signing in asks for the password alone from now on."))
    return redirect("security")


def _record(user: User, what: dict[str, str]) -> None:
    administration.record("user", user.username, "changed", None, what, user.username)


def _safe(request: HttpRequest, address: str) -> str:
    if address and url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)

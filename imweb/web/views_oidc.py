"""Signing in with an OpenID Connect provider, and connecting an account that stands already with one."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET

from imweb.accounts import identities, oidc
from imweb.accounts import permissions as may
from imweb.accounts.models import User
from imweb.accounts.second_factor import PROVED
from imweb.audit.trail import record
from imweb.errors import NotFound, ValidationFailed
from imweb.web import own_password
from imweb.web.page import PageRequest, page

BY = "openid connect"
ARMED = "im_oidc_connect"
"""In the session of somebody who has just proved his password to connect his account: when."""
PATIENCE = 300  # seconds
log = structlog.get_logger(__name__)


@require_GET
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, to sign in or, right after the password, to connect one's account."""
    _on()
    user = request.user
    signed_in = isinstance(user, User) and user.is_authenticated
    connecting = 0
    if signed_in and time.time() - request.session.pop(ARMED, 0) < PATIENCE:
        connecting = user.pk or 0
    elif signed_in:
        return redirect(_safe(request, request.GET.get("next", "")))
    back = settings.IM_PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    flow = oidc.Flow(request.GET.get("next", "")[:2_000], connecting)
    try:
        return oidc.begin(request, back + reverse("oidc-back"), flow)
    except oidc.Refused as refused:
        return _refuse(request, refused)


@require_GET
@never_cache
def back(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer."""
    _on()
    try:
        person, flow = oidc.finish(request)
        if flow.connecting:
            return _connect(request, person, flow)
        user = identities.account_of(person)
    except oidc.Refused as refused:
        return _refuse(request, refused)
    request.im_signed_in_by = BY  # type: ignore[attr-defined]  # the audit trail reads it
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    # The provider has asked for what it asks for.
    request.session[PROVED] = True
    return redirect(_safe(request, flow.go_on))


def _connect(request: HttpRequest, person: oidc.Person, flow: oidc.Flow) -> HttpResponse:
    user = request.user
    if not isinstance(user, User) or user.pk != flow.connecting:
        reason = _("Sign in with your password first; then connect your account.")
        raise oidc.Refused(reason, "the session is no longer the one that began", 400)
    identities.connect(user, person)
    messages.success(request, _("The provider opens your account from now on."))
    return redirect("security")


@sensitive_post_parameters()
@never_cache
@page(may.VIEW, "POST")
def change(request: PageRequest) -> HttpResponse:
    """Begin to connect one's account, or disconnect it; the password is asked for, since a session may be stolen."""
    _on()
    if own_password.fault(request):
        messages.error(request, _("The password is not right; nothing is changed."))
        return redirect("security")
    if request.POST.get("do") == "disconnect":
        try:
            identities.disconnect(request.user, by=request.user.username)
        except ValidationFailed as error:
            messages.error(request, error.reason)
        else:
            messages.success(request, _("The provider does not open your account any more."))
        return redirect("security")
    # Not sent on from here: a browser follows a form to our own addresses only (form-action).
    request.session[ARMED] = int(time.time())
    return render(request, "web/connect.html", {"label": settings.IM_OIDC_LABEL})


def context() -> dict[str, Any]:
    """Return what the sign-in page and the page of one's sessions say of the provider."""
    return {"provider": settings.IM_OIDC_LABEL if oidc.is_on() else ""}


def _on() -> None:
    if not oidc.is_on():
        raise NotFound(_("There is no provider to sign in with; an administrator may set one up."))


def _refuse(request: HttpRequest, refused: oidc.Refused) -> HttpResponse:
    log.warning("oidc_refused", cause=refused.cause)
    user = request.user.get_username() if request.user.is_authenticated else ""
    record("sign_in_failed", user=user, outcome="refused", details={"by": BY, "reason": refused.cause})
    return render(request, "registration/oidc_refused.html", {"reason": refused.reason}, status=refused.status)


def _safe(request: HttpRequest, address: str) -> str:
    if address and url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)

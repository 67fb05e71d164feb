"""Sign-in by a trusted proxy's headers, as OpenSearch Dashboards has it; off unless `IM_PROXY_SIGN_IN` names networks.

Source: OpenSearch's documentation, "Proxy-based authentication" (headers `x-proxy-user`, `x-proxy-roles`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import login, logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from imweb.accounts.administration import USERNAME, give_roles, record
from imweb.accounts.models import User
from imweb.accounts.second_factor import PROVED

BY_PROXY = "im_proxy"
log = structlog.get_logger(__name__)


class ProxySignInMiddleware:
    """Take the user whom a proxy from a trusted network names; refuse the headers from anywhere else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Sign in whom the headers name, before the view asks who it is; raises `PermissionDenied`."""
        if not settings.IM_PROXY_SIGN_IN or request.path.startswith("/healthz/"):
            return
        name = request.headers.get(settings.IM_PROXY_USER_HEADER, "")
        if not name:
            # Who came by the proxy stays only for as long as it says so.
            if settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.get(BY_PROXY):
                logout(request)
            return
        if not _trusted(request.META.get("REMOTE_ADDR", "")):
            log.warning("proxy_header_refused", address=request.META.get("REMOTE_ADDR", ""))
            raise PermissionDenied("sign-in headers from an address that is no trusted proxy")
        user = _user(name, request.headers.get(settings.IM_PROXY_ROLES_HEADER))
        if request.path.startswith("/_im"):
            # A script keeps no cookies: a session for each of its calls would be a row for each.
            request.user = request._cached_user = user  # type: ignore[attr-defined]
        elif request.user.pk != user.pk or not request.session.get(BY_PROXY):
            login(request, user, backend=settings.AUTHENTICATION_BACKENDS[-1])
            request.session[BY_PROXY] = True
            # The proxy has asked for what it asks for.
            request.session[PROVED] = True


def _trusted(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in settings.IM_PROXY_SIGN_IN)


def _user(name: str, roles: str | None) -> User:
    if not USERNAME.fullmatch(name):
        raise PermissionDenied("the proxy names a user whose name cannot be one")
    user = User.objects.prefetch_related("roles").filter(username=name).first()
    if user is None:
        user = User.objects.create_user(name)
        record("user", name, "created", None, {"active": True, "roles": []}, "proxy")
    if not user.is_active or user.is_service:
        raise PermissionDenied("this user may not sign in")
    if roles is not None:
        give_roles(user, {role.strip() for role in roles.split(",")}, by="proxy")
    return user

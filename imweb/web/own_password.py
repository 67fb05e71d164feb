"""Asking for one's own password where a session alone, which may be stolen, is not enough; guesses are counted."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.utils.translation import gettext as _

from imweb.web.page import PageRequest


def fault(request: PageRequest) -> str:
    """Return what is wrong with the password that was sent, "" for the right one; after too many nothing is right."""
    credentials = {"username": request.user.get_username()}
    allowed = AxesProxyHandler.is_allowed(request, credentials)
    if allowed and request.user.check_password(request.POST.get("password", "")):
        return ""
    count_wrong(request)
    return _("The password is not right.")


def count_wrong(request: PageRequest) -> None:
    """Count a wrong password like one at sign-in, and keep it in the audit trail."""
    credentials = {"username": request.user.get_username()}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)

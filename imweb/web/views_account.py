"""Signing in and out, the theme, preferences and help."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from imweb.accounts import administration, identities, second_factor, security_keys
from imweb.accounts import permissions as may
from imweb.accounts.models import User
from imweb.errors import ValidationFailed
from imweb.incidents.severities import severities
from imweb.web import keys, own_password, saved, views_oidc, views_second
from imweb.web.page import PageRequest, page, zone_of

THEMES = [name for name, _label in User.THEMES]
YEAR = 365 * 24 * 3600  # seconds


class SignIn(LoginView):
    """The sign-in page; `expired` says that a session ended under somebody's hands."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, or ask for the second factor of whoever has one."""
        user = form.get_user()
        if isinstance(user, User) and second_factor.is_set(user):
            return views_second.ask(self.request, user, self.get_success_url())
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the visitor was sent here in the middle of something, and the provider's name."""
        expired = "expired" in self.request.GET
        return super().get_context_data(expired=expired, **views_oidc.context(), **kwargs)


sign_in = never_cache(SignIn.as_view())


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """Answer a sign-in after too many that failed: how long to wait (django-axes calls this)."""
    context = {"minutes": settings.IM_SIGN_IN_LOCK_MINUTES}
    answer = render(request, "registration/locked_out.html", context, status=429)
    answer["Retry-After"] = str(settings.IM_SIGN_IN_LOCK_MINUTES * 60)
    return answer


@sensitive_post_parameters()
@never_cache
@page(may.VIEW, "GET", "HEAD", "POST")
def security(request: PageRequest) -> HttpResponse:
    """Change one's password, and sign out everywhere."""
    form = PasswordChangeForm(request.user, request.POST if request.POST.get("do") == "password" else None)
    if request.method == "POST" and request.POST.get("do") == "everywhere":
        administration.end_sessions(request.user, by=request.user.username)
        # This browser stays: it has just proved who it is.
        update_session_auth_hash(request, request.user)
        messages.success(request, _("Every other session of yours has ended."))
        return redirect("security")
    if form.is_bound and form.is_valid():
        form.save()
        update_session_auth_hash(request, request.user)
        administration.record(
            "user", request.user.username, "changed", None, {"password": "changed"}, request.user.username
        )
        messages.success(request, _("Your password is changed; your other sessions have ended."))
        return redirect("security")
    if "old_password" in form.errors and request.POST.get("old_password"):
        own_password.count_wrong(request)
    context = {
        "form": form,
        "idle": settings.SESSION_COOKIE_AGE,
        "life": settings.IM_SESSION_HOURS * 3600,
        "second": second_factor.is_set(request.user),
        "app": second_factor.has_app(request.user),
        "security_keys": security_keys.of_user(request.user),
        "codes_left": second_factor.remaining(request.user),
        "required": settings.IM_SECOND_FACTOR_REQUIRED,
        "has_password": request.user.has_usable_password(),
        "connected": identities.is_connected(request.user),
        **views_oidc.context(),
    }
    return render(request, "web/security.html", context, status=400 if form.errors else 200)


def safe_next(request: HttpRequest) -> str:
    """Return where a form wants to go back to, when that is a page of ours."""
    back = request.POST.get("next", "")
    return back if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}) else "/"


def home(request: HttpRequest) -> HttpResponse:
    """Send a visitor to the incidents: to the view that he begins with, if he chose one."""
    if isinstance(request.user, User) and (url := saved.default_url(request.user)):
        return redirect(url)
    return redirect("incidents")


@page(may.VIEW, "POST")
def set_theme(request: PageRequest) -> HttpResponse:
    """Remember light, dark or as the system."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        raise ValidationFailed.field("theme", _("Choose light, dark or system."))
    request.user.theme = theme
    request.user.save(update_fields=["theme"])
    if request.htmx:
        return HttpResponse(status=204)
    return HttpResponseRedirect(safe_next(request))


@page(may.VIEW, "GET", "HEAD", "POST")
def preferences(request: PageRequest) -> HttpResponse:
    """Show and save what a user prefers: theme, time zone, single keys."""
    error = ""
    held = keys.Keys.of(request.user)
    on, bindings = held.on, held.bindings
    if request.POST.get("do") == "keys-reset":
        keys.keep(request.user, True, [])
        messages.success(request, _("The keys are as they were in the beginning."))
        return redirect(f"{reverse('preferences')}#keys")
    if request.POST.get("do") == "keys":
        on, bindings = keys.asked(request.POST)
        if not any(item.fault for item in bindings):
            keys.keep(request.user, on, bindings)
            messages.success(request, _("Saved."))
            return redirect(f"{reverse('preferences')}#keys")
    elif request.method == "POST":
        zone, theme = request.POST.get("time_zone", ""), request.POST.get("theme", "system")
        if zone and zone not in available_timezones():
            error = _("That is no time zone; use a name such as Europe/Warsaw.")
        elif theme not in THEMES:
            error = _("Choose light, dark or system.")
        else:
            request.user.time_zone, request.user.theme = zone, theme
            request.user.save(update_fields=["time_zone", "theme"])
            messages.success(request, _("Saved."))
            return redirect("preferences")
    context = {
        "themes": User.THEMES,
        "zones": sorted(available_timezones()),
        "default_zone": zone_of(User()),
        "error": error,
        "zone": request.POST.get("time_zone", request.user.time_zone),
        "keys_on": on,
        "bindings": bindings,
        "key_faults": [item for item in bindings if item.fault],
    }
    faulty = error or context["key_faults"]
    return render(request, "web/preferences.html", context, status=400 if faulty else 200)


@page(may.VIEW)
def help_page(request: PageRequest) -> HttpResponse:
    """Explain the query language, the keys and the words."""
    return render(request, "web/help.html")


def severities_css(request: HttpRequest) -> HttpResponse:
    """Return the severities' colours as a stylesheet: a `style` attribute is not allowed."""
    rules = [
        f'[data-sev="{level.name}"]{{--c:light-dark({level.color},{level.color_dark})}}'
        for level in severities()
        # The names and colours come from a form that allows nothing else; this is the second lock.
        if level.name.replace("_", "").replace("-", "").isalnum() and _is_color(level.color, level.color_dark)
    ]
    headers = {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    return HttpResponse("\n".join(rules) + "\n", content_type="text/css; charset=utf-8", headers=headers)


def _is_color(*colors: str) -> bool:
    return all(color.startswith("#") and color[1:].isalnum() and len(color) in (4, 7) for color in colors)

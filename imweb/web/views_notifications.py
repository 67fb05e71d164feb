"""Settings: notification rules, and what became of the messages that they sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.audit.trail import record
from imweb.configuration import store
from imweb.errors import NotFound, ValidationFailed, VersionConflict
from imweb.notifications import delivering, trying
from imweb.notifications.models import Delivery
from imweb.notifications.rules import RULES, save
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base
from imweb.web.settings_pages import notifications_form as forms
from imweb.web.settings_pages.base import Form

PAGE = "settings-notifications"
SHOWN = 50


@page(may.SETTINGS)
def rules(request: PageRequest) -> HttpResponse:
    """List the rules in their order, with what waits and what was given up."""
    context = base.list_context(request, forms.SOURCE)
    items = store.items(RULES, fresh=True)
    found = base.matching(
        items, context["q"], lambda i: f"{i.value.title} {i.value.name} {i.value.channel} {forms.recipients(i.value)}"
    )
    states = Delivery.objects.values("rule").annotate(
        waiting=Count("pk", filter=Q(state__in=Delivery.OPEN)), dead=Count("pk", filter=Q(state=Delivery.DEAD))
    )
    context |= {
        "rules": [(item, forms.recipients(item.value)) for item in found],
        "states": {row["rule"]: row for row in states},
        "labels": forms.EVENT_LABELS,
        "channels": forms.CHANNELS,
        "digests": forms.DIGESTS,
        "dead": sum(row["dead"] for row in states),
    }
    return render(request, "web/notifications/rules.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def rule_new(request: PageRequest) -> HttpResponse:
    """Define a rule."""
    if request.method == "POST":
        return _save(request, Form(forms.posted(request.POST, None), new=True))
    return _show(request, Form(forms.empty(), new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def rule_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a rule."""
    item = base.find(RULES, name)
    if request.method == "POST":
        return _save(request, Form(forms.posted(request.POST, name), base.revision_of(request)))
    return _show(request, Form(RULES.stored(item.value), item.revision))


@page(may.SETTINGS, "POST")
def rule_check(request: PageRequest) -> HttpResponse:
    """Return the preview of a form as typed."""
    check = forms.check(forms.posted(request.POST, None))
    return render(request, "web/notifications/_check.html", {"check": check})


@page(may.SETTINGS, "POST")
def rule_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a rule; what it has still to send is cancelled when its turn comes."""
    store.remove(RULES, name, by=request.user.username, revision=base.revision_of(request))
    messages.success(request, _("The rule is removed. “Undo the last change” brings it back."))
    return redirect(PAGE)


@page(may.SETTINGS, "POST")
def rule_test(request: PageRequest, name: str) -> HttpResponse:
    """Send a message that says it is a test."""
    outcome = trying.send_test(base.find(RULES, name).value, request.user)
    if outcome.ok:
        messages.success(request, _("The test was delivered. E-mail and console tests go to you alone."))
    else:
        messages.error(request, _("The test was not delivered: %(reason)s") % {"reason": outcome.reason})
    return redirect(PAGE)


@page(may.SETTINGS, "POST")
def rules_order(request: PageRequest) -> HttpResponse:
    """Put the rules into another order."""
    return base.reorder(request, forms.SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def rules_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, forms.SOURCE, PAGE)


@page(may.SETTINGS)
def deliveries(request: PageRequest) -> HttpResponse:
    """List messages and what became of them, the newest first; those given up by themselves."""
    state = request.GET.get("state", "")
    rule = request.GET.get("rule", "")[:64]
    rows = Delivery.objects.select_related("user").prefetch_related("tries")
    counts = dict(Delivery.objects.order_by().values_list("state").annotate(Count("pk")))
    if state in dict(Delivery.STATES):
        rows = rows.filter(state=state)
    if rule:
        rows = rows.filter(rule=rule)
    number = request.GET.get("page", "1")
    at = max(int(number), 1) if number.isdecimal() and len(number) < 6 else 1
    found = list(rows[(at - 1) * SHOWN : at * SHOWN + 1])
    context = {
        "deliveries": found[:SHOWN],
        "state": state,
        "rule": rule,
        "states": [(name, label, counts.get(name, 0)) for name, label in Delivery.STATES],
        "total": sum(counts.values()),
        "previous": at - 1 if at > 1 else None,
        "next": at + 1 if len(found) > SHOWN else None,
    }
    return render(request, "web/notifications/deliveries.html", context)


@page(may.SETTINGS, "POST")
def delivery_retry(request: PageRequest) -> HttpResponse:
    """Let one message that was given up be tried anew, or all of them."""
    one = request.POST.get("id", "")[:40]
    if one:
        delivering.retry(one)
        record("system", user=request.user.username, target=f"delivery/{one}", details={"action": "retry"})
        messages.success(request, _("It is tried again within seconds."))
    else:
        dead = Delivery.objects.filter(state=Delivery.DEAD).values_list("pk", flat=True)
        count = sum(1 for pk in list(dead[:10_000]) if _retried(pk))
        if count:
            more = {"action": "retry", "deliveries": count}
            record("system", user=request.user.username, target="deliveries", details=more)
        messages.success(request, _("%(n)s are tried again within seconds.") % {"n": f"{count:,}"})
    return redirect("notification-deliveries")


def _retried(delivery_id: str) -> bool:
    try:
        delivering.retry(delivery_id)
    except NotFound:
        return False
    return True


def _save(request: PageRequest, form: Form) -> HttpResponse:
    if "check" in request.POST:
        return _show(request, form)
    try:
        saved = save(form.values, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        form.refuse(error, forms.LABELS)
        if form.new:
            form.collision, form.faults = None, {"name": [_("there is a rule of this name already")]}
        else:
            form.revision = base.find(RULES, form.values["name"]).revision
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    messages.success(request, _("“%(title)s” is saved.") % {"title": saved.value.title})
    return redirect(PAGE)


def _show(request: PageRequest, form: Form) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "labels": forms.LABELS,
        "v": form.values,
        "existing": "" if form.new else form.values["name"],
        "events": forms.EVENT_LABELS,
        "channels": forms.CHANNELS,
        "digests": forms.DIGESTS,
        "roles": forms.roles(),
        "check": forms.check(form.values),
    }
    return render(request, "web/notifications/rule.html", context, status=form.status)

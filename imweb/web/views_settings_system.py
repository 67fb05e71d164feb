"""The system page: how the parts are, and what an administrator may do about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.accounts import permissions as may
from imweb.accounts.models import User
from imweb.audit.trail import record
from imweb.errors import ImError, NotFound
from imweb.incidents import jobs, pits
from imweb.runs import report
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import health, inforce
from imweb.web.settings_pages.points import points


@page(may.SYSTEM)
def system(request: PageRequest) -> HttpResponse:
    """Show how everything is; a part that does not answer says so and the others go on."""
    cluster = health.cluster()
    lines = health.jobs()
    context = {
        "cluster": cluster,
        "background": report.background(),
        "failed": report.failed(),
        "points": points(ask=not cluster.problem),
        "jobs": lines,
        "stuck": sum(line.stuck for line in lines),
        "outgoing": health.outgoing(),
        "versions": health.versions(),
        "waiting": health.waiting_fields(),
        "groups": inforce.groups(),
        "may_act": request.user.may(may.SETTINGS),
    }
    return render(request, "web/settings/system.html", context)


@page(may.SETTINGS, "POST")
def close_pit(request: PageRequest, name: str) -> HttpResponse:
    """Close a point in time of the pool; whoever pages through it is given a new one at the same row."""
    if pits.close_slot(name):
        _note(request, "close", f"pit/{name}")
        messages.success(request, _("The point in time is closed."))
    else:
        messages.warning(request, _("It had ended already, or Redis does not answer; nothing was closed."))
    return redirect("system")


@page(may.SETTINGS, "POST")
def end_leases(request: PageRequest, user_id: int) -> HttpResponse:
    """End all that a user holds, his scripts' too; points in time that nobody else holds are closed."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no such user any more; what he holds ends by itself."))
    ended = pits.release_all(user.pk)
    if ended:
        _note(request, "close", f"leases/{user.username}", leases=ended)
        text = ngettext("%(n)s lease of %(name)s is ended.", "%(n)s leases of %(name)s are ended.", ended)
        messages.success(request, text % {"n": ended, "name": user.username})
    else:
        messages.warning(request, _("He held none any more, or Redis does not answer; nothing was closed."))
    return redirect("system")


@page(may.SETTINGS, "POST")
def retry_task(request: PageRequest, pk: int) -> HttpResponse:
    """Send a failed task again; it stands here until it succeeds."""
    return _act(request, pk, "retry")


@page(may.SETTINGS, "POST")
def forget_task(request: PageRequest, pk: int) -> HttpResponse:
    """Set a failed task aside."""
    return _act(request, pk, "set aside")


@page(may.SETTINGS, "POST")
def resume_jobs(request: PageRequest) -> HttpResponse:
    """Hand the jobs that nobody works on to a worker, as beat does too."""
    if problem := report.background().problem:
        messages.error(request, _("The queue does not answer, so nothing was sent: %(why)s") % {"why": problem})
        return redirect("system")
    found = jobs.resume()
    if found:
        _note(request, "retry", "jobs", jobs=found)
        text = ngettext("%(n)s job was handed to a worker.", "%(n)s jobs were handed to a worker.", len(found))
        messages.success(request, text % {"n": len(found)})
    else:
        messages.info(request, _("No job waits for a worker any more."))
    return redirect("system")


@page(may.SETTINGS, "POST")
def stop_job(request: PageRequest, job_id: str) -> HttpResponse:
    """End a job that is not finished; what it has changed stays as it is."""
    if jobs.stop(job_id, request.user.username):
        _note(request, "stop", f"job/{job_id}")
        messages.success(request, _("The job is stopped; what it had changed stays changed."))
    else:
        messages.info(request, _("There is no such job, or it has ended already."))
    return redirect("system")


def _act(request: PageRequest, pk: int, action: str) -> HttpResponse:
    try:
        row = report.retry(pk) if action == "retry" else report.set_aside(pk)
    except ImError as error:
        messages.error(request, error.reason)
        return redirect("system")
    _note(request, action, f"task/{row.task}", arguments=row.args, failed=row.count)
    if action == "retry":
        messages.success(request, _("%(task)s was sent again; its row goes once it succeeds.") % {"task": row.task})
    else:
        messages.success(request, _("%(task)s is set aside.") % {"task": row.task})
    return redirect("system")


def _note(request: PageRequest, action: str, target: str, **more: Any) -> None:
    record("system", user=request.user.username, target=target, details={"action": action, **more})

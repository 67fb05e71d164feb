"""Settings: workflows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.configuration import store
from imweb.errors import ValidationFailed, VersionConflict
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, moving, touched, workflow_form
from imweb.web.settings_pages.base import Form, KindSource
from imweb.web.settings_pages.touched import Touched
from imweb.web.settings_pages.workflow_form import Typed
from imweb.workflows import all_statuses, default_workflow, get_workflow
from imweb.workflows.definitions import WORKFLOWS, WorkflowDefinition

SOURCE = KindSource(WORKFLOWS)
PAGE = "settings-workflows"


@page(may.SETTINGS)
def workflows(request: PageRequest) -> HttpResponse:
    """List the workflows, and the statuses of incidents that no workflow knows."""
    context = base.list_context(request, SOURCE)
    everything = [item.value for item in store.items(WORKFLOWS, fresh=True)]
    found = base.matching(everything, context["q"], lambda w: f"{w.title} {w.name}")
    counts = touched.counts("workflow_id")
    context |= {
        "workflows": found,
        "counts": counts or {},
        "no_counts": counts is None,
        "unknown": workflow_form.strays(everything, touched.pairs("workflow_id", "status") or {}),
    }
    return render(request, "web/settings/workflows.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def workflow_new(request: PageRequest) -> HttpResponse:
    """Add a workflow, beginning with the statuses and steps of the default one."""
    if request.method == "POST":
        return _save(request, Form({}, new=True), None)
    found = next(item.value for item in store.items(WORKFLOWS, fresh=True) if item.value.default)
    typed = workflow_form.from_definition(found)
    typed.name, typed.title, typed.default, typed.rules, typed.incident_types = "", "", False, [], []
    return _show(request, Form({}, new=True), typed, None)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def workflow_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a workflow."""
    item = base.find(WORKFLOWS, name)
    if request.method == "POST":
        return _save(request, Form({}, base.revision_of(request)), item.value)
    return _show(request, Form({}, item.revision), workflow_form.from_definition(item.value), item.value)


@page(may.SETTINGS, "POST")
def workflow_check(request: PageRequest) -> HttpResponse:
    """Return the matrix of the rows as typed, or the picture and the faults of the whole form."""
    existing = base.find(WORKFLOWS, name).value if (name := request.POST.get("existing", "")) else None
    typed = workflow_form.typed(request.POST, existing)
    template = "_workflow_matrix" if request.htmx.target == "matrix" else "_workflow_check"
    context = _context(Form({}), typed, existing, request) | {"fragment": True}
    return render(request, f"web/settings/{template}.html", context)


@page(may.SETTINGS, "POST")
def workflow_default(request: PageRequest, name: str) -> HttpResponse:
    """Make a workflow the default."""
    workflow_form.make_default(name, by=request.user.username)
    messages.success(request, _("Incidents that no other workflow claims follow it from now on."))
    return redirect(PAGE)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def workflow_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a workflow; its incidents follow the default one, in its first status where theirs is unknown there."""
    item = base.find(WORKFLOWS, name)
    if request.method == "POST":
        last = base.last_change(SOURCE.kind)
        try:
            store.remove(WORKFLOWS, name, by=request.user.username, revision=base.revision_of(request))
        except (ValidationFailed, VersionConflict) as error:
            messages.error(request, error.reason)
            return redirect(PAGE)
        messages.success(request, _("“%(title)s” is removed.") % {"title": item.value.title})
        default, made = default_workflow(), base.made_since(SOURCE.kind, last, request.user.username)
        for status in item.value.statuses:
            changes = {"workflow_id": default.id}
            if default.status(status.name) is None:
                changes["status"] = default.initial
            where = {"workflow_id": name, "status": status.name}
            words = (f"{item.value.title}: {status.title}", default.title)
            moving.change(request, SOURCE.kind, made, where, changes, words)
        return redirect(PAGE)
    context = {"workflow": item.value, "revision": item.revision, "touched": touched.by_workflow(name)}
    return render(request, "web/settings/workflow_remove.html", context | {"default": default_workflow()})


@page(may.SETTINGS, "GET", "HEAD", "POST")
def status_unknown(request: PageRequest, name: str) -> HttpResponse:
    """Move incidents in a status that their workflow, `workflow`, does not have; a removed one's go to the default."""
    sent = request.POST if request.method == "POST" else request.GET
    where = {"status": name, "workflow_id": sent.get("workflow", "") or default_workflow().id}
    workflow = get_workflow(where["workflow_id"]) or default_workflow()
    if request.method == "POST":
        mapping = moving.posted(request, [name], [status.name for status in workflow.statuses])
        changes = {"status": mapping[name], "workflow_id": workflow.id}
        titles = _titles() | {status.name: status.title for status in workflow.statuses}
        words = (titles.get(name, name), titles[mapping[name]])
        moving.change(request, SOURCE.kind, None, where, changes, words)
        return redirect(PAGE)
    count = touched.count({"bool": {"filter": [{"term": {field: value}} for field, value in where.items()]}})
    context = {"name": name, "count": count, "workflow": workflow, "of": where["workflow_id"]}
    return render(request, "web/settings/status_unknown.html", context)


@page(may.SETTINGS, "POST")
def workflows_order(request: PageRequest) -> HttpResponse:
    """Put the workflows into another order."""
    return base.reorder(request, SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def workflows_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, PAGE)


def _save(request: PageRequest, form: Form, existing: WorkflowDefinition | None) -> HttpResponse:
    typed = workflow_form.typed(request.POST, existing)
    if "redraw" in request.POST or "move" in request.POST:
        moved = typed.moved(request.POST.get("move", ""))
        return _show(request, form, typed, existing, moved)
    mapping: dict[str, str] = {}
    last = base.last_change(SOURCE.kind)
    try:
        definition = WORKFLOWS.parse(typed.data)
        held = [name for name, used in _going(existing, typed).items() if used.incidents != 0]
        mapping = moving.posted(request, held, [status.name for status in definition.statuses])
        store.save(WORKFLOWS, typed.data, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        if form.new:
            form.faults = {"name": [_("there is a workflow of this name already")]}
        else:
            form.refuse(error, workflow_form.LABELS)
            form.revision = base.find(WORKFLOWS, typed.name).revision
        return _show(request, form, typed, existing)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form, typed, existing)
    messages.success(request, _("“%(title)s” is saved.") % {"title": typed.title})
    made = base.made_since(SOURCE.kind, last, request.user.username)
    titles = {status.name: status.title for status in (*existing.statuses, *definition.statuses)} if existing else {}
    moving.move(request, SOURCE.kind, made, "status", mapping, only={"workflow_id": typed.name}, titles=titles)
    return redirect(PAGE)


def _titles() -> dict[str, str]:
    """Return what statuses are called, whichever workflow has them."""
    return {status.name: status.title for status in all_statuses()}


def _going(existing: WorkflowDefinition | None, typed: Typed) -> dict[str, Touched]:
    """Return the statuses that go away, with what uses them; incidents are unknown while OpenSearch is down."""
    if existing is None:
        return {}
    names = {row.name for row in typed.used}
    gone = [status.name for status in existing.statuses if status.name not in names]
    return {name: touched.by_status(existing.name, name) for name in gone}


def _context(form: Form, typed: Typed, existing: WorkflowDefinition | None, request: PageRequest) -> dict[str, Any]:
    chosen = {name.removeprefix("to."): value for name, value in request.POST.items() if name.startswith("to.")}
    return {
        "form": form,
        "labels": workflow_form.LABELS,
        "w": typed,
        "check": workflow_form.check(typed, existing),
        "existing": existing.name if existing else "",
        "going": _going(existing, typed),
        "chosen": chosen,
        "who": workflow_form.WHO,
        "needs": workflow_form.REQUIRED,
        "colors": workflow_form.COLOR_LABELS,
        "touched": touched.by_workflow(existing.name) if existing else None,
    }


def _show(
    request: PageRequest, form: Form, typed: Typed, existing: WorkflowDefinition | None, moved: int = -1
) -> HttpResponse:
    context = _context(form, typed, existing, request) | {"moved": moved}
    return render(request, "web/settings/workflow.html", context, status=form.status)

"""Settings: links out of cards."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.configuration import store
from imweb.errors import ValidationFailed, VersionConflict
from imweb.incidents.links import ENTITY_LINKS
from imweb.web.page import PageRequest, page
from imweb.web.settings_pages import base, links_form
from imweb.web.settings_pages.base import Form

SOURCE = links_form.SOURCE
PAGE = "settings-links"


@page(may.SETTINGS)
def links(request: PageRequest) -> HttpResponse:
    """List the links."""
    context = base.list_context(request, SOURCE)
    standing = [item.value for item in store.items(ENTITY_LINKS, fresh=True)]
    context |= {
        "links": base.matching(standing, context["q"], links_form.matching_text),
        "labels": links_form.labels_of(standing),
    }
    return render(request, "web/settings/links.html", context)


@page(may.SETTINGS, "GET", "HEAD", "POST")
def link_new(request: PageRequest) -> HttpResponse:
    """Add a link."""
    if request.method == "POST":
        return _save(request, Form(links_form.posted(request.POST, None), new=True))
    return _show(request, Form(links_form.blank(), new=True))


@page(may.SETTINGS, "GET", "HEAD", "POST")
def link_edit(request: PageRequest, name: str) -> HttpResponse:
    """Change a link."""
    item = base.find(ENTITY_LINKS, name)
    if request.method == "POST":
        return _save(request, Form(links_form.posted(request.POST, name), base.revision_of(request)))
    return _show(request, Form(ENTITY_LINKS.stored(item.value), item.revision))


@page(may.SETTINGS, "POST")
def link_check(request: PageRequest) -> HttpResponse:
    """Return where a link as typed would lead."""
    existing = request.POST.get("existing", "")
    check = links_form.check(links_form.posted(request.POST, existing or None), new=not existing)
    return render(request, "web/settings/_link_check.html", {"check": check, "labels": links_form.LABELS})


@page(may.SETTINGS, "POST")
def link_remove(request: PageRequest, name: str) -> HttpResponse:
    """Remove a link; it can be taken back on the list."""
    item = base.find(ENTITY_LINKS, name)
    try:
        store.remove(ENTITY_LINKS, name, by=request.user.username, revision=base.revision_of(request))
    except VersionConflict as error:
        messages.error(request, error.reason)
    else:
        messages.success(request, _("“%(title)s” is removed.") % {"title": item.value.title})
    return redirect(PAGE)


@page(may.SETTINGS, "POST")
def links_order(request: PageRequest) -> HttpResponse:
    """Put the links into another order."""
    return base.reorder(request, SOURCE, PAGE)


@page(may.SETTINGS, "POST")
def links_undo(request: PageRequest) -> HttpResponse:
    """Take back the last change."""
    return base.undo(request, SOURCE, PAGE)


def _save(request: PageRequest, form: Form) -> HttpResponse:
    if "check" in request.POST:
        return _show(request, form)
    try:
        store.save(ENTITY_LINKS, form.values, by=request.user.username, revision=form.revision)
    except VersionConflict as error:
        if form.new:
            form.faults = {"name": [_("there is a link of this name already")]}
        else:
            form.refuse(error, {name: str(label) for name, label in links_form.LABELS.items()})
            # Saving once more is then a decision for what was typed, made knowing what it replaces.
            form.revision = base.find(ENTITY_LINKS, form.values["name"]).revision
        return _show(request, form)
    except ValidationFailed as error:
        form.refuse(error)
        return _show(request, form)
    messages.success(request, _("“%(title)s” is saved.") % {"title": form.values["title"]})
    return redirect(PAGE)


def _show(request: PageRequest, form: Form) -> HttpResponse:
    context = {
        "form": form,
        "labels": links_form.LABELS,
        "v": form.values,
        "existing": "" if form.new else form.values["name"],
        "choices": links_form.choices(),
        "tokens": links_form.tokens(),
        "check": links_form.check(form.values, new=form.new),
    }
    return render(request, "web/settings/link.html", context, status=form.status)

"""The frame of a page of figures: read the address, answer with a page or with what changes, say what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render

from imweb.accounts.actor import actor_of
from imweb.errors import ImError, QueryRejected, ValidationFailed
from imweb.incidents.params import Filters
from imweb.web import errors
from imweb.web.figures.state import FigureState
from imweb.web.listing import context, forms, load
from imweb.web.listing.preferences import ListPreferences
from imweb.web.page import PageRequest, zone_of

Json = dict[str, Any]
Fill = Callable[[load.Frame, FigureState, Filters], tuple[Json, int]]


def read(request: PageRequest, path: str, known: Mapping[str, Iterable[str]]) -> tuple[load.Frame, FigureState]:
    """Return who asks and for what; `known` are the page's own parameters and their values."""
    actor = actor_of(request.user, default_zone=zone_of(request.user))
    here = load.frame(actor, str(request.session.session_key or ""), ListPreferences.of(request.user))
    parameters = {name: [str(value) for value in values] for name, values in request.GET.lists()}
    return here, FigureState.read(parameters, path, known)


def filters_of(here: load.Frame, state: FigureState) -> Filters:
    """Return what the address filters by; raises `ValidationFailed` or `QueryRejected` with every fault."""
    return state.query(here.registry, here.actor.time_zone, None).filters


def respond(request: PageRequest, here: load.Frame, state: FigureState, template: str, fill: Fill) -> HttpResponse:
    """Answer with `<template>/page.html`, or with its `_view.html` where htmx swaps what changes.

    `fill` returns the figures' own context and the moment, in epoch milliseconds, at which they were counted.
    """
    if moved := forms.meant(request.GET, state):
        return redirect(moved)
    fragment = bool(request.htmx) and not request.htmx.history_restore_request
    status, headers = 200, {}
    try:
        own, now_ms = fill(here, state, filters_of(here, state))
        values = frame(here, state, now_ms) | own | {"as_of_ms": now_ms}
    except ImError as error:
        mistaken = isinstance(error, ValidationFailed | QueryRejected)
        if fragment and not mistaken:
            # The figures that stand stay as they are; a toast says why.
            return errors.from_im_error(request, error)
        values = frame(here, state) | _fault(error, state)
        # htmx swaps what says where the mistake is like any other answer.
        status, headers = (200 if fragment else error.status), error.headers
    name = "_view.html" if fragment else "page.html"
    response = render(request, f"{template}/{name}", values | {"swapped": fragment}, status=status)
    for header, value in headers.items():
        response[header] = value
    if fragment:
        response["HX-Retarget"], response["HX-Reswap"] = "#view", "outerHTML"
        response["HX-Push-Url"] = state.url
    return response


def frame(here: load.Frame, state: FigureState, now_ms: int | None = None) -> Json:
    """Return what stands even when nothing could be read: query bar, chips, time; nothing here counts new rows."""
    return context.frame_context(here, state, now_ms) | {"autos": [], "figures": [], "list_url": state.listed().url}


def _fault(error: ImError, state: FigureState) -> Json:
    query_faults, faults = context.faults_of(error, state)
    title, icon, retry = errors.title_of(error.status)
    mistaken = isinstance(error, ValidationFailed | QueryRejected)
    failure = {"title": title, "reason": error.reason, "icon": icon, "retry": retry}
    return {"query_faults": query_faults, "faults": faults, "failure": None if mistaken else failure}

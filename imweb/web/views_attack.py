"""The ATT&CK matrix page and its download as a Navigator layer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.audit.trail import record
from imweb.incidents import dsl, mitre
from imweb.incidents.figures.attack import HOST, attack_figures
from imweb.incidents.params import Filters
from imweb.web.attack import cells
from imweb.web.attack.layer import layer
from imweb.web.figures import page as figures
from imweb.web.figures.state import FigureState
from imweb.web.listing.load import Frame
from imweb.web.page import PageRequest, page

Json = dict[str, Any]
BY, SHOWN, PARTS = "by", "techniques-shown", "sub-techniques"
OWN = {BY: ("hosts",), SHOWN: ("all",), PARTS: ("open",)}


@page(may.VIEW)
def attack(request: PageRequest) -> HttpResponse:
    """Show how often each technique was seen in the incidents under the filters."""
    here, state = figures.read(request, reverse("attack"), OWN)
    return figures.respond(request, here, state, "web/attack", _fill)


@page(may.EXPORT)
def attack_layer(request: PageRequest) -> HttpResponse:
    """Send the matrix as a layer for ATT&CK Navigator."""
    here, state = figures.read(request, reverse("attack"), OWN)
    hosts = state.shows(BY) == "hosts"
    filters = figures.filters_of(here, state)
    found = attack_figures(here.actor, filters, with_hosts=hosts)
    start, end = dsl.time_bounds(filters, found.now_ms)
    ends = [
        _("the beginning") if start is None else _day(start, here),
        _("the end") if end is None else _day(end, here),
    ]
    name = _("Incidents from %(start)s to %(end)s") % {"start": ends[0], "end": ends[1]}
    chips = [pair for pair in state.pairs() if pair[0] not in (BY, SHOWN, PARTS, "start", "end")]
    asked = ", ".join(f"{field}: {value}" for field, value in chips)
    answer = JsonResponse(layer(found, name, asked, hosts=hosts), json_dumps_params={"indent": 1})
    details = {"asked": dict(request.GET.lists())}
    record("export", user=request.user.username, target="attack.layer", details=details)
    stamp = f"{timezone.localtime():%Y%m%d-%H%M%S}"
    answer["Content-Disposition"] = f'attachment; filename="attack-layer-{stamp}.json"'
    return answer


def _day(at_ms: int, here: Frame) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(here.tz):%Y-%m-%d %H:%M}"


def _fill(here: Frame, state: FigureState, filters: Filters) -> tuple[Json, int]:
    hosts, everything = state.shows(BY) == "hosts", state.shows(SHOWN) == "all"
    found = attack_figures(here.actor, filters, with_hosts=hosts)
    has_hosts = here.registry.get(HOST) is not None
    drawn = cells.matrix(found, state.listed(), here.registry, hosts=hosts, everything=everything)
    values = {
        "found": found,
        "hidden_ids": here.registry.get("mitre") is None,
        "matrix": drawn,
        "by_hosts": hosts,
        "everything": everything,
        "open_parts": state.shows(PARTS) == "open",
        "version": mitre.attack_version(),
        "licence": mitre.licence(),
        "switches": [
            *([_switch(state, _("Count"), BY, ("", _("Incidents")), ("hosts", _("Hosts")))] if has_hosts else []),
            _switch(state, _("Techniques"), SHOWN, ("", _("Seen")), ("all", _("All"))),
            _switch(state, _("Sub-techniques"), PARTS, ("", _("Folded")), ("open", _("Open"))),
        ],
        "statistics_url": state.elsewhere(reverse("statistics")).url,
        "layer_url": state.elsewhere(reverse("attack-layer")).showing(BY, state.shows(BY)).url,
    }
    return values, found.now_ms


def _switch(state: FigureState, label: str, name: str, *choices: tuple[str, str]) -> Json:
    return {
        "label": label,
        "choices": [
            {"label": text, "url": state.showing(name, value).url, "on": state.shows(name) == value}
            for value, text in choices
        ],
    }

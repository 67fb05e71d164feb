"""A verdict that holds for those like it too: the frozen list of them, and the change of many that it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse

from imweb.incidents import insights
from imweb.incidents.documents import Document
from imweb.incidents.pits import result_sets
from imweb.web.bulk.fields import PREFIX
from imweb.web.bulk.selection import state_of
from imweb.web.listing.load import Frame
from imweb.web.listing.rows import similar
from imweb.web.listing.state import ListState
from imweb.workflows import all_statuses

CARRIED = ("status", "resolution", "resolution_note")


@dataclass(frozen=True, slots=True)
class Alike:
    """Open incidents of the same rule and host (or user) within thirty days, frozen, and what is to be set."""

    url: str
    total: int
    values: list[tuple[str, str]]


def alike(here: Frame, doc: Document, wanted: Mapping[str, Any]) -> Alike | None:
    """Return the open ones like an incident that was just given a verdict; None when there is no other.

    Raises what opening a point in time raises.
    """
    base = ListState(path=reverse("incidents"), start=f"now-{insights.SEEN_DAYS}d", mode="incidents", size="25")
    found = similar(doc.source, base)
    if found is None:
        return None
    state = state_of(found.url).with_filter("status", [item.name for item in all_statuses() if not item.terminal])
    key, lease = result_sets.new_result_set(here.session_key, here.actor.user_id, with_aggregations=False)
    query = state.query(here.registry, here.actor.time_zone, lease.token)
    total = insights.counts(here.actor, query.filters, lease.token).rows
    if not total:
        result_sets.release_result_set(here.session_key, key)
        return None
    values = [(f"{PREFIX}{name}", str(wanted[name])) for name in CARRIED if wanted.get(name)]
    return Alike(replace(state, rs=key).url, total, values)

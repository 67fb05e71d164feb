"""Every fault of a request in one answer, also those that come to light only where the data are read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import Detail, NotFound, QueryRejected, ValidationFailed
from imweb.incidents import dsl, times
from imweb.incidents.access import registry_of
from imweb.incidents.paging import cursor
from imweb.incidents.params import Filters, ListingParams, sort_entries, sort_of, validated
from imweb.incidents.pits import Lease, pool
from imweb.incidents.resultset import INCIDENTS_ONLY

# What is looked at late: where the point in time, the order of the times and the place are needed.
_LATE = ("pit", "is_show_aggs", "start_time", "end_time", "time_zone", "sort", "search_after", "next")


@contextmanager
def together(raw: Mapping[str, Any], actor: Actor) -> Iterator[None]:
    """Add to a refusal what else is wrong with the parameters that were sent."""
    try:
        yield
    except (ValidationFailed, QueryRejected) as error:
        found = {(fault.field, fault.reason): fault for fault in error.details}
        late = {(fault.field, fault.reason): fault for fault in _late(raw, actor)}
        if isinstance(error, QueryRejected) and not late:
            raise
        every = [_as_sent(fault, raw) for fault in {**found, **late}.values()]
        if not every:
            raise
        raise ValidationFailed.of(every) from None


def _as_sent(fault: Detail, raw: Mapping[str, Any]) -> Detail:
    """Name the cursor by the parameter that it came in."""
    named = fault.field == "search_after" and raw.get("next") and not raw.get("search_after")
    return replace(fault, field="next") if named else fault


def _late(raw: Mapping[str, Any], actor: Actor) -> list[Detail]:
    given = {name: raw[name] for name in _LATE if raw.get(name) is not None}
    faults: list[Detail] = []
    if isinstance(given.get("sort"), str):
        given["sort"] = sort_entries(given["sort"], faults)
    params = validated(ListingParams, given, faults, lenient=False)
    sort = sort_of(params.sort, registry_of(actor), faults)
    # They are told by whoever reads all parameters.
    wrong = {fault.field.partition(".")[0].partition("[")[0] for fault in faults}
    found: list[Detail] = []
    lease = _lease(params.pit, actor, found)
    if lease and params.is_show_aggs and not lease.with_aggregations:
        found.append(Detail("is_show_aggs", INCIDENTS_ONLY))
    place = params.search_after or params.next
    if place and not wrong & {"sort", "search_after", "next"}:
        try:
            cursor.decode(place, sort.signature)
        except ValidationFailed as error:
            found += error.details
    if {"start_time", "end_time"} <= given.keys() and not wrong & {"start_time", "end_time", "time_zone"}:
        found += _times(params, actor, lease)
    return found


def _lease(token: str | None, actor: Actor, found: list[Detail]) -> Lease | None:
    try:
        return None if token is None else pool.read(token, actor.user_id)
    except ValidationFailed as error:
        found += error.details
    except NotFound:
        pass
    return None


def _times(params: ListingParams, actor: Actor, lease: Lease | None) -> list[Detail]:
    zone = params.time_zone or actor.time_zone
    try:
        times.parse_zone(zone)
        now_ms = lease.created_ms if lease else time.time_ns() // 1_000_000
        dsl.time_bounds(Filters(start_time=params.start_time, end_time=params.end_time, zone=zone), now_ms)
    except times.BadInstant:
        pass
    except ValidationFailed as error:
        return error.details
    return []

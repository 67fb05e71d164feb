"""Lists: incidents and aggregation results by filters, incidents by their fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imweb.accounts import permissions
from imweb.api import examples, schemas
from imweb.api.operations import Call, Operation
from imweb.api.parameters import merged, refuse, too_long
from imweb.api.together import together
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import services
from imweb.incidents.access import registry_of
from imweb.incidents.params import (
    LISTING_NAMES,
    ListingParams,
    ListQuery,
    StatisticsParams,
    StatisticsQuery,
    parse_field_listing,
    parse_listing,
    parse_statistics,
)

Json = dict[str, Any]


def _list(call: Call) -> Json:
    faults: list[Detail] = []
    raw = merged(ListingParams, call.query, call.body, faults)
    with together(raw, call.actor):
        return services.list_documents(call.actor, _listing_query(call, raw, faults)).as_json()


def _statistics(call: Call) -> Json:
    faults: list[Detail] = []
    raw = merged(StatisticsEverything, call.query, call.body, faults)
    with together(raw, call.actor):
        return services.severity_statistics(call.actor, _statistics_query(call, raw, faults)).as_json()


def _incidents(call: Call) -> Json:
    faults: list[Detail] = []
    texts = _all_texts(call, faults)
    with together({name: values[0] for name, values in texts.items()}, call.actor):
        return services.list_documents(call.actor, _field_query(call, texts, faults)).as_json()


def _listing_query(call: Call, raw: Json, faults: list[Detail]) -> ListQuery:
    """Return the page asked for; raises `ValidationFailed` with every fault of body and query string."""
    try:
        query = parse_listing(raw, registry=registry_of(call.actor), zone=call.actor.time_zone)
    except ValidationFailed as error:
        refuse(faults, error)
        raise
    refuse(faults)
    return query


def _statistics_query(call: Call, raw: Json, faults: list[Detail]) -> StatisticsQuery:
    """Return the statistics asked for; raises `ValidationFailed` with every fault of body and query string."""
    try:
        query = parse_statistics(raw, registry=registry_of(call.actor), zone=call.actor.time_zone)
    except ValidationFailed as error:
        refuse(faults, error)
        raise
    refuse(faults)
    return query


def _all_texts(call: Call, faults: list[Detail]) -> dict[str, list[str]]:
    """Return the parameters of body and query string, each with all its values."""
    too_long(call.query, faults)
    texts = {name: list(values) for name, values in call.query.items()}
    for name, value in call.body.items():
        given = _texts(name, value, faults)
        if name in LISTING_NAMES and texts.get(name, given) != given:
            faults.append(Detail(name, "given in the body and in the query string with different values"))
        elif name in LISTING_NAMES:
            texts[name] = given
        else:
            texts[name] = [*texts.get(name, ()), *given]
    return {name: values for name, values in texts.items() if values}


def _field_query(call: Call, texts: Mapping[str, Sequence[str]], faults: list[Detail]) -> ListQuery:
    """Return the page that field filters ask for; a body may hold them as well as the query string."""
    try:
        query = parse_field_listing(texts, registry=registry_of(call.actor), zone=call.actor.time_zone)
    except ValidationFailed as error:
        refuse(faults, error)
        raise
    refuse(faults)
    return query


def _texts(name: str, value: Any, faults: list[Detail]) -> list[str]:
    if name == "sort" and isinstance(value, list):
        # As the other lists take it.
        return [json.dumps(value)]
    if value == []:
        faults.append(Detail(name, "one value or more"))
    found = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            found.append("true" if item else "false")
        elif isinstance(item, str | int | float):
            found.append(str(item))
        else:
            faults.append(Detail(name, "a text, a number, true or false, or a list of them"))
    return found


class StatisticsEverything(ListingParams, StatisticsParams):
    """The parameters of `stats/severity`: the filters, and those of the list, which change nothing here."""


_EXAMPLE = {
    "from": 0,
    "size": 25,
    "search_query": '{"match_all":{}}',
    "additional_fields": [],
    "start_time": "now-1d",
    "end_time": "now",
    "with_total_docs": True,
    "is_show_aggs": True,
}
_PAGE = {"docs": [examples.INCIDENT], "total_docs": 158, "pit": None, "next": "WzEsIkB0…", "took": 4}
_LIST_TEXT = (
    "Newest first unless `sort` says otherwise. Without `pit` the answer is as of now; with it every page sees the "
    "same documents. `next` of one answer is the `search_after` of the following one; `from` reaches any depth."
)

OPERATIONS = [
    Operation(
        method="GET",
        path="incidents_full_types",
        id="listIncidentsAndAggregationResults",
        tag="Lists",
        permission=permissions.VIEW,
        run=_list,
        summary="List incidents and aggregation results",
        description=_LIST_TEXT,
        parameters=ListingParams,
        answers={200: schemas.Page},
        errors=[404, 410, 429],
        examples={"seed": _EXAMPLE},
        example_answer=_PAGE,
    ),
    Operation(
        method="POST",
        path="incidents_full_types",
        id="searchIncidentsAndAggregationResults",
        tag="Lists",
        permission=permissions.VIEW,
        run=_list,
        summary="List by POST, where a body with GET gets lost",
        description=_LIST_TEXT,
        parameters=ListingParams,
        answers={200: schemas.Page},
        errors=[404, 410, 429],
        examples={"seed": _EXAMPLE, "severity": {"sort": [{"severity": "desc"}], "query_string": "status:new"}},
        example_answer=_PAGE,
    ),
    Operation(
        method="POST",
        path="incidents_full_types/stats/severity",
        id="severityStatistics",
        tag="Lists",
        permission=permissions.VIEW,
        run=_statistics,
        summary="Count by severity, and over time",
        description=(
            "Takes the filters of the list. The counts add up to `total_docs`, and that to the list's own total for "
            "the same point in time and filters. `interval` adds a histogram."
        ),
        parameters=StatisticsEverything,
        answers={200: schemas.Statistics},
        errors=[404, 410, 429],
        examples={
            "seed": {name: _EXAMPLE[name] for name in _EXAMPLE if name not in ("from", "size", "with_total_docs")},
            "histogram": {"start_time": "now-7d/d", "interval": "1h"},
        },
        example_answer={
            "total_docs": 12,
            "severity": [
                {
                    "key": "critical",
                    "label": "Critical",
                    "color": "#bd271e",
                    "count": 12,
                    "incidents": 10,
                    "aggregations": 2,
                }
            ],
            "interval": "1h",
            "histogram": [{"time": "2026-11-23T08:00:00.000Z", "counts": {"critical": 12}}],
            "took": 3,
        },
    ),
    Operation(
        method="GET",
        path="incidents",
        id="listIncidents",
        tag="Lists",
        permission=permissions.VIEW,
        run=_incidents,
        summary="List incidents by their fields",
        description=(
            "Every parameter that is not listed here filters a field: `?test_field=5`; a repeated one means any of "
            "its values. No time limit unless `start_time` or `end_time` is given."
        ),
        parameters=schemas.FieldListing,
        open_query="Any field of an incident, by its whole value.",
        answers={200: schemas.Page},
        errors=[404, 410, 429],
        example_answer=_PAGE,
    ),
]

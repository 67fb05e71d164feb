"""Aggregation results: one with its incidents, one aggregation's, all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.api import examples, schemas
from imweb.api.operations import Call, Operation
from imweb.api.parameters import merged, refuse
from imweb.api.together import together
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import services
from imweb.incidents.access import registry_of
from imweb.incidents.params import (
    DEFAULT_FIELD_SIZE,
    MAX_CURSOR,
    MAX_FROM,
    MAX_SIZE,
    MAX_TOKEN,
    ListQuery,
    SortDirection,
    parse_listing,
    validated,
)

Json = dict[str, Any]


class ResultsParameters(BaseModel):
    """Which aggregation results, or which one's incidents, and which page of them."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    incident_aggregation_result_id: str | None = Field(None, min_length=1, max_length=512)
    incident_aggregation_id: str | None = Field(None, min_length=1, max_length=512)
    pit: str | None = Field(None, max_length=MAX_TOKEN)
    from_: int = Field(0, alias="from", ge=0, le=MAX_FROM)
    size: int = Field(DEFAULT_FIELD_SIZE, ge=0, le=MAX_SIZE)
    sort: list[dict[str, SortDirection]] | None = Field(None, max_length=2)
    search_after: str | None = Field(None, max_length=MAX_CURSOR)
    next: str | None = Field(None, max_length=MAX_CURSOR)


def _results(call: Call) -> Json:
    faults: list[Detail] = []
    raw = merged(ResultsParameters, call.query, call.body, faults)
    with together(raw, call.actor):
        return _found(call, raw, faults)


def _found(call: Call, raw: Json, faults: list[Detail]) -> Json:
    asked = validated(ResultsParameters, raw, faults, lenient=False)
    if raw.get("incident_aggregation_result_id") is not None and raw.get("incident_aggregation_id") is not None:
        faults.append(Detail("incident_aggregation_id", "left out when one result is asked for by its own id"))
    query = _page_of(call.actor, raw, faults)
    if asked.incident_aggregation_result_id is None:
        return _all(call, query, asked.incident_aggregation_id)
    result = services.get_document(call.actor, "aggregation", asked.incident_aggregation_result_id)
    page = services.group_members(call.actor, result.id, query)
    body = page.as_json()
    return {"aggregation_result": result.as_json(), "incidents": body.pop("docs"), **body}


def _all(call: Call, query: ListQuery, aggregation_id: str | None) -> Json:
    both = replace(query, filters=replace(query.filters, with_aggregations=True))
    try:
        return services.aggregation_results(call.actor, both, aggregation_id=aggregation_id).as_json()
    except ValidationFailed as error:
        if [detail.field for detail in error.details] == ["is_show_aggs"]:
            raise ValidationFailed.field(
                "pit", "was opened for incidents only; open one without is_show_aggs"
            ) from None
        raise


def _page_of(actor: Actor, raw: Json, faults: list[Detail]) -> ListQuery:
    """Return the page asked for, without a time limit and with its total; raises every fault so far besides its own."""
    names = ("pit", "from", "size", "sort", "search_after", "next")
    page = {name: raw[name] for name in names if name in raw}
    page = {"size": DEFAULT_FIELD_SIZE, "start_time": None, "end_time": None, "with_total_docs": True, **page}
    try:
        query = parse_listing(page, registry=registry_of(actor), zone=actor.time_zone)
    except ValidationFailed as error:
        refuse(faults, error)
        raise
    refuse(faults)
    return query


OPERATIONS = [
    Operation(
        method="GET",
        path="aggregations/results",
        id="listAggregationResults",
        tag="Aggregation results",
        permission=permissions.VIEW,
        run=_results,
        summary="Read aggregation results",
        description=(
            "With `incident_aggregation_result_id` one result and its incidents; with `incident_aggregation_id` those "
            "of one aggregation; without either all. No time limit."
        ),
        parameters=ResultsParameters,
        answers={200: (schemas.ResultWithIncidents, schemas.Page)},
        errors=[404, 410, 429],
        example_answer={"docs": [examples.RESULT], "total_docs": 1, "pit": None, "next": None, "took": 3},
    ),
]

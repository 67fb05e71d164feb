"""What happened to an incident or an aggregation result, newest first."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from imweb.accounts import permissions
from imweb.api import examples, schemas
from imweb.api.operations import Call, Operation, Reply
from imweb.incidents import history
from imweb.incidents.documents import DocKind


class HistoryParameters(BaseModel):
    """How many entries, and from where on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: int = Field(1_000, ge=1, le=history.MAX_ENTRIES)
    before: str | None = Field(
        None, max_length=512, description="The header `X-Next` of the answer before, for what is older."
    )


def _history(kind: DocKind, name: str, call: Call) -> Reply:
    asked = call.read(HistoryParameters)
    found = history.entries(call.actor, kind, call.ids[name], size=asked.size, before=asked.before)
    # A list is what the contract answers with, so that the place to go on from stands beside it.
    headers = {"X-Next": found[-1].cursor} if len(found) == asked.size else {}
    return Reply([entry.as_json() for entry in found], headers=headers)


OPERATIONS = [
    Operation(
        method="GET",
        path="incidents/{id}/history",
        id="getIncidentHistory",
        tag="Incidents",
        permission=permissions.VIEW,
        run=partial(_history, "incident", "id"),
        summary="Read an incident's history",
        description="Newest first; that of a deleted incident stays.",
        parameters=HistoryParameters,
        answers={200: list[schemas.HistoryEntry]},
        errors=[404],
        example_answer=examples.HISTORY,
    ),
    Operation(
        method="GET",
        path="aggregations/results/{incident_aggregation_result_id}/history",
        id="getAggregationResultHistory",
        tag="Aggregation results",
        permission=permissions.VIEW,
        run=partial(_history, "aggregation", "incident_aggregation_result_id"),
        summary="Read an aggregation result's history",
        description="Newest first.",
        parameters=HistoryParameters,
        answers={200: list[schemas.HistoryEntry]},
        errors=[404],
        example_answer=examples.HISTORY,
    ),
]

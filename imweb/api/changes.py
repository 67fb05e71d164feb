"""Changing one incident or aggregation result (CONTRACT: One incident, Aggregation results)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imweb.accounts import permissions
from imweb.api import examples, schemas
from imweb.api.operations import Call, NoParameters, Operation, Reply
from imweb.api.parameters import read
from imweb.errors import Detail, ValidationFailed
from imweb.incidents import editing
from imweb.incidents.editing import Outcome

Json = dict[str, Any]
CHANGED = {"result": "updated", "_meta": examples.INCIDENT["_meta"]}


class SpreadParameters(BaseModel):
    """Whether the contained incidents follow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sync: bool = Field(False, description="`true` gives the changes to the contained incidents too.")


def _fields(call: Call) -> Json:
    if not call.content.strip():
        raise ValidationFailed("The body is missing; send a JSON object.", [Detail("", "is required")])
    return call.body


def _create(call: Call) -> Reply:
    read(NoParameters, call.query, {})
    return Reply(editing.create(call.actor, call.ids.get("id"), _fields(call)).as_json(), 201)


def _update(call: Call) -> Json:
    read(NoParameters, call.query, {})
    return _changed(editing.update(call.actor, "incident", call.ids["id"], _fields(call)))


def _delete(call: Call) -> Json:
    call.read(NoParameters)
    last = editing.delete(call.actor, call.ids["id"])
    return {"result": "deleted", "_id": call.ids["id"], "_meta": last.as_json()["_meta"] if last else None}


def _update_result(call: Call) -> Json | Reply:
    sync = read(SpreadParameters, call.query, {}).sync
    outcome = editing.update_aggregation(
        call.actor,
        call.ids["incident_aggregation_id"],
        call.ids["incident_aggregation_result_id"],
        _fields(call),
        sync=sync,
    )
    answer = _changed(outcome)
    if outcome.sync is not None:
        answer |= {"sync": outcome.sync, "task": f"/_im/tasks/{outcome.task}"}
    return answer if outcome.finished else Reply(answer, 202)


def _changed(outcome: Outcome) -> Json:
    return {"result": outcome.result, "_meta": outcome.document.as_json()["_meta"]}


OPERATIONS = [
    Operation(
        method="POST",
        path="incidents",
        id="makeIncident",
        tag="Incidents",
        permission=permissions.CREATE,
        run=_create,
        summary="Create an incident",
        description="Its id is made here and stands in `_meta.id`.",
        body=schemas.NewIncident,
        answers={201: schemas.Document},
        examples={"detection": examples.NEW_INCIDENT},
        example_answer=examples.INCIDENT,
    ),
    Operation(
        method="POST",
        path="incidents/{id}",
        id="createIncident",
        tag="Incidents",
        permission=permissions.CREATE,
        run=_create,
        summary="Create an incident under a given id",
        description="An id that exists is a conflict and nothing is overwritten.",
        body=schemas.NewIncident,
        answers={201: schemas.Document},
        errors=[409],
        examples={"detection": examples.NEW_INCIDENT},
        example_answer=examples.INCIDENT,
    ),
    Operation(
        method="PUT",
        path="incidents/{id}",
        id="updateIncident",
        tag="Incidents",
        permission=permissions.VIEW,
        run=_update,
        summary="Change an incident",
        description=(
            "The changed fields alone. With `_meta.rev` another's change of other fields merges, of the same field is "
            "a conflict that says who, when and both values. Each field asks for its own permission, a status for a "
            "step that the workflow allows."
        ),
        body=schemas.Changes,
        answers={200: schemas.Changed},
        errors=[404, 409],
        examples={"review": {"_meta": {"rev": 7}, "comment": "test comment", "reviewer": "test"}},
        example_answer=CHANGED,
    ),
    Operation(
        method="DELETE",
        path="incidents/{id}",
        id="deleteIncident",
        tag="Incidents",
        permission=permissions.DELETE,
        run=_delete,
        summary="Delete an incident",
        description="Its history stays.",
        answers={200: schemas.Deleted},
        errors=[404, 409],
        example_answer={"result": "deleted", "_id": examples.INCIDENT["_meta"]["id"], "_meta": CHANGED["_meta"]},
    ),
    Operation(
        method="PUT",
        path="aggregations/results/{incident_aggregation_id}/{incident_aggregation_result_id}",
        id="updateAggregationResult",
        tag="Aggregation results",
        permission=permissions.VIEW,
        run=_update_result,
        summary="Change an aggregation result, and its incidents with it",
        description=(
            "With `sync=true` status, workflow_id, severity, comment and reviewer of the request (a resolution with "
            "its status) go to the contained incidents, also when the result itself does not change. The answer "
            "waits 30 seconds for that; then it is 202 and `task`, named in either, goes on."
        ),
        parameters=SpreadParameters,
        body=schemas.Changes,
        query_only=True,
        answers={200: schemas.ChangedAggregation, 202: schemas.SpreadGoesOn},
        errors=[404, 409],
        examples={"review": {"comment": "test comment", "reviewer": "test"}},
        example_answer={"result": "updated", "_meta": examples.RESULT["_meta"]},
    ),
]

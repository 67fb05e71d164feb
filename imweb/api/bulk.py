"""Many changes in one request, and how far long work is."""

from __future__ import annotations

import re
from typing import Any

from imweb.accounts import permissions
from imweb.api import schemas, wording
from imweb.api.operations import Call, NoParameters, Operation
from imweb.api.parameters import read
from imweb.errors import ValidationFailed
from imweb.incidents import editing, jobs

Json = dict[str, Any]
IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,128}")
LINES = (
    '{"update": {"_id": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5"}}\n{"reviewer": "test", "comment": "test comment"}\n'
)


def _bulk(call: Call) -> Json:
    read(NoParameters, call.query, {})
    key = call.request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise ValidationFailed.field(IDEMPOTENCY_KEY, "1 to 128 letters, digits and signs of ASCII")
    return editing.bulk(call.actor, call.content, key=key).as_json()


def _task(call: Call) -> Json:
    call.read(NoParameters)
    return jobs.get_task(call.actor, call.ids["task"]).as_json()


OPERATIONS = [
    Operation(
        method="POST",
        path="incidents/bulkUpdate",
        id="bulkUpdate",
        tag="Many at once",
        permission=permissions.VIEW,
        run=_bulk,
        summary="Change and create many at once",
        description=(
            "NDJSON as OpenSearch's `_bulk` takes it, up to 10,000 items, answered when all are done: one item a "
            "line, in order; a bad line fails alone. Ids of aggregation results count too. When no answer came, send "
            "the same lines with the same `Idempotency-Key` again: what was done is not done twice."
        ),
        lines=True,
        headers={IDEMPOTENCY_KEY: wording.IDEMPOTENCY_KEY},
        answers={200: schemas.BulkAnswer},
        examples={"review": LINES},
        example_answer={
            "took": 12,
            "errors": False,
            "items": [{"update": {"_id": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5", "status": 200, "result": "updated"}}],
        },
    ),
    Operation(
        method="GET",
        path="tasks/{task}",
        id="getTask",
        tag="Many at once",
        permission=permissions.VIEW,
        run=_task,
        summary="Ask how far a task is",
        description="One's own tasks; whoever manages users sees all.",
        answers={200: schemas.Task},
        errors=[404],
        example_answer={
            "id": "0c5b3a28a5e05f0e9a520b7a4f1f6d11",
            "kind": "sync",
            "state": "running",
            "finished": False,
            "matched": 10000,
            "updated": 4500,
            "unchanged": 0,
            "conflicted": 0,
            "failed": [],
        },
    ),
]

"""Points in time: open one, give it back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from imweb.accounts import permissions
from imweb.api import schemas
from imweb.api.operations import Call, Operation
from imweb.incidents import pits


class OpenParameters(BaseModel):
    """What a point in time is opened over."""

    model_config = ConfigDict(extra="forbid", strict=True)

    is_show_aggs: bool = Field(True, description="`false` opens it over incidents alone.")


class ReleaseParameters(BaseModel):
    """Which point in time is given back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(max_length=32_768, description="The `id` that `GET /_im/incidents/pit` answered with.")


def _open(call: Call) -> dict[str, Any]:
    lease = pits.open_pit(call.actor.user_id, call.read(OpenParameters).is_show_aggs)
    return {
        "id": lease.token,
        "pit_id": lease.token,
        "creation_time": lease.created_ms,
        "keep_alive": _duration(settings.IM_LEASE_SECONDS),
        "is_show_aggs": lease.with_aggregations,
    }


def _release(call: Call) -> dict[str, Any]:
    token = call.read(ReleaseParameters).id
    return {"id": token, "released": pits.release_pit(token, call.actor.user_id)}


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


OPERATIONS = [
    Operation(
        method="GET",
        path="incidents/pit",
        id="openPointInTime",
        tag="Point in time",
        permission=permissions.VIEW,
        run=_open,
        summary="Open a point in time",
        description=(
            "Freezes the data for paging: every page, total and statistic read with its `id` sees the same documents. "
            "It lives for `keep_alive` from its last use. Release it when it is no longer needed."
        ),
        parameters=OpenParameters,
        answers={200: schemas.PointInTime},
        errors=[429],
        example_answer={
            "id": "AXr0…",
            "pit_id": "AXr0…",
            "creation_time": 1760000000000,
            "keep_alive": "5m",
            "is_show_aggs": True,
        },
        # Opening one is an effect, which no HEAD should have.
        safe_head=False,
    ),
    Operation(
        method="DELETE",
        path="incidents/pit",
        id="releasePointInTime",
        tag="Point in time",
        permission=permissions.VIEW,
        run=_release,
        summary="Release a point in time",
        description="May be repeated: `released` says whether it was still alive. From then on it answers 410.",
        parameters=ReleaseParameters,
        answers={200: schemas.Released},
        errors=[404],
        examples={"release": {"id": "AXr0…"}},
        example_answer={"id": "AXr0…", "released": True},
    ),
]

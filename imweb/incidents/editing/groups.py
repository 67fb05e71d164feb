"""Aggregation results: changed themselves, and with `sync` their incidents with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import NotFound, SearchTimeout, SearchUnavailable
from imweb.incidents.editing import holding
from imweb.incidents.editing.bodies import checked
from imweb.incidents.editing.rules import SPREAD, Rules
from imweb.incidents.editing.single import Outcome, update
from imweb.incidents.services import get_document

WAIT = 30.0  # seconds (CONTRACT: Aggregation results)


def update_aggregation(
    actor: Actor,
    aggregation_id: str,
    result_id: str,
    changes: Mapping[str, Any],
    *,
    sync: bool = False,
    rev: int | None = None,
    seconds: float = WAIT,
) -> Outcome:
    """Change an aggregation result; with `sync` its incidents too, the answer waiting so many seconds for them.

    The list of incidents is frozen before anything is changed, under the lock that joining takes too: none joins
    between the list and the change. The group's own change bears the job's name: who finds the job later knows from it
    whether the incidents are to follow. Raises what `update` raises, and `NotFound` for a pair of ids that do not
    belong together.
    """
    held = get_document(actor, "aggregation", result_id)
    own = held.source.get("incident_aggregation_id")
    if aggregation_id not in (own if isinstance(own, list) else [own]):
        raise NotFound("There is no such aggregation result in this aggregation.")
    if not sync:
        return update(actor, "aggregation", result_id, changes, rev=rev)
    from imweb.incidents.jobs import frozen, runner, service, store

    body = checked(changes, Rules.load(), actor, doc_id=result_id, kind="aggregation")
    spread = {name: value for name, value in body.fields.items() if name in SPREAD}
    if "status" not in spread:
        spread.pop("resolution", None)
    params = {"changes": spread, "result_id": result_id}
    job = store.begin("sync", actor, params, lock=f"spread/{result_id}")
    try:
        with holding.spreading(result_id, job.pk):
            total = store.freeze(job, frozen.members(actor, result_id) if spread else ())
            service.require_bulk(actor, total)
            outcome = update(actor, "aggregation", result_id, changes, rev=rev, operation=job.pk, fence=job.pk)
    except (SearchUnavailable, SearchTimeout):
        # Whether the group was changed is not known: who resumes the job finds out.
        raise
    except BaseException:
        store.abandon(job, "the aggregation result could not be changed")
        raise
    store.start(job)
    finished = runner.run_or_hand_over(job.pk, seconds)
    counts = store.get_task(actor, job.pk).counts
    return replace(outcome, sync=counts, task=job.pk, finished=finished)

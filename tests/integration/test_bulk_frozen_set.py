"""A bulk change of all that match, while others work: exactly the frozen set, through the console's own forms.

In the suite it changes 6,000; `IM_BULK_ROWS=41233 make test ARGS=tests/integration/test_bulk_frozen_set.py` the whole.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.errors import VersionConflict
from imweb.incidents import editing, jobs
from imweb.opensearch import gateway, schema
from tests import stored
from tests.stored import at

ROWS = int(os.environ.get("IM_BULK_ROWS", "6000"))
EDITED = 40
HX = {"HX-Request": "true"}
WINDOW = "/incidents/?start=2025-11-01&end=2025-12-31&severity=low&mode=incidents"

pytestmark = pytest.mark.django_db(transaction=True)


def _count(**terms: str) -> int:
    gateway().refresh(schema.incidents_alias())
    query: dict[str, Any] = {"bool": {"filter": [{"term": {name: value}} for name, value in terms.items()]}}
    return gateway().count(query, index=schema.incidents_alias())


def _source(doc_id: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return found.source


def _finished(actor: Actor, task_id: str) -> dict[str, Any]:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        # What a worker does, and in its absence beat; here there is neither.
        jobs.run(task_id)
        task = jobs.get_task(actor, task_id)
        if task.finished:
            return dict(task.counts)
        time.sleep(0.1)
    raise AssertionError("the job did not end")


def _task_of(html: str) -> str:
    found = re.search(r"/incidents/bulk/([0-9a-f-]+)", html)
    assert found, html[:500]
    return found[1]


def test_all_that_match_are_the_frozen_ones_whatever_others_do(indices: None, lead: User, administrator: User) -> None:
    for first in range(0, ROWS, 5_000):
        stored.incidents(
            {f"i{n:05}": {"@timestamp": at(-n), "severity": "low"} for n in range(first, min(ROWS, first + 5_000))}
        )
    client, actor, other = Client(), actor_of(lead), actor_of(administrator)
    client.force_login(lead)
    page = client.get(WINDOW).content.decode()
    assert f"<b>{ROWS:,} rows</b>" in page
    address = re.findall(r'data-canonical="([^"]+)"', page)[0].replace("&amp;", "&")

    # Somebody changes the same field of some before it is applied, another field of others; and more come in.
    clashing = [f"i{n:05}" for n in range(0, ROWS, ROWS // EDITED)][:EDITED]
    aside = [f"i{n:05}" for n in range(1, ROWS, ROWS // EDITED)][:EDITED]
    for doc_id in clashing:
        editing.update(other, "incident", doc_id, {"status": "in_progress"})
    stored.incidents({f"late{n}": {"@timestamp": at(n), "severity": "low"} for n in range(50)})

    form = {"scope": "all", "next": address, "total": str(ROWS), "set.status": "closed", "set.resolution": "benign"}
    form |= {"set.comment": "campaign"}
    preview = client.post("/incidents/bulk/", form | {"step": "preview"}, headers=HX).content.decode()
    assert f"{ROWS:,} rows will change like this" in preview

    failures: list[Exception] = []

    def meddle() -> None:
        try:
            for doc_id in aside:
                editing.update(other, "incident", doc_id, {"comment": "meanwhile"})
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    meddler = threading.Thread(target=meddle)
    meddler.start()
    task = _task_of(client.post("/incidents/bulk/", form | {"step": "apply"}, headers=HX).content.decode())
    counts = _finished(actor, task)
    meddler.join(60)
    assert failures == []
    assert (counts["matched"], counts["updated"], counts["conflicted"]) == (ROWS, ROWS - EDITED, EDITED)
    assert counts["failed"] == []
    assert _count(resolution="benign") == ROWS - EDITED
    assert {_source(doc_id)["status"] for doc_id in clashing} == {"in_progress"}
    # Comments do not collide: the last one stands, both are in the history.
    assert {_source(doc_id).get("comment") for doc_id in aside} <= {"meanwhile", "campaign"}
    assert _count(**{"comment.raw": "campaign"}) >= ROWS - 2 * EDITED
    assert {_source(f"late{n}")["status"] for n in range(50)} == {"new"}
    outcome = client.get(f"/incidents/bulk/{task}", headers=HX).content.decode()
    assert [doc_id for doc_id in clashing if f'href="/incidents/{doc_id}/"' not in outcome] == []

    # Some are changed again before all is taken back: those stay as their editor left them.
    since = [f"i{n:05}" for n in range(2, ROWS, ROWS // EDITED)][:EDITED]
    for doc_id in since:
        editing.update(other, "incident", doc_id, {"status": "in_progress"})
    undo = client.post(f"/incidents/bulk/{task}/undo", headers=HX).content.decode()
    # The answer waits a moment for the job: a quick machine has it done by then, a slow one gives its address.
    if "Taken back" not in undo:
        _finished(actor, _task_of(undo))
    assert _count(status="new", severity="low") == ROWS + 50 - 2 * EDITED
    assert _count(resolution="benign") == 0
    # Also where the status was changed since: nobody has said anything else there.
    assert _count(**{"comment.raw": "campaign"}) == 0
    assert {_source(doc_id)["status"] for doc_id in (*clashing, *since)} == {"in_progress"}
    assert {_source(doc_id).get("comment") for doc_id in aside} == {"meanwhile"}
    with pytest.raises(VersionConflict):
        editing.update(actor, "incident", since[0], {"status": "new"}, rev=1)

"""A process killed between any two steps of a write loses neither the change nor its history entry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import NotFound
from imweb.incidents import editing, history, jobs
from imweb.incidents.jobs import frozen, store
from imweb.incidents.models import Job, JobChunk
from imweb.opensearch import gateway, schema
from tests import services, stored

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db(transaction=True)]
ADMIN = Actor(1, "admin", permissions.ALL)

# Its own calls of OpenSearch's writes are counted; just before or just after one of them the process kills itself.
CHILD = """
import os, signal, sys, django
django.setup()
from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.incidents import editing
from imweb.opensearch import Gateway
action, when, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = 0
def wrapped(write):
    def call(self, *args, **kwargs):
        global calls
        calls += 1
        if calls == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = write(self, *args, **kwargs)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return call
for name in ("bulk", "index", "delete"):
    setattr(Gateway, name, wrapped(getattr(Gateway, name)))
actor = Actor(1, "admin", permissions.ALL)
if action == "update":
    editing.update(actor, "incident", "i1", {"severity": "high", "comment": "killed"})
elif action == "create":
    editing.create(actor, "i2", {"title": "made"})
else:
    editing.delete(actor, "i1")
"""


def killed(action: str, when: str, number: int) -> int:
    env = os.environ | services.process_env() | {"DJANGO_SETTINGS_MODULE": "imweb.settings"}
    command = [sys.executable, "-c", CHILD, action, when, str(number)]
    return subprocess.run(command, env=env, cwd=Path(django_settings.BASE_DIR), check=False).returncode


def types(doc_id: str) -> list[str]:
    try:
        return [entry.type for entry in history.entries(ADMIN, "incident", doc_id)]
    except NotFound:
        return []


def swept() -> None:
    gateway().refresh(schema.document_aliases())
    history.sweep(older_than="now")
    gateway().refresh(schema.document_aliases())


def raw(doc_id: str) -> dict[str, Any] | None:
    found = gateway().get(schema.incidents_alias(), doc_id)
    return found.source if found else None


MOMENTS = [("before", 1), ("after", 1), ("before", 2), ("after", 2), ("before", 3), ("after", 3)]


@pytest.mark.parametrize(("when", "number"), MOMENTS)
def test_an_update_and_its_entry_are_never_apart(when: str, number: int) -> None:
    stored.incidents({"i1": {}})
    assert killed("update", when, number) == -9
    written = (when, number) != ("before", 1)
    source = raw("i1")
    assert source is not None
    assert source["severity"] == ("high" if written else "medium")
    assert types("i1") == (["edit"] if written else [])
    # The next writer comes before any sweep: two quick edits with a kill between them.
    editing.update(ADMIN, "incident", "i1", {"comment": "next"})
    assert types("i1") == (["comment", "edit"] if written else ["comment"])
    swept()
    source = raw("i1")
    assert source is not None
    assert (source["pending"], source["has_pending"]) == ([], False)
    assert types("i1") == (["comment", "edit"] if written else ["comment"])


@pytest.mark.parametrize(("when", "number"), MOMENTS[1:4])
def test_the_sweep_finishes_what_a_dead_process_left(when: str, number: int) -> None:
    assert killed("create", when, number) == -9
    assert types("i2") == ["create"]
    source = raw("i2")
    assert source is not None
    assert source["has_pending"] is True
    swept()
    source = raw("i2")
    assert source is not None
    assert (source["pending"], source["has_pending"]) == ([], False)
    assert types("i2") == ["create"]


@pytest.mark.parametrize(("when", "number"), MOMENTS)
def test_a_deletion_and_its_entry_are_never_apart(when: str, number: int) -> None:
    stored.incidents({"i1": {}})
    assert killed("delete", when, number) == -9
    written = (when, number) != ("before", 1)
    assert types("i1") == (["delete"] if written else [])
    if written:
        with pytest.raises(NotFound):
            editing.get_document(ADMIN, "incident", "i1")
        # A new one under the same id need not wait for the sweep.
        editing.create(ADMIN, "i1", {"title": "second life"})
        assert types("i1") == ["create", "delete"]
        swept()
        assert types("i1") == ["create", "delete"]


@pytest.mark.slow
def test_ten_thousand_members_while_the_worker_is_killed(administrator: Any, celery_worker: Any) -> None:
    from imweb.accounts.actor import actor_of

    actor = actor_of(administrator)
    stored.group("a1", {f"i{n:05d}": {} for n in range(10_000)})
    job = store.begin(
        "sync", actor, {"changes": {"severity": "high", "comment": "once"}, "result_id": "a1"}, lock="spread/a1"
    )
    store.freeze(job, frozen.members(actor, "a1"))
    editing.update(actor, "incident", "i09999", {"severity": "low"})
    store.start(job)
    worker = celery_worker()
    jobs.resume()
    services.until(lambda: JobChunk.objects.filter(result__isnull=False).count() >= 3, 60)
    worker.kill()
    assert Job.objects.get().state == "running"
    services.forget_keys()
    Job.objects.update(heartbeat_at=store.RELEASED)
    celery_worker()
    assert jobs.resume() == [job.pk]
    services.until(lambda: Job.objects.filter(state="done").exists(), 120)
    counts = jobs.get_task(actor, job.pk).counts
    assert counts == {"matched": 10_000, "updated": 9_999, "unchanged": 0, "conflicted": 1, "failed": []}
    while history.sweep(older_than="now"):
        gateway().refresh(schema.document_aliases())
    gateway().refresh([*schema.document_aliases(), schema.history_alias()])
    assert gateway().count({"match": {"comment": "once"}}, index=schema.history_alias()) == 9_999
    assert gateway().count({"term": {"severity": "high"}}, index=schema.incidents_alias()) == 9_999
    assert (raw("i09999") or {})["severity"] == "low"

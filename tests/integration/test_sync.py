"""`sync` on an aggregation result and bulk on all matching: jobs that end once, whatever dies meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.errors import NotFound, ValidationFailed, VersionConflict
from imweb.incidents import editing, history, jobs, pits
from imweb.incidents.jobs import frozen, runner, store
from imweb.incidents.models import Job, JobChunk
from imweb.incidents.params import parse_listing
from imweb.incidents.registry import registry
from imweb.opensearch import gateway, schema
from tests import dying, services, stored

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db, pytest.mark.relational]


@pytest.fixture
def admin(administrator: User) -> Actor:
    return actor_of(administrator)


def source(doc_id: str, kind: str = "incident") -> dict[str, Any]:
    found = gateway().get(schema.alias_of(kind), doc_id)
    assert found is not None
    return found.source


def count(field: str, value: str) -> int:
    gateway().refresh([schema.incidents_alias(), schema.history_alias()])
    return gateway().count({"term": {field: value}}, index=schema.incidents_alias())


def history_count(text: str) -> int:
    gateway().refresh(schema.history_alias())
    return gateway().count({"match": {"comment": text}}, index=schema.history_alias())


def test_sync_spreads_exactly_its_fields(admin: Actor) -> None:
    stored.group("a1", {"i1": {}, "i2": {"status": "closed"}, "i3": {"severity": "high", "status": "in_progress"}})
    changes = {"severity": "high", "status": "in_progress", "comment": "ours", "title": "Group alone"}
    outcome = editing.update_aggregation(admin, "by-host", "a1", changes, sync=True)
    assert outcome.result == "updated"
    assert outcome.finished
    assert outcome.sync == {"matched": 3, "updated": 3, "unchanged": 0, "conflicted": 0, "failed": []}
    assert source("a1", "aggregation")["title"] == "Group alone"
    assert {source(i)["title"] for i in ("i1", "i2", "i3")} == {"Suspicious logon"}
    assert {source(i)["severity"] for i in ("i1", "i2", "i3")} == {"high"}
    assert history.entries(admin, "incident", "i1")[0].comment == "ours"
    assert Job.objects.get().lock is None


def test_sync_reaches_incidents_when_the_group_itself_does_not_change(admin: Actor) -> None:
    stored.group("a1", {"i1": {"severity": "low"}, "i2": {}})
    outcome = editing.update_aggregation(admin, "by-host", "a1", {"severity": "medium"}, sync=True)
    assert outcome.result == "noop"
    assert outcome.sync == {"matched": 2, "updated": 1, "unchanged": 1, "conflicted": 0, "failed": []}


def test_a_forbidden_step_fails_alone(admin: Actor) -> None:
    stored.group("a1", {"i1": {}, "i2": {"status": "in_progress"}}, status="in_progress")
    outcome = editing.update_aggregation(admin, "by-host", "a1", {"status": "verification"}, sync=True)
    assert outcome.sync is not None
    assert outcome.sync["updated"] == 1
    assert [fault["id"] for fault in outcome.sync["failed"]] == ["i1"]
    assert "workflow" in outcome.sync["failed"][0]["reason"]


def test_a_pair_that_does_not_belong_together_is_not_found(admin: Actor) -> None:
    stored.group("a1", {"i1": {}})
    with pytest.raises(NotFound):
        editing.update_aggregation(admin, "other", "a1", {"severity": "high"}, sync=True)
    with pytest.raises(ValidationFailed):
        editing.update_aggregation(admin, "by-host", "a1", {"incidents_count": 1}, sync=True)
    assert not Job.objects.exists()


def test_one_spread_at_a_time(admin: Actor) -> None:
    stored.group("a1", {"i1": {}})
    store.begin("sync", admin, {"changes": {}, "result_id": "a1"}, lock="spread/a1")
    with pytest.raises(VersionConflict):
        editing.update_aggregation(admin, "by-host", "a1", {"severity": "high"}, sync=True)
    assert source("a1", "aggregation")["severity"] == "medium"


def begun(actor: Actor, changes: dict[str, Any], result_id: str = "a1") -> Job:
    """A spread as it stands when the web process is killed just after it was begun."""
    job = store.begin("sync", actor, {"changes": changes, "result_id": result_id}, lock=f"spread/{result_id}")
    store.freeze(job, frozen.members(actor, result_id))
    return job


def test_what_somebody_changed_since_is_conflicted_and_not_overwritten(admin: Actor) -> None:
    stored.group("a1", {"i1": {}, "i2": {}, "i3": {}})
    job = begun(admin, {"severity": "high"})
    editing.update(admin, "incident", "i1", {"severity": "low"})
    editing.update(admin, "incident", "i2", {"title": "another field"})
    store.start(job)
    assert jobs.run(job.pk)
    assert store.task_of(Job.objects.get()).counts == {
        "matched": 3,
        "updated": 2,
        "unchanged": 0,
        "conflicted": 1,
        "failed": [],
    }
    assert source("i1")["severity"] == "low"


def test_a_chunk_done_twice_changes_nothing_more(admin: Actor) -> None:
    stored.group("a1", {f"i{n}": {} for n in range(20)})
    job = begun(admin, {"severity": "high", "comment": "once"})
    store.start(job)
    jobs.run(job.pk)
    JobChunk.objects.update(result=None)
    Job.objects.update(state="running", owner="", heartbeat_at=store.RELEASED)
    editing.update(admin, "incident", "i3", {"comment": "later", "severity": "low"})
    assert jobs.run(job.pk)
    assert store.task_of(Job.objects.get()).counts["updated"] == 20
    assert source("i3")["severity"] == "low"
    assert history_count("once") == 20
    assert source("i4")["rev"] == 2


def test_killed_before_the_group_was_changed_nothing_is_spread(admin: Actor) -> None:
    stored.group("a1", {"i1": {}})
    job = begun(admin, {"severity": "high"})
    Job.objects.update(heartbeat_at=store.RELEASED)
    assert jobs.resume() == []
    assert Job.objects.get(pk=job.pk).state == "cancelled"
    assert editing.update_aggregation(admin, "by-host", "a1", {"severity": "low"}, sync=True).finished


def test_killed_after_the_group_was_changed_it_is_spread(admin: Actor) -> None:
    stored.group("a1", {"i1": {}})
    job = begun(admin, {"severity": "high"})
    editing.update(admin, "aggregation", "a1", {"severity": "high"}, operation=job.pk)
    Job.objects.update(heartbeat_at=store.RELEASED)
    assert jobs.resume() == [job.pk]
    assert runner.run(job.pk)
    assert source("i1")["severity"] == "high"


def test_tasks_are_their_owners(admin: Actor, lead: User) -> None:
    stored.group("a1", {"i1": {}})
    job = begun(admin, {"severity": "high"})
    with pytest.raises(NotFound):
        jobs.get_task(actor_of(lead), job.pk)
    assert jobs.get_task(admin, job.pk).as_json()["state"] == "preparing"


def test_all_matching_is_the_frozen_set_and_undo_takes_back_only_ours(admin: Actor) -> None:
    stored.incidents({f"i{n}": {"severity": "low"} for n in range(30)})
    lease = pits.open_pit(admin.user_id, True)
    stored.incidents({"late": {"severity": "low"}})
    editing.update(admin, "incident", "i1", {"status": "in_progress"})
    query = parse_listing(
        {"pit": lease.token, "additional_fields": [{"name": "severity", "type": "select", "value": "low"}]},
        registry=registry(),
        zone="UTC",
    )
    task = jobs.bulk_matching(admin, _all_times(query), lease.token, {"status": "closed", "resolution": "benign"})
    assert (task.counts["matched"], task.counts["updated"], task.counts["conflicted"]) == (30, 29, 1)
    assert source("late")["status"] == "new"
    editing.update(admin, "incident", "i2", {"status": "in_progress"})
    taken = jobs.undo(admin, task.id)
    assert taken.counts["updated"] == 28
    assert source("i3")["status"] == "new"
    assert "resolution" not in source("i3")
    assert "closed_at" not in source("i3")
    assert source("i2")["status"] == "in_progress"
    with pytest.raises(NotFound):
        jobs.undo(admin, taken.id)


def _all_times(query: Any) -> Any:
    from dataclasses import replace

    return replace(query, filters=replace(query.filters, start_time=None, end_time=None))


KILLED = dying.before_bulk(
    2,
    imports="from imweb.incidents import jobs",
    then="jobs.run(sys.argv[1])",
)


def _killed_run(job_id: str, at: int) -> int:

    env = os.environ | services.process_env() | {"DJANGO_SETTINGS_MODULE": "imweb.settings"}
    root = Path(django_settings.BASE_DIR)
    return subprocess.run([sys.executable, "-c", KILLED, job_id, str(at)], env=env, cwd=root, check=False).returncode


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_spread_killed_again_and_again_ends_once(admin: Actor) -> None:
    stored.group("a1", {f"i{n:04d}": {} for n in range(2_000)})
    job = begun(admin, {"severity": "high", "comment": "once"})
    store.start(job)
    # Before the write, between write and copy, between copy and its removal, and a chunk later.
    for at in (1, 2, 3, 5):
        assert _killed_run(job.pk, at) == -9
        Job.objects.update(heartbeat_at=store.RELEASED)
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        for key in client.scan_iter(f"{django_settings.IM_REDIS_PREFIX}*"):
            client.delete(key)
    assert jobs.run(job.pk)
    counts = store.task_of(Job.objects.get()).counts
    assert counts == {"matched": 2_000, "updated": 2_000, "unchanged": 0, "conflicted": 0, "failed": []}
    assert count("severity", "high") == 2_000
    while history.sweep(older_than="now"):
        gateway().refresh(schema.document_aliases())
    assert history_count("once") == 2_000
    assert gateway().count({"term": {"has_pending": True}}, index=schema.incidents_alias()) == 0

"""Grouping: groups and members are those that plain Python works out, whatever the order and whoever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.demo.processes import Process
from imweb.errors import ValidationFailed
from imweb.grouping import engine, service
from imweb.grouping import ready as rules_ready
from imweb.grouping.models import Generation, StaleGroup, TailCheckpoint, Waiting
from imweb.grouping.placing import place
from imweb.grouping.rules import RULES, GroupingRule
from imweb.grouping.tasks import run_grouping
from imweb.grouping.trying import try_it
from imweb.incidents import editing, history
from imweb.incidents.access import ACCESS_FIELDS
from imweb.incidents.documents import Document
from imweb.incidents.editing import holding, locking
from imweb.incidents.params import ListQuery, parse_listing
from imweb.incidents.registry import registry
from imweb.incidents.services import list_documents
from imweb.opensearch import gateway, schema
from tests import services, stored
from tests.integration.grouping_ground import DETECTIONS, actual, detected, expected, generated, save_five, write

Json = dict[str, Any]
pytestmark = [
    pytest.mark.usefixtures("indices"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.relational,
]


@pytest.fixture(autouse=True)
def no_rules(transactional_db: None) -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def admin(administrator: User) -> Actor:
    return actor_of(administrator)


def save(**data: Any) -> GroupingRule:
    whole = {"name": "same-host", "title": "Same host", "comparison": ["entities.host"], "look_back": 3_660, **data}
    return service.save_rule(whole, by="test").value


def groups() -> list[Json]:
    """The groups as stored, by id, oldest generation first."""
    gateway().refresh(schema.document_aliases())
    hits = gateway().search({"size": 1_000, "query": {"match_all": {}}}, index=schema.aggregations_alias())["hits"]
    found = [hit["_source"] | {"id": hit["_id"]} for hit in hits["hits"]]
    return sorted(found, key=lambda one: (one["title"], one["generation"]["number"]))


def services_list(actor: Actor, query: ListQuery) -> list[Document]:
    return list(list_documents(actor, query).docs)


def source(doc_id: str, kind: str = "incident") -> Json:
    found = gateway().get(schema.alias_of(kind), doc_id)
    assert found is not None
    return found.source


def members(result_id: str) -> list[Json]:
    gateway().refresh(schema.incidents_alias())
    query = {"term": {"incident_aggregation_result_id": result_id}}
    hits = gateway().search({"size": 1_000, "query": query}, index=schema.incidents_alias())["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def on(host: str, *ids: str, **fields: Any) -> None:
    stored.incidents({one: {"entities": {"host": [host]}, **fields} for one in ids})


@pytest.mark.skipif(not DETECTIONS.exists(), reason=f"{DETECTIONS.name} is not beside this repository")
def test_five_rules_over_real_detections_make_the_groups_that_python_works_out() -> None:
    documents = detected()
    wanted = expected(documents)
    assert {key[0] for key in wanted} >= {"bad-host", "host-and-day", "user-and-rule", "same-rule"}
    save_five()
    write(documents)
    engine.run()
    assert actual() == wanted
    assert engine.run().joined == 0
    # Once more from nothing: in any order, some twice, the eldest last and long after the others were grouped.
    services.empty_indices()
    forget_what_was_grouped()
    ids = sorted(documents, key=lambda one: documents[one]["@timestamp"])
    late, ids = ids[:40], [*ids[40:], *ids[60:100]]
    random.Random(3).shuffle(ids)
    for part in (ids[:70], ids[70:], late, late):
        write(documents, part)
        engine.run()
    assert actual() == wanted


def forget_what_was_grouped() -> None:
    for model in (TailCheckpoint, Waiting, StaleGroup, Generation):
        model.objects.all().delete()


def test_order_duplicates_and_lateness_change_nothing() -> None:
    documents = generated(700)
    save_five()
    ids = sorted(documents, key=lambda one: documents[one]["@timestamp"], reverse=True)
    late, ids = ids[-150:], [*ids[:-150], *ids[:200]]
    random.Random(5).shuffle(ids)
    for part in (ids[:300], ids[300:], late, late):
        write(documents, part)
        engine.run()
    wanted = expected(documents)
    assert {key[0] for key in wanted} == {"bad-host", "user-and-rule", "host-and-day", "same-rule", "rest"}
    assert actual() == wanted
    assert Waiting.objects.exists(), "some found too little company"
    assert not StaleGroup.objects.exists()
    before = TailCheckpoint.objects.count()
    service.look_anew(None, None)
    assert engine.run().joined == 0, "looking at everything once more changes nothing"
    assert (actual(), TailCheckpoint.objects.count()) == (wanted, before)


WORKER = """
import datetime, itertools, sys, time, django
django.setup()
from imweb.grouping import engine, tail
from imweb.incidents.editing import locking
from imweb.opensearch import Gateway
tail.LEASE, locking.HOLD_MS = datetime.timedelta(seconds=3), 3_000
last, number, bulk = int(sys.argv[1]), itertools.count(1), Gateway.bulk
def writing(self, *args, **named):
    found = bulk(self, *args, **named)
    if found and next(number) == last:
        print("midway", flush=True)
        sys.stdin.readline()
    return found
Gateway.bulk = writing
print("ready", flush=True)
sys.stdin.readline()
while True:
    engine.run()
    time.sleep(0.05)
"""


def worker(env: dict[str, str], *, last: int = 0) -> subprocess.Popen[str]:
    """A process that groups for ever, once it reads a line; after its `last` writing it says so and stands still."""
    environment = {**os.environ, **env, "DJANGO_SETTINGS_MODULE": "imweb.settings"}
    pipe, command = subprocess.PIPE, [sys.executable, "-c", WORKER, str(last)]
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def says(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


# What the one that dies has written last: groups, locked and without an incident; incidents, their history not copied;
# what follows for histories and locks.
@pytest.mark.parametrize("last", [1, 3, 5])
def test_four_writers_and_two_workers_one_of_them_killed_midway(process_env: dict[str, str], last: int) -> None:
    documents = generated(600, seed=11) | detected()
    wanted = expected(documents)
    draw = random.Random(last)
    save_five()
    workers = [worker(process_env, last=last), worker(process_env)]
    try:
        ids = draw.sample(list(documents), len(documents))
        write(documents, ids[:400])
        for process in workers:
            says(process, "ready")
        go(workers[0])
        says(workers[0], "midway")
        assert TailCheckpoint.objects.get().owner, "it stands over its work"
        go(workers[1])
        # The rest, from four at once, each in an order of its own: everything comes twice, and some a third time.
        threads = []
        for number in range(4):
            own = [*ids[400 + number % 2 :: 2], *ids[: 400 : 7 + number]]
            threads.append(threading.Thread(target=trickle, args=(documents, draw.sample(own, len(own)))))
        for thread in threads:
            thread.start()
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        assert left(), "it died over its work"
        for thread in threads:
            thread.join()
        services.until(lambda: not left(), 90)
        # What the dead one changed carries its history until the next sweep.
        gateway().refresh(schema.document_aliases())
        history.sweep(older_than="now")
        assert actual() == wanted
    finally:
        for process in workers:
            process.kill()
            process.communicate()


def trickle(documents: dict[str, Json], ids: list[str]) -> None:
    for start in range(0, len(ids), 40):
        write(documents, ids[start : start + 40])


def test_saving_a_rule_has_a_celery_worker_group_at_once(celery_worker: Callable[..., Process]) -> None:
    on("h1", "i1", "i2")
    celery_worker()
    save()
    # Beat would come, too: here nobody runs it.
    services.until(lambda: bool(groups()), 20)
    services.until(lambda: not left(), 20)
    assert groups()[0]["incidents_count"] == 2
    assert settings.CELERY_BEAT_SCHEDULE["grouping.run"]["task"] == run_grouping.name


def left() -> bool:
    """Whether anything is still to be read or counted."""
    from imweb.grouping import tail

    return tail.behind(engine.READER, schema.incidents_alias()) > 0 or StaleGroup.objects.exists()


def test_a_group_shows_once_it_has_company_and_its_members_have_history() -> None:
    save(minimum=3, group_title="{incidents_count} on {comparison.host}", severity="critical")
    on("h1", "i1", "i2")
    engine.run()
    assert groups() == []
    assert source("i1")["rev"] == 1, "who waits stands alone, untouched"
    on("h1", "i3")
    engine.run()
    [group] = groups()
    assert (group["title"], group["severity"], group["status"]) == ("3 on h1", "critical", "new")
    assert Waiting.objects.count() == 0
    admin = Actor(1, "admin", holding.ENGINE.permissions)
    [entry] = history.entries(admin, "incident", "i2")
    assert (entry.type, entry.user) == ("group", "grouping")
    assert [one.type for one in history.entries(admin, "aggregation", group["id"])] == ["create"]


def test_who_is_deleted_while_waiting_is_no_company(admin: Actor) -> None:
    save(minimum=2)
    on("h1", "i1")
    engine.run()
    editing.delete(admin, "i1")
    on("h1", "i2")
    engine.run()
    assert groups() == []
    on("h1", "i3")
    engine.run()
    assert groups()[0]["incidents_count"] == 2


def test_a_deleted_incident_is_not_counted_any_more(admin: Actor) -> None:
    save()
    on("h1", "i1", "i2", "i3")
    engine.run()
    editing.delete(admin, "i1")
    engine.run()
    assert groups()[0]["incidents_count"] == 2
    for one in ("i2", "i3"):
        editing.delete(admin, one)
    engine.run()
    [group] = groups()
    assert (group["incidents_count"], group["@timestamp"]) == (0, stored.at(0)), "the group and its history stay"


def test_what_a_slow_worker_read_before_changes_nothing_when_it_comes_late(admin: Actor) -> None:
    save(minimum=1)
    on("h1", "i1", "i2")
    ready = rules_ready.load()
    search = ready.search(size=10, fresh=True)
    body = {"query": search.pop("clause"), **search}
    hits = gateway().search(body, index=schema.incidents_alias())["hits"]["hits"]
    late = [claim for hit in hits for claim in ready.claims(hit)]
    assert len(late) == 2
    engine.run()
    [group] = groups()
    editing.update_aggregation(admin, "same-host", group["id"], {"status": "closed"}, sync=True)
    place(late)
    engine.run()
    assert [(one["id"], one["incidents_count"]) for one in groups()] == [(group["id"], 2)]
    assert source("i1")["incident_aggregation_result_id"] == [group["id"]]


def test_who_waited_too_long_is_no_company() -> None:
    save(window={"kind": "open", "minutes": 60})
    on("h1", "i1")
    engine.run()
    Waiting.objects.update(at=timezone.now() - timedelta(minutes=61))
    on("h1", "i2")
    engine.run()
    assert groups() == []
    assert [row.incident for row in Waiting.objects.all()] == ["i2"]


def test_groups_never_join_what_access_fields_part(admin: Actor) -> None:
    save(minimum=1)
    store.save(ACCESS_FIELDS, {"name": "source"}, by="test")
    try:
        on("h1", "i1", "i2", source="berlin")
        on("h1", "i3", source="paris")
        on("h1", "i4", source=None)
        engine.run()
        found = {str(one.get("source")): (one["incidents_count"], one["partition"]) for one in groups()}
        assert found == {"berlin": (2, ["source"]), "paris": (1, ["source"]), "None": (1, ["source"])}
        paris = replace(admin, rows=("source:paris",))
        query = parse_listing({"start_time": "2025-01-01"}, registry=registry(), zone="UTC")
        shown = services_list(paris, query)
        assert sorted(doc.kind for doc in shown) == ["aggregation", "incident"]
    finally:
        store.remove(ACCESS_FIELDS, "source", by="test")


def test_what_somebody_set_by_hand_stays_and_the_rest_follows_the_incidents(admin: Actor) -> None:
    save(group_title="{incidents_count} incidents", additional=["source"])
    on("h1", "i1", "i2", severity="low", source="edr")
    engine.run()
    [group] = groups()
    assert (group["title"], group["severity"]) == ("2 incidents", "low")
    assert group["additional_fields"] == {"source": "edr"}
    editing.update(admin, "aggregation", group["id"], {"title": "The odd one"})
    on("h1", "i3", severity="high", source="proxy")
    engine.run()
    [group] = groups()
    assert (group["title"], group["severity"], group["rev"]) == ("The odd one", "high", 2)
    assert sorted(group["additional_fields"]["source"]) == ["edr", "proxy"]
    editing.update(admin, "incident", "i1", {"severity": "critical"})
    engine.run()
    assert groups()[0]["severity"] == "critical"


def test_what_was_set_by_hand_and_taken_back_follows_the_incidents_again(admin: Actor) -> None:
    save()
    on("h1", "i1", "i2", severity="low")
    engine.run()
    [group] = groups()
    editing.update(admin, "aggregation", group["id"], {"severity": "medium"})
    change = source(group["id"], "aggregation")["touched"]["severity"]["change"]
    editing.take_back(admin, "aggregation", group["id"], change)
    assert groups()[0]["severity"] == "low"
    on("h1", "i3", severity="high")
    engine.run()
    assert groups()[0]["severity"] == "high"
    editing.update(admin, "aggregation", group["id"], {"severity": "medium"})
    on("h1", "i4", severity="critical")
    engine.run()
    assert groups()[0]["severity"] == "medium"


def test_a_group_follows_an_edit_of_its_incident_that_joins_another_group_at_once(admin: Actor) -> None:
    save(name="first", and_go_on=True)
    on("h1", "i1", "i2", severity="low", rule={"id": "r1", "name": "R"})
    engine.run()
    # The joining is the last change of the incident that the engine sees, not the edit before it.
    editing.update(admin, "incident", "i1", {"severity": "critical"})
    save(name="second", comparison=["rule.id"])
    engine.run()
    assert source("i1")["updated_by"] == "grouping"
    assert {one["incident_aggregation_id"]: one["severity"] for one in groups()} == {
        "first": "critical",
        "second": "critical",
    }
    # The same where an incident joins that has waited for company.
    on("h2", "i3", severity="low", rule={"id": "r2", "name": "R"})
    on("h2", "i4", severity="low", rule={"id": "r3", "name": "R"})
    engine.run()
    editing.update(admin, "incident", "i3", {"severity": "high"})
    on("h3", "i5", severity="low", rule={"id": "r2", "name": "R"})
    engine.run()
    assert len(source("i3")["incident_aggregation_id"]) == 2
    assert [one["severity"] for one in groups() if one["comparison_fields"] == {"entities.host": "h2"}] == ["high"]


def test_late_ones_open_the_next_generation_and_the_closed_group_counts_them(admin: Actor) -> None:
    save(window={"kind": "fixed", "minutes": 60})
    on("h1", "i1", "i2")
    engine.run()
    [first] = groups()
    editing.update_aggregation(admin, "same-host", first["id"], {"status": "closed"}, sync=True)
    on("h1", "i3")
    engine.run()
    [first] = groups()
    assert first["generation"]["since_closing"] == 1, "it waits for company"
    on("h1", "i4")
    engine.run()
    first, second = groups()
    assert {one["status"] for one in members(second["id"])} == {"new"}
    assert (first["incidents_count"], second["incidents_count"]) == (2, 2)
    assert (second["generation"]["previous"], first["generation"]["next"]) == (first["id"], second["id"])
    assert first["generation"]["since_closing"] == 2
    service.look_anew(None, None)
    assert engine.run().joined == 0, "members of a closed group stay where they are"


def test_an_open_group_takes_no_more_when_it_is_too_old() -> None:
    save(window={"kind": "open", "minutes": 60})
    on("h1", "i1", "i2")
    engine.run()
    [first] = groups()
    aged = gateway().get(schema.aggregations_alias(), first["id"])
    assert aged is not None
    gateway().index(aged.index, aged.id, {**aged.source, "created_at": stored.at(0)})
    on("h1", "i3", "i4")
    engine.run()
    assert [one["incidents_count"] for one in groups()] == [2, 2]


def test_saving_looks_back_as_far_as_the_rule_says_and_disabling_keeps_groups() -> None:
    on("h1", "i1", "i2")
    engine.run()
    save()
    engine.run()
    assert [one["incidents_count"] for one in groups()] == [2]
    save(enabled=False)
    on("h1", "i3")
    engine.run()
    assert [one["incidents_count"] for one in groups()] == [2]
    save(name="new-ones", look_back=0, minimum=1)
    engine.run()
    assert [one["incident_aggregation_id"] for one in groups()] == ["same-host"], "i3 came before the rule"
    save(title="Renamed")
    engine.run()
    assert {one["title"]: one["incidents_count"] for one in groups()} == {"Renamed": 3}
    service.remove_rule("same-host", by="test")
    engine.run()
    assert [one["incidents_count"] for one in groups()] == [3]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"filter": "severity:("}, "filter", ""),
        ({"filter": "hots:x"}, "filter", "hots"),
        ({"comparison": ["entities.hots"]}, "comparison", "did you mean 'entities.host'"),
        ({"severity": "terrible"}, "severity", "'highest'"),
        ({"reviewer": "nobody"}, "reviewer", "no user named 'nobody'"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_naming_the_field(changes: Json, field: str, reason: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        save(**changes)
    assert {detail.field for detail in caught.value.details} == {field}
    assert reason in caught.value.reason
    assert store.items(RULES, fresh=True) == []


def test_trying_a_rule_tells_what_it_would_make_and_writes_nothing() -> None:
    save(name="first", filter="severity:high", comparison=["entities.host"])
    on("h1", "i1", "i2", "i3", severity="low", rule={"id": "r1", "name": "R"})
    on("h1", "i4", severity="high")
    on("h2", "i5")
    stored.incidents({"i6": {}, "i7": {"entities": {"host": ["h1"]}, "@timestamp": stored.at(-2 * 86_400)}})
    draft = RULES.parse(
        {
            "name": "draft",
            "title": "Draft",
            "comparison": ["entities.host"],
            "functions": [{"name": "rules", "function": "distinct", "field": "rule.id"}],
            "group_title": "{incidents_count} on {comparison.host}, {function.rules} rules",
            "enabled": False,
        }
    )
    trial = try_it(draft, until_ms=stored.NOW + 60_000)
    assert (trial.matched, trial.claimed, trial.alone, trial.made, trial.complete) == (6, 4, 1, 1, True)
    [group] = trial.groups
    assert (group.title, group.severity, group.count) == ("3 on h1, 1 rules", "low", 3)
    assert set(group.incidents) == {"i1", "i2", "i3"}
    assert dict(group.compared) == {"entities.host": ("h1",)}
    gateway().refresh(schema.document_aliases())
    assert gateway().count({"match_all": {}}, index=schema.aggregations_alias()) == 0
    assert (source("i1")["rev"], Waiting.objects.count()) == (1, 0)
    service.save_rule(draft.model_dump() | {"enabled": True, "look_back": 3_660}, by="test")
    engine.run()
    assert [(one["title"], one["incidents_count"]) for one in groups()] == [("4 on h1, 1 rules", 4)]


def test_closing_with_sync_finishes_what_a_dead_worker_left_half_done(admin: Actor) -> None:
    save()
    on("h1", "i1", "i2")
    engine.run()
    [group] = groups()
    on("h1", "i3", "i4")
    read = gateway().get(schema.aggregations_alias(), group["id"])
    assert read is not None
    past = locking.joining_op("dead", holding.now_ms() - locking.HOLD_MS - 1, ["i3", "gone"])
    assert holding.take([(read, past)])[0] is not None
    outcome = editing.update_aggregation(admin, "same-host", group["id"], {"status": "closed"}, sync=True)
    assert outcome.sync is not None
    assert (outcome.sync["updated"], outcome.sync["failed"]) == (3, [])
    assert source("i3")["status"] == "closed"
    assert "op" not in source(group["id"], "aggregation")
    engine.run()
    assert source("i4")["status"] == "new"
    assert "incident_aggregation_result_id" not in source("i4"), "it waits for the next generation"


def test_joining_and_closing_at_the_same_moment_leaves_no_open_incident_in_a_closed_group(admin: Actor) -> None:
    save(minimum=1)
    hosts = [f"h{number}" for number in range(6)]
    for host in hosts:
        on(host, f"{host}-a", f"{host}-b")
    engine.run()
    first = groups()
    assert len(first) == len(hosts)
    stop = threading.Event()
    faults: list[BaseException] = []

    def background(step: Callable[[int], object]) -> threading.Thread:
        def work() -> None:
            number = 0
            try:
                while not stop.is_set():
                    number += 1
                    step(number)
            except BaseException as error:  # a thread's failure is the test's
                faults.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def come(number: int) -> None:
        documents = generated(len(hosts), seed=10_000 + number)
        for host, doc in zip(hosts, documents.values(), strict=True):
            doc["entities"] = {"host": [host]}
        write(documents)
        time.sleep(0.01)

    threads = [background(come), background(lambda _: engine.run())]
    try:
        for group in first:
            outcome = editing.update_aggregation(admin, "same-host", group["id"], {"status": "closed"}, sync=True)
            assert outcome.finished
            assert outcome.sync is not None
            assert outcome.sync["failed"] == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults
    engine.run()
    now = groups()
    closed = [one for one in now if one["status"] == "closed"]
    assert len(closed) == len(hosts)
    assert len(now) == 2 * len(hosts), "what came later opened the next generation"
    for one in closed:
        assert {doc["status"] for doc in members(one["id"])} == {"closed"}
    assert sum(one["incidents_count"] for one in now) == gateway().count(
        {"match_all": {}}, index=schema.incidents_alias()
    )

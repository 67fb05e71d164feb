"""Clients that open a lease, read three pages and vanish: the budget holds, nothing stays open, every page is right.

On an OpenSearch and a Redis of this module's own, since one is limited and the other killed. Everything is scaled to
seconds; `IM_VANISH=full` is 500 clients in a minute with the real times, which takes seven minutes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.accounts.models import ApiToken, User
from imweb.demo.redis_server import RedisServer, RedisServerError
from imweb.errors import TooManyPits
from imweb.incidents import pits, services
from imweb.incidents.documents import iso, new_source
from imweb.incidents.params import parse_listing
from imweb.incidents.pits import raw
from imweb.incidents.registry import registry
from imweb.incidents.setup import ensure_indices
from imweb.opensearch import gateway, schema
from imweb.opensearch.jars import JarError
from imweb.opensearch.node import Node, NodeError
from tests.integration.pits_ground import servers, shows, write_incident
from tests.services import lacking, process_env, until

FULL = os.environ.get("IM_VANISH") == "full"
CLIENTS, SECONDS = (500, 60.0) if FULL else (80, 3.0)
LEASE_SECONDS, KEEP_ALIVE, SLOT_MS = (300, 60, 1_000) if FULL else (2, 4, 20)
# "None two minutes after the last lease ended"; scaled, OpenSearch itself looks every second.
GONE_WITHIN = 120.0 if FULL else 15.0
DOCUMENTS, SIZE = 200, 25
AT_ONCE = 40

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """An OpenSearch of this module's own, which looks for expired points in time every second."""
    # OpenSearch opens with 30 s, whatever keep-alive is asked for, and never shortens it.
    scaled = {"search.keep_alive_interval": "1s", "point_in_time.init.keep_alive": "1s"}
    settings = {} if FULL else scaled
    found = Node(folder=tmp_path_factory.mktemp("node"), cluster="vanishing", heap="512m", settings=settings)
    try:
        found.launch().wait()
    except (JarError, NodeError) as error:
        found.kill()
        lacking(str(error))
    yield found
    found.stop()


@pytest.fixture
def redis_alone(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed."""
    server = RedisServer(tmp_path / "redis")
    try:
        server.launch()
        server.wait()
    except RedisServerError as error:
        lacking(str(error))
    yield server
    server.stop()


@pytest.fixture
def expected(node: Node, redis_alone: RedisServer, settings: Any) -> Iterator[list[str]]:
    """The ids of 200 incidents, newest first, on servers of the test's own."""
    settings.IM_LEASE_SECONDS, settings.IM_PIT_KEEP_ALIVE_SECONDS = LEASE_SECONDS, KEEP_ALIVE
    settings.IM_PIT_SLOT_MS = SLOT_MS
    with servers(settings, OPENSEARCH_URL=node.url, REDIS_URL=redis_alone.url):
        ensure_indices()
        lines: list[dict[str, Any]] = []
        for number in range(DOCUMENTS):
            body = {"@timestamp": iso(1_763_900_000_000 - number * 1_000), "title": "Vanishing", "severity": "low"}
            lines += [{"index": {"_index": schema.incidents_alias(), "_id": f"v{number}"}}]
            lines += [new_source("incident", f"v{number}", body, user="test", now_ms=0)]
        gateway().bulk(lines, refresh="true")
        until(lambda: pits.open_contexts() == 0, 30)
        yield [f"v{number}" for number in range(DOCUMENTS)]


@dataclass
class Crowd:
    """Clients who arrive one after the other, and what they and a monitor saw."""

    expected: list[str]
    foreign: str = ""
    most: int = 0
    served: int = 0
    refused: int = 0
    wrong: list[Any] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, *, midway: Callable[[], None] | None = None) -> None:
        """Let all of them come, read and vanish, while beat sweeps and a monitor counts."""
        begin = time.monotonic()
        rng = random.Random(3)
        arrivals = sorted(rng.uniform(0, SECONDS) for _ in range(CLIENTS))
        with ThreadPoolExecutor(AT_ONCE + 3) as threads:
            watching = [threads.submit(_closing, self._monitor), threads.submit(_closing, self._beat)]
            try:
                jobs = [
                    threads.submit(_closing, self._client, 600 + number, begin + at)
                    for number, at in enumerate(arrivals)
                ]
                if midway:
                    # Here and not in a thread: a server ends with the thread that started it.
                    time.sleep(SECONDS / 2)
                    midway()
                for job in jobs:
                    job.result()
                until(lambda: self.ours() == {}, LEASE_SECONDS + GONE_WITHIN)
            finally:
                self.over.set()
            for watch in watching:
                watch.result()

    def ours(self) -> dict[str, int]:
        """Return what is open over our indices but for the other application's."""
        return {raw_id: cost for raw_id, cost in raw.listed().items() if raw_id != self.foreign}

    def _client(self, user: int, at: float) -> None:
        time.sleep(max(0.0, at - time.monotonic()))
        while True:
            try:
                lease = pits.open_pit(user, True)
                break
            except TooManyPits as refusal:
                # A script waits as it is told to; here a second of its time is a tenth.
                self.refused += 1
                time.sleep(refusal.retry_after * (1 if FULL else 0.1))
        for page in range(3):
            asked = {"pit": lease.token, "from": page * SIZE, "size": SIZE, "start_time": None, "end_time": None}
            query = parse_listing(asked, registry=registry(), zone="UTC")
            docs = services.list_documents(Actor(user, f"u{user}", frozenset({permissions.VIEW})), query).docs
            if [doc.id for doc in docs] != self.expected[page * SIZE : (page + 1) * SIZE]:
                self.wrong.append((user, page, [doc.id for doc in docs]))
        self.served += 1

    def _monitor(self) -> None:
        while not self.over.wait(0.05):
            self.most = max(self.most, sum(self.ours().values()))

    def _beat(self) -> None:
        while not self.over.wait(KEEP_ALIVE / 3):
            pits.sweep(force=True)


def _closing(work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(*arguments)
    finally:
        connections.close_all()


@pytest.fixture
def crowd(expected: list[str]) -> Iterator[Crowd]:
    """The clients, with another application's point in time open over the same index."""
    foreign = gateway().create_pit([schema.incidents_alias()], "20m").id
    yield Crowd(expected, foreign)
    # Untouched to the end: it still answers.
    body = {"size": 0, "track_total_hits": True, "pit": {"id": foreign}}
    assert gateway().search(body)["hits"]["total"]["value"] == DOCUMENTS
    assert gateway().delete_pits([foreign]) == 1


@pytest.mark.fuzz
def test_they_leave_nothing_and_never_exceed_the_budget(crowd: Crowd, settings: Any) -> None:
    crowd.run()
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    assert 0 < crowd.most <= settings.IM_PIT_BUDGET
    assert pits.overview().leases == 0
    # The ledger began anew while the other application's was open, and leaves room for what it cannot name.
    assert {slot.state for slot in pits.overview().slots} <= {"found"}


def test_a_small_budget_is_kept_too(crowd: Crowd, settings: Any) -> None:
    settings.IM_PIT_BUDGET = 6
    crowd.run()
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    assert 0 < crowd.most <= 6


def test_with_the_cluster_limited_to_five(crowd: Crowd, node: Node) -> None:
    _limit(node, 5)
    try:
        crowd.run()
    finally:
        _limit(node, None)
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    # The other application's holds one of the five, and each of ours costs two.
    assert 0 < crowd.most <= 4


def test_with_redis_killed_midway(crowd: Crowd, redis_alone: RedisServer, settings: Any) -> None:
    crowd.run(midway=redis_alone.kill)
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    assert 0 < crowd.most <= settings.IM_PIT_BUDGET
    assert pits.overview().shared is False


def test_with_redis_killed_and_back(crowd: Crowd, redis_alone: RedisServer, settings: Any) -> None:
    def restart() -> None:
        redis_alone.kill()
        time.sleep(SECONDS / 6)
        redis_alone.launch()
        redis_alone.wait()

    crowd.run(midway=restart)
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    assert 0 < crowd.most <= settings.IM_PIT_BUDGET
    until(lambda: pits.overview().shared, 5)


DYING_WEB = """
import os, signal, sys
import django
django.setup()
from django.test import Client
from imweb.incidents import pits
from imweb.incidents.pits import ledger
ledger.record = lambda grant, lease: (print(lease.raw_id, flush=True), os.kill(os.getpid(), signal.SIGKILL))
while True:
    # Who has just written shares nobody's older point in time: this process opens one.
    pits.note_write(int(sys.argv[2]))
    Client(SERVER_NAME="localhost").get("/_im/incidents/pit", headers={"Authorization": f"Bearer {sys.argv[1]}"})
"""


def _die(user: User, node: Node, redis_alone: RedisServer) -> str:
    """Kill a web process that has opened and not yet recorded; return the raw id of what it opened."""
    _token, secret = ApiToken.issue(user, "dying")
    env = os.environ | process_env() | {"OPENSEARCH_URL": node.url, "REDIS_URL": redis_alone.url}
    env |= {"DJANGO_SETTINGS_MODULE": "imweb.settings", "IM_PIT_KEEP_ALIVE_SECONDS": str(KEEP_ALIVE)}
    command = [sys.executable, "-c", DYING_WEB, secret, str(user.pk)]
    died = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert died.returncode == -9, died.stderr
    return died.stdout.split()[-1]


def test_with_a_web_process_killed_among_them(
    crowd: Crowd, analyst: User, node: Node, redis_alone: RedisServer, settings: Any
) -> None:
    # Where all is scaled down, a process that starts beside the clients may hold one up for longer than a lease.
    settings.IM_LEASE_SECONDS = LEASE_SECONDS if FULL else 8
    leaked: list[str] = []

    def die() -> None:
        leaked.append(_die(analyst, node, redis_alone))
        assert leaked[0] in raw.listed()

    crowd.run(midway=die)
    assert (crowd.served, crowd.wrong) == (CLIENTS, [])
    assert 0 < crowd.most <= settings.IM_PIT_BUDGET
    assert leaked[0] not in raw.listed()


def test_with_the_web_process_killed_between_opening_and_recording(
    expected: list[str], analyst: User, node: Node, redis_alone: RedisServer, settings: Any
) -> None:
    assert pits.overview().contexts == 0
    opened = _die(analyst, node, redis_alone)
    # It is open and in no ledger, but the pool had reserved its room before it was opened.
    [(leaked, cost)] = raw.listed().items()
    [slot] = pits.overview().slots
    assert leaked == opened
    assert (cost, slot.state, slot.contexts, slot.leases) == (2, "opening", 2, 0)
    # Others go on: somebody else opens, and sees what is there.
    doc_id = write_incident(user_id=700)
    assert shows(pits.open_pit(700, True), doc_id)
    # Nobody renews it, so OpenSearch closes it by its keep-alive.
    began = time.monotonic()
    until(lambda: leaked not in raw.listed(), KEEP_ALIVE + GONE_WITHIN)
    assert time.monotonic() - began <= KEEP_ALIVE + GONE_WITHIN
    assert settings.IM_PIT_KEEP_ALIVE_SECONDS <= 60


def _limit(node: Node, contexts: int | None) -> None:
    body = json.dumps({"persistent": {"search.max_open_pit_context": contexts}}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{node.url}/_cluster/settings", body, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["acknowledged"]

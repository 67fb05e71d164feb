"""Points in time while Redis does not answer: each process pools its own, and hands it over once Redis is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imweb.demo.redis_server import RedisServer, RedisServerError
from imweb.errors import NotFound, PitExpired, TooManyPits
from imweb.incidents import pits
from imweb.incidents.pits import raw
from imweb.incidents.pits.models import MissedWrite
from tests.integration.pits_ground import count, in_threads, servers, shows, write_incident
from tests.services import lacking, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("indices")]
ANNA, BERT = 101, 102


@pytest.fixture
def redis_alone(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed."""
    server = RedisServer(tmp_path / "redis")
    try:
        server.launch()
        server.wait()
    except RedisServerError as error:
        lacking(str(error))
    with servers(settings, REDIS_URL=server.url):
        yield server
    server.stop()


def test_a_lease_taken_before_is_served(redis_alone: RedisServer) -> None:
    """The token itself says which point in time it stands for, and whose it is."""
    doc_id = write_incident(user_id=ANNA)
    lease = pits.open_pit(ANNA, True)
    redis_alone.kill()
    assert shows(pits.use_pit(lease.token, ANNA), doc_id)
    with pytest.raises(NotFound):
        pits.use_pit(lease.token, BERT)
    # Others may hold it, and nobody can be asked: it stays, and ends by itself.
    pits.release_pit(lease.token, ANNA)
    with pytest.raises(PitExpired):
        pits.use_pit(lease.token, ANNA)
    assert pits.open_contexts() == 2


def test_a_new_one_is_shared_within_the_process(redis_alone: RedisServer, settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    redis_alone.kill()
    leases = in_threads(20, lambda number: pits.open_pit(200 + number, True))
    assert len({lease.raw_id for lease in leases}) == 1
    assert pits.open_contexts() == 2
    for lease in leases:
        assert pits.use_pit(lease.token, lease.user_id) == lease
        assert pits.release_pit(lease.token, lease.user_id) is True
    assert pits.open_contexts() == 0
    assert pits.overview().shared is False


def test_own_writes_are_seen(redis_alone: RedisServer, settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    redis_alone.kill()
    for _ in range(10):
        doc_id = write_incident(user_id=ANNA)
        lease = pits.open_pit(ANNA, True)
        assert shows(lease, doc_id)
        pits.release_pit(lease.token, ANNA)
    assert MissedWrite.objects.filter(user_id=ANNA).count() == 10


def test_a_write_that_redis_missed_is_seen_once_it_is_back(redis_alone: RedisServer, settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    pits.open_pit(BERT, True)
    redis_alone.kill()
    doc_id = write_incident(user_id=ANNA)
    _back(redis_alone)
    assert shows(pits.open_pit(ANNA, True), doc_id)


def test_the_budget_is_kept_with_room_for_other_processes(redis_alone: RedisServer, settings: Any) -> None:
    settings.IM_PIT_SLOT_MS, settings.IM_PIT_BUDGET = 0, 10
    redis_alone.kill()
    for user in range(4):
        write_incident(user_id=300 + user)
        pits.open_pit(300 + user, True)
    write_incident(user_id=400)
    with pytest.raises(TooManyPits):
        pits.open_pit(400, True)
    assert pits.open_contexts() == 8


def test_nothing_is_closed_by_a_sweep_that_cannot_know(redis_alone: RedisServer) -> None:
    lease = pits.open_pit(ANNA, True)
    redis_alone.kill()
    assert pits.sweep(force=True).closed == 0
    assert pits.close_slot(lease.pit) is False
    assert count(lease) == 0
    assert pits.open_contexts() == 2


def test_it_is_handed_over_once_redis_is_back(redis_alone: RedisServer) -> None:
    redis_alone.kill()
    kept, released = pits.open_pit(ANNA, True), pits.open_pit(BERT, False)
    pits.release_pit(released.token, BERT)
    _back(redis_alone)
    # The first sweep begins a new life of the ledger; what was handed over is renewed, and nobody new joins it.
    assert pits.sweep(force=True).renewed == 1
    [slot] = [slot for slot in pits.overview().slots if slot.leases]
    assert (slot.pit, slot.joinable) == (kept.pit, False)
    with pytest.raises(PitExpired):
        pits.use_pit(released.token, BERT)
    assert pits.use_pit(kept.token, ANNA)
    assert pits.release_pit(kept.token, ANNA) is True
    assert raw.listed() == {}


def test_leases_outlive_an_emptied_redis(redis_alone: RedisServer) -> None:
    """Restarted with nothing in it: what was given before is used and released as if nothing had happened."""
    doc_id = write_incident(user_id=ANNA)
    lease = pits.open_pit(ANNA, True)
    redis_alone.kill()
    _back(redis_alone)
    assert shows(pits.use_pit(lease.token, ANNA), doc_id)
    assert pits.sweep(force=True).renewed == 1
    assert pits.overview().leases == 1
    assert pits.release_pit(lease.token, ANNA) is True
    assert raw.listed() == {}


def _back(server: RedisServer) -> None:
    """Start it again, empty; a process asks again after a second."""
    server.launch()
    server.wait()

    until(lambda: pits.overview().shared, 5)

"""The pool on real servers: who shares what, who sees what, and what is left open."""

from __future__ import annotations

import time
from typing import Any

import pytest

from imweb import redis as imweb_redis
from imweb.errors import NotFound, PitExpired, TooManyPits, ValidationFailed
from imweb.incidents import pits
from imweb.incidents.pits import ledger, slots
from imweb.opensearch import gateway, schema
from tests import services
from tests.integration.pits_ground import count, in_threads, shows, write_incident

pytestmark = [pytest.mark.usefixtures("indices")]

ANNA, BERT = 101, 102


def test_it_works() -> None:
    doc_id = write_incident()
    lease = pits.open_pit(ANNA, True)
    assert shows(lease, doc_id)
    assert lease.with_aggregations
    assert lease.contexts == 2
    assert abs(lease.created_ms / 1000 - time.time()) < 60
    assert pits.use_pit(lease.token, ANNA) == lease
    assert pits.release_pit(lease.token, ANNA) is True
    assert pits.open_contexts() == 0


def test_it_is_frozen() -> None:
    write_incident()
    lease = pits.open_pit(ANNA, True)
    later = write_incident(user_id=ANNA)
    gateway().refresh(schema.incidents_alias())
    assert count(lease) == 1
    assert not shows(lease, later)


def test_leases_of_one_moment_share_one() -> None:
    leases = in_threads(50, lambda number: pits.open_pit(200 + number, True))
    assert len({lease.raw_id for lease in leases}) == 1
    assert len({lease.token for lease in leases}) == 50
    assert pits.open_contexts() == 2
    for lease in leases:
        pits.release_pit(lease.token, lease.user_id)
    assert pits.open_contexts() == 0


def test_the_other_kind_has_its_own() -> None:
    both, incidents = pits.open_pit(ANNA, True), pits.open_pit(ANNA, False)
    assert both.raw_id != incidents.raw_id
    assert incidents.contexts == 1
    assert pits.open_contexts() == 3


def test_after_its_slot_nobody_joins(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 50
    first = pits.open_pit(ANNA, True)
    time.sleep(0.06)
    assert pits.open_pit(BERT, True).raw_id != first.raw_id


def test_the_last_lease_closes_it() -> None:
    first, second = pits.open_pit(ANNA, True), pits.open_pit(BERT, True)
    assert first.raw_id == second.raw_id
    pits.release_pit(first.token, ANNA)
    assert count(second) == 0
    pits.release_pit(second.token, BERT)
    assert pits.open_contexts() == 0


def test_released_is_over_for_good() -> None:
    mine, other = pits.open_pit(ANNA, True), pits.open_pit(BERT, True)
    assert pits.release_pit(mine.token, ANNA) is True
    assert pits.release_pit(mine.token, ANNA) is False
    with pytest.raises(PitExpired):
        pits.use_pit(mine.token, ANNA)
    assert pits.use_pit(other.token, BERT)


def test_another_users_is_not_found() -> None:
    lease = pits.open_pit(ANNA, True)
    with pytest.raises(NotFound):
        pits.use_pit(lease.token, BERT)
    with pytest.raises(NotFound):
        pits.release_pit(lease.token, BERT)
    assert pits.use_pit(lease.token, ANNA)


def test_what_is_no_token_names_its_field() -> None:
    for call, field in ((pits.use_pit, "pit"), (pits.release_pit, "id")):
        with pytest.raises(ValidationFailed) as caught:
            call("o_-7QQIWenotYWdncmVnYXRpb25z", ANNA)
        assert [detail.field for detail in caught.value.details] == [field]


def test_it_expires_after_its_last_use(settings: Any) -> None:
    settings.IM_LEASE_SECONDS = 0.3
    lease = pits.open_pit(ANNA, True)
    for _ in range(4):
        time.sleep(0.15)
        pits.use_pit(lease.token, ANNA)
    time.sleep(0.35)
    with pytest.raises(PitExpired):
        pits.use_pit(lease.token, ANNA)
    assert pits.release_pit(lease.token, ANNA) is False


def test_a_client_that_vanished_leaves_nothing(settings: Any) -> None:
    settings.IM_LEASE_SECONDS = 0.2
    pits.open_pit(ANNA, True)
    assert pits.sweep(force=True).renewed == 1
    assert pits.open_contexts() == 2
    time.sleep(0.25)
    assert pits.sweep(force=True).closed == 1
    assert pits.open_contexts() == 0
    assert pits.overview().contexts == 0


def test_a_closing_tab_only_shortens(settings: Any) -> None:
    reloaded, closed = pits.open_pit(ANNA, True), pits.open_pit(ANNA, True)
    for lease in (reloaded, closed):
        assert pits.shorten(lease.token, ANNA, 0.2)
    pits.use_pit(reloaded.token, ANNA)
    time.sleep(0.25)
    assert pits.use_pit(reloaded.token, ANNA)
    with pytest.raises(PitExpired):
        pits.use_pit(closed.token, ANNA)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_own_writes_are_seen(settings: Any) -> None:
    """Each of eight users writes and opens, while the others do the same: 1,000 times of 1,000."""
    settings.IM_PIT_SLOT_MS = 30_000
    missed: list[str] = []
    users, writes_each = 8, 125

    def work(number: int) -> None:
        user = 300 + number
        for _ in range(writes_each):
            doc_id = write_incident(user_id=user)
            lease = pits.open_pit(user, True)
            if not shows(lease, doc_id):
                missed.append(doc_id)
            pits.release_pit(lease.token, user)

    in_threads(users, work)
    assert missed == []
    assert pits.open_contexts() <= settings.IM_PIT_BUDGET


def test_others_writes_wait_for_the_slot(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    first = pits.open_pit(ANNA, True)
    doc_id = write_incident(user_id=BERT)
    assert pits.open_pit(ANNA, True).raw_id == first.raw_id
    newer = pits.open_pit(BERT, True)
    assert newer.raw_id != first.raw_id
    assert shows(newer, doc_id)


def test_as_of_now_shows_everybodys_writes(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    pits.open_pit(ANNA, True)
    for _ in range(20):
        doc_id = write_incident(user_id=BERT)
        with pits.ephemeral(True) as lease:
            assert shows(lease, doc_id)
    assert pits.open_contexts() == 2


def test_as_of_now_is_shared_by_requests_of_one_moment() -> None:
    def work(_: int) -> str:
        with pits.ephemeral(True) as lease:
            time.sleep(0.1)
            return lease.raw_id

    assert len(set(in_threads(20, work))) <= 3
    assert pits.open_contexts() == 0


def test_the_budget_holds(settings: Any) -> None:
    """Nobody shares, everybody vanishes: the pool fills to its budget and then refuses, saying when to come again."""
    settings.IM_PIT_SLOT_MS, settings.IM_PIT_BUDGET = 0, 12
    opened = 0
    for number in range(6):
        pits.open_pit(400 + number, True)
        opened += 2
        assert pits.open_contexts() == opened
    # Nothing is shared any more within a slot, but in a full pool the newest one serves whoever it covers.
    newest = pits.open_pit(500, True)
    assert pits.open_contexts() == 12
    write_incident(user_id=501)
    with pytest.raises(TooManyPits) as caught:
        pits.open_pit(501, True)
    assert 1 <= caught.value.retry_after <= 60
    assert pits.open_contexts() == 12
    assert count(newest) == 0


def test_in_a_full_pool_whoever_holds_most_gives_way(settings: Any) -> None:
    """A script that never releases costs others nothing: it loses its own least recently used."""
    settings.IM_PIT_SLOT_MS, settings.IM_PIT_BUDGET = 0, 6
    quiet = pits.open_pit(BERT, True)
    leases = []
    for _ in range(5):
        doc_id = write_incident(user_id=ANNA)
        leases.append(pits.open_pit(ANNA, True))
        assert shows(leases[-1], doc_id)
    assert pits.open_contexts() == 6
    doc_id = write_incident(user_id=BERT + 1)
    assert shows(pits.open_pit(BERT + 1, True), doc_id)
    for over in leases[:4]:
        with pytest.raises(PitExpired):
            pits.use_pit(over.token, ANNA)
    assert pits.use_pit(leases[4].token, ANNA)
    assert pits.use_pit(quiet.token, BERT)


def test_stale_ones_make_room(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS, settings.IM_PIT_BUDGET, settings.IM_LEASE_SECONDS = 0, 4, 0.2
    pits.open_pit(ANNA, True)
    pits.open_pit(BERT, True)
    time.sleep(0.25)
    write_incident(user_id=ANNA)
    assert pits.open_pit(ANNA, True)
    assert pits.open_contexts() == 2


def test_a_price_over_the_budget_says_so(settings: Any) -> None:
    settings.IM_PIT_BUDGET = 1
    with pytest.raises(TooManyPits, match="IM_PIT_BUDGET"):
        pits.open_pit(ANNA, True)
    assert pits.open_contexts() == 0


def test_a_user_has_a_limit_of_leases(settings: Any) -> None:
    settings.IM_LEASES_PER_USER = 3
    leases = [pits.open_pit(ANNA, True) for _ in range(3)]
    with pytest.raises(TooManyPits, match="You hold 3"):
        pits.open_pit(ANNA, True)
    assert pits.open_pit(BERT, True)
    pits.release_pit(leases[0].token, ANNA)
    assert pits.open_pit(ANNA, True)


def test_at_his_limit_a_users_stale_one_gives_way(settings: Any) -> None:
    settings.IM_LEASES_PER_USER, settings.IM_LEASE_SECONDS = 2, 61
    stale, used = pits.open_pit(ANNA, True), pits.open_pit(ANNA, True)
    pits.shorten(stale.token, ANNA, 0.5)
    third = pits.open_pit(ANNA, True)
    with pytest.raises(PitExpired):
        pits.use_pit(stale.token, ANNA)
    assert pits.use_pit(used.token, ANNA)
    assert pits.use_pit(third.token, ANNA)


def test_an_emptied_redis_is_noticed(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    doc_id = write_incident(user_id=ANNA)
    old = pits.open_pit(ANNA, True)
    later = write_incident(user_id=ANNA)
    services.forget_keys()
    # The token speaks for itself, and the point in time is counted and renewed again …
    assert shows(pits.use_pit(old.token, ANNA), doc_id)
    assert pits.overview().contexts in (0, 2)
    # … but nobody new joins it: what it covers cannot be compared with counters of another life.
    new = pits.open_pit(ANNA, True)
    assert new.raw_id != old.raw_id
    assert shows(new, later)
    assert pits.overview().contexts == 4
    assert {slot.state for slot in pits.overview().slots} == {"open"}
    pits.release_pit(old.token, ANNA)
    pits.release_pit(new.token, ANNA)
    assert pits.open_contexts() == 0
    with pytest.raises(PitExpired):
        pits.use_pit(old.token, ANNA)


def test_leftovers_of_an_emptied_redis_count_and_are_never_closed(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS, settings.IM_PIT_BUDGET = 0, 6
    for user in (ANNA, BERT):
        pits.open_pit(user, True)
    services.forget_keys()
    pits.open_pit(ANNA, True)
    assert pits.overview().contexts == 6
    write_incident(user_id=ANNA)
    with pytest.raises(TooManyPits):
        pits.open_pit(ANNA, True)
    pits.sweep(force=True)
    assert pits.open_contexts() == 6


def test_released_in_an_older_life_stays_released() -> None:
    mine, other = pits.open_pit(ANNA, True), pits.open_pit(BERT, True)
    services.forget_keys()
    assert pits.use_pit(other.token, BERT)
    assert pits.release_pit(mine.token, ANNA) is True
    assert pits.release_pit(mine.token, ANNA) is False
    with pytest.raises(PitExpired):
        pits.use_pit(mine.token, ANNA)
    assert pits.use_pit(other.token, BERT)


def test_one_that_opensearch_lost_is_reported_and_never_joined(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 30_000
    lease = pits.open_pit(ANNA, True)
    gateway().delete_pits([lease.raw_id])
    with pytest.raises(PitExpired):
        count(pits.use_pit(lease.token, ANNA))
    pits.report_lost(lease)
    new = pits.open_pit(BERT, True)
    assert count(new) == 0
    with pytest.raises(PitExpired):
        pits.use_pit(lease.token, ANNA)


def test_the_sweep_finds_lost_ones() -> None:
    lease = pits.open_pit(ANNA, True)
    gateway().delete_pits([lease.raw_id])
    assert pits.sweep(force=True).lost == 1
    assert pits.overview().slots == []


def test_an_administrator_closes_one() -> None:
    lease = pits.open_pit(ANNA, True)
    [slot] = pits.overview().slots
    assert (slot.pit, slot.leases, slot.users, slot.contexts, slot.state) == (lease.pit, 1, 1, 2, "open")
    assert pits.close_slot(slot.pit) is True
    assert pits.close_slot(slot.pit) is False
    assert pits.open_contexts() == 0
    with pytest.raises(PitExpired):
        pits.use_pit(lease.token, ANNA)


def test_all_of_a_user_are_released(settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 0
    for _ in range(3):
        pits.open_pit(ANNA, True)
    kept = pits.open_pit(BERT, False)
    assert pits.release_all(ANNA) == 3
    assert pits.use_pit(kept.token, BERT)
    assert pits.open_contexts() == 1


def test_overview_of_an_idle_pool() -> None:
    view = pits.overview()
    assert (view.shared, view.contexts, view.leases, view.slots) == (True, 0, 0, [])


def test_the_scripts_arithmetic_is_the_modules() -> None:
    script = (ledger.LUA / "_common.lua").read_text() + (
        "local answers = {}\n"
        "for contexts = 0, tonumber(ARGV[1]) do\n"
        "  answers[contexts + 1] = text(slot_ms(contexts, tonumber(ARGV[1]), 1000, 900000))\n"
        "end\n"
        "return answers\n"
    )
    for budget in (1, 2, 3, 5, 7, 40, 300, 999):
        answers = imweb_redis.client().eval(script, 1, "x", budget)
        assert [int(answer) for answer in answers] == [slots.slot_ms(n, budget) for n in range(budget + 1)]

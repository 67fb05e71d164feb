"""Leases on pooled points in time: open, use, release. One ledger for all processes, one of its own without Redis."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from imweb.errors import ImError, NotFound, PitExpired, SearchTimeout, SearchUnavailable, TooManyPits, ValidationFailed
from imweb.incidents.pits import ledger, raw, tokens, writes
from imweb.incidents.pits.ledger import NOBODY, AtLimit, Full, Grant, Joined, NewEpoch, Wait
from imweb.incidents.pits.link import LedgerDown
from imweb.incidents.pits.local import local_pool
from imweb.incidents.pits.tokens import Lease

# How long one request waits for somebody else's opening before it gives up.
PATIENCE_SECONDS = 15.0
# A user at his limit of leases loses the one unused for longest, if that is at least this long ago.
STALE_MS = 60_000
log = structlog.get_logger(__name__)


def open_pit(user_id: int, with_aggregations: bool) -> Lease:
    """Return a lease on a point in time that shows everything this user has written.

    Raises `TooManyPits` when the pool's budget or the cluster has no room, `SearchUnavailable` without OpenSearch.
    """
    try:
        return _open_shared(user_id, with_aggregations)
    except LedgerDown:
        return local_pool().open(user_id, with_aggregations)


@contextmanager
def ephemeral(with_aggregations: bool) -> Iterator[Lease]:
    """Give a point in time "as of now" for the length of one request that brought none.

    It shows every write noted before, and other applications' as of at most a second ago, which is what a search
    without a point in time shows. It is shared with other requests of that second and counts against the budget.
    """
    try:
        lease = _open_shared(NOBODY, with_aggregations, as_of_now=True)
    except LedgerDown:
        lease = local_pool().open(NOBODY, with_aggregations, as_of_now=True)
    try:
        yield lease
    finally:
        _release(lease)


def use_pit(token: str, user_id: int, *, field: str = "pit") -> Lease:
    """Return the lease of a token and renew it.

    Raises `ValidationFailed` for a text that is no token, `NotFound` for another user's, `PitExpired` for one released,
    expired or closed.
    """
    lease = read(token, user_id, field=field)
    try:
        answer = ledger.use(lease)
        if answer == "unknown":
            _adopt(lease)
        elif answer != "ok":
            raise _over()
    except LedgerDown:
        # The token proves that the lease was given; whether it still lives shows in the search itself.
        if not local_pool().use(lease):
            raise _over() from None
    return lease


def share(lease: Lease) -> Lease:
    """Return another lease on the same point in time, which ends by itself and not with the first (`PitExpired`)."""
    own = _sealed(replace(lease, id=tokens.new_id(), token=""))
    try:
        if not ledger.adopt(own, [(own.user_id, own.id)]):
            raise _over()
    except LedgerDown:
        local_pool().use(own)
    return own


def release_pit(token: str, user_id: int, *, field: str = "id") -> bool:
    """End a lease; return whether it was alive. Raises as `use_pit`, but never `PitExpired`."""
    return _release(read(token, user_id, field=field))


def shorten(token: str, user_id: int, seconds: float) -> bool:
    """Let a lease end so many seconds from now unless it is used again: a tab says that it closes, or only reloads."""
    lease = read(token, user_id)
    try:
        return ledger.shorten(lease, seconds)
    except LedgerDown:
        return False


def release_all(user_id: int) -> int:
    """End all leases of a user, those of his scripts too; return how many were alive."""
    alive = 0
    try:
        for pit, lease in ledger.leases_of_user(user_id):
            ended, raw_id = ledger.release(pit, "", [(user_id, lease)])
            alive += ended
            raw.close([(pit, raw_id)] if raw_id else [])
    except LedgerDown:
        log.warning("pit_release_all_without_ledger", user=user_id)
    return alive


def report_lost(lease: Lease) -> None:
    """Say that OpenSearch does not know this point in time any more (a node restarted), so that nobody joins it."""
    log.warning("pit_lost", pit=lease.pit)
    close_slot(lease.pit)


def close_slot(pit: str) -> bool:
    """Close a point in time whoever holds it; return False when the ledger has no such name."""
    try:
        raw_id = ledger.close(pit)
        if raw_id is None:
            return False
        raw.close([(pit, raw_id)])
    except LedgerDown:
        # Shared ones stay untouched while nobody can say who holds them; unused they end by themselves.
        return False
    return True


def read(token: str, user_id: int, *, field: str = "pit") -> Lease:
    """Return the lease that a token holds without renewing it (`ValidationFailed`, `NotFound`)."""
    try:
        lease = tokens.unseal(token)
    except tokens.MalformedToken:
        raise ValidationFailed.field(field, _("is not a point in time of this server; request one first.")) from None
    if lease.user_id != user_id:
        raise NotFound(_("There is no such point in time."))
    return lease


def begin_epoch() -> str:
    """Start the ledger anew after Redis lost it; what is still open in OpenSearch counts until it is gone."""
    found = [(tokens.pit_name(raw_id), cost) for raw_id, cost in raw.listed().items()]
    epoch = ledger.begin(tokens.new_id(), found)
    log.info("pit_epoch", epoch=epoch, found=len(found))
    return epoch


def _open_shared(user_id: int, with_aggregations: bool, *, as_of_now: bool = False) -> Lease:
    lease_id = tokens.new_id()
    missed = 0 if user_id == NOBODY else writes.missed_write(user_id)
    patience = time.monotonic() + PATIENCE_SECONDS
    pause = 0.01
    while time.monotonic() < patience:
        answer = ledger.join(user_id, with_aggregations, lease_id, missed_write=missed, as_of_now=as_of_now)
        match answer:
            case Joined():
                return _sealed(
                    Lease(
                        lease_id,
                        user_id,
                        answer.raw_id,
                        answer.created_ms,
                        with_aggregations,
                        answer.contexts,
                        answer.epoch,
                    )
                )
            case Grant():
                if (lease := _open_granted(answer, user_id, with_aggregations, lease_id)) is not None:
                    return lease
            case Wait():
                # Spread out, so that hundreds who wait do not all ask at the same moment.
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
                pause = min(pause * 1.5, 0.1)
            case NewEpoch():
                begin_epoch()
            case AtLimit():
                _make_room_for_user(answer, user_id)
            case Full():
                _make_room(answer)
    raise SearchUnavailable(_("No point in time could be opened in time. Try again in a moment."))


def _open_granted(grant: Grant, user_id: int, with_aggregations: bool, lease_id: str) -> Lease | None:
    """Open what was granted; None when the cluster refused and the caller should ask the ledger again."""
    started = time.perf_counter()
    try:
        raw.refresh(with_aggregations)
    except BaseException:
        ledger.abandon(grant, "failed")
        raise
    try:
        opened = raw.create(with_aggregations)
    except TooManyPits:
        contexts = ledger.abandon(grant, "refused")
        log.warning("pit_refused_by_cluster", contexts=contexts)
        _close_ended()
        return None
    except (SearchTimeout, SearchUnavailable):
        ledger.abandon(grant, "unknown")
        raise
    except BaseException:
        ledger.abandon(grant, "failed")
        raise
    lease = _sealed(
        Lease(lease_id, user_id, opened.id, opened.created_ms, with_aggregations, opened.contexts, grant.epoch)
    )
    try:
        contexts = ledger.record(grant, lease)
    except LedgerDown:
        # Redis died in between: this process looks after it until Redis is back.
        local_pool().keep(lease)
        return lease
    log.info(
        "pit_opened",
        pit=lease.pit,
        with_aggregations=with_aggregations,
        cost=lease.contexts,
        contexts=contexts,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )
    if contexts > settings.IM_PIT_BUDGET:
        # Only when it covers more shards than the last one did; the ledger knows the price from now on.
        close_slot(lease.pit)
        raise _too_many(lease.contexts, settings.IM_PIT_BUDGET, 5)
    return lease


def _make_room(full: Full) -> None:
    """Close what has ended, else what the one who alone holds the most used least, else raise `TooManyPits`."""
    if full.ending:
        raw.close(full.ending)
        return
    if (given := ledger.give_way()) is not None:
        log.info("pit_gave_way", pit=given[0], user=given[2])
        raw.close([given[:2]])
        return
    log.warning("pit_pool_full", contexts=full.contexts, limit=full.limit)
    raise _too_many(full.cost, full.limit, max(1, min(60, -(-full.retry_ms // 1000))))


def _make_room_for_user(limit: AtLimit, user_id: int) -> None:
    if limit.idle_ms < min(STALE_MS, ledger.lease_ms()):
        raise TooManyPits(
            _("You hold %(limit)s points in time at once; release one that you do not need any more.")
            % {"limit": settings.IM_LEASES_PER_USER},
            retry_after=max(1, min(60, (STALE_MS - limit.idle_ms) // 1000)),
        )
    _alive, raw_id = ledger.release(limit.pit, "", [(user_id, limit.lease)])
    raw.close([(limit.pit, raw_id)] if raw_id else [])


def _close_ended() -> None:
    survey = ledger.survey(sweeping=True)
    if not isinstance(survey, NewEpoch):
        raw.close((entry.name, entry.raw_id) for entry in survey.entries if entry.state == "closing")


def _adopt(lease: Lease) -> None:
    """Enter a lease of an older epoch in the ledger again, if OpenSearch still knows its point in time."""
    raw.touch(lease.raw_id)
    if not ledger.adopt(lease, [(lease.user_id, lease.id)]):
        raise _over()
    log.info("pit_adopted", pit=lease.pit)


def _release(lease: Lease) -> bool:
    try:
        alive, raw_id = ledger.release(lease.pit, lease.epoch, [(lease.user_id, lease.id)])
        raw.close([(lease.pit, raw_id)] if raw_id else [])
    except LedgerDown:
        return local_pool().release(lease)
    return alive > 0


def _sealed(lease: Lease) -> Lease:
    return replace(lease, token=tokens.seal(lease))


def _over() -> ImError:
    return PitExpired(_("This point in time is over. Request a new one and go on from the same place."))


def _too_many(cost: int, limit: int, retry_after: int) -> TooManyPits:
    if limit < settings.IM_PIT_BUDGET:
        reason = _("OpenSearch has reached its limit of open points in time. Try again in a few seconds.")
    elif cost > limit:
        reason = _("A point in time costs %(cost)s contexts, the pool may hold %(limit)s: raise IM_PIT_BUDGET.")
    else:
        reason = _("All points in time that may be open at once (%(limit)s contexts) are in use. Try again shortly.")
    return TooManyPits(reason % {"cost": cost, "limit": limit}, retry_after=retry_after)

"""Each process's own pool while Redis does not answer; handed over to the ledger when Redis is back.

Whether a user's last write is covered is decided by rows in the database (writes.py). The room left is measured in
OpenSearch itself, which all processes share. Nothing that others may hold is closed: unused, it ends by itself.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from functools import cache

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from imweb.errors import ImError, PitExpired, TooManyPits
from imweb.incidents.pits import ledger, link, raw, slots, tokens, writes
from imweb.incidents.pits.tokens import Lease

# Processes measure the room one after the other, not together: they leave a part of it for each other.
SHARE_OF_BUDGET = 0.8
OUTAGE_SECONDS = 120
RENEW_OUTAGE_AFTER = 45.0
# Well before the declaration ends, whatever the machines' clocks differ by.
OUTAGE_HOLDS = 75.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LocalPit:
    """A point in time that this process opened; times are of its own monotonic clock, in seconds."""

    origin: Lease
    covers: int
    fresh: float
    joinable: bool
    leases: dict[tuple[int, str], float] = field(default_factory=dict)


class LocalPool:
    """What one process holds without Redis."""

    def __init__(self) -> None:
        self.process = f"{socket.gethostname()[:40]}-{os.getpid()}-{tokens.new_id()[:6]}"
        self.epoch = f"local-{self.process}"
        self._lock = threading.RLock()
        self._opening = {False: threading.Lock(), True: threading.Lock()}
        self._pits: dict[str, LocalPit] = {}
        self._released: dict[str, Lease] = {}
        self._declared = float("-inf")
        self._contexts = 0
        self._renewer: threading.Thread | None = None

    def open(self, user_id: int, with_aggregations: bool, *, as_of_now: bool = False) -> Lease:
        """Return a lease on one of this process's own points in time (`TooManyPits`)."""
        with self._opening[with_aggregations]:
            self._declare()
            needed = writes.missed_write(user_id)
            limit = int(settings.IM_PIT_BUDGET * SHARE_OF_BUDGET)
            slot = slots.slot_ms(self._contexts, limit, settings.IM_PIT_SLOT_MS)
            if not as_of_now and (lease := self._join(user_id, with_aggregations, needed, slot)):
                return lease
            self._contexts = sum(raw.listed().values())
            try:
                if self._contexts + (2 if with_aggregations else 1) > limit:
                    raise TooManyPits(_("All points in time that may be open at once are in use. Try again shortly."))
                covers, fresh = writes.newest_missed_write(), time.monotonic()
                raw.refresh(with_aggregations)
                opened = raw.create(with_aggregations)
            except TooManyPits:
                if not as_of_now and (lease := self._join(user_id, with_aggregations, needed, slots.MAX_SLOT_MS)):
                    return lease
                raise
            lease = Lease(
                tokens.new_id(),
                user_id,
                opened.id,
                opened.created_ms,
                with_aggregations,
                opened.contexts,
                self.epoch,
            )
            self._contexts += opened.contexts
            log.info("pit_opened_locally", pit=lease.pit, contexts=self._contexts)
            return self.keep(lease, covers=covers, fresh=fresh, joinable=not as_of_now)

    def keep(self, lease: Lease, *, covers: int = 0, fresh: float = 0.0, joinable: bool = False) -> Lease:
        """Look after a point in time that this process opened."""
        with self._lock:
            pit = self._pits.setdefault(lease.pit, LocalPit(lease, covers, fresh, joinable))
            return self._take(pit, lease.user_id, lease.id)

    def use(self, lease: Lease) -> bool:
        """Renew a lease; False only for one that was released here."""
        with self._lock:
            if lease.id in self._released:
                return False
            if pit := self._pits.get(lease.pit):
                pit.leases[lease.user_id, lease.id] = time.monotonic() + settings.IM_LEASE_SECONDS
            return True

    def release(self, lease: Lease) -> bool:
        """End a lease and close the point in time if this process knows all of its holders and none is left."""
        with self._lock:
            if lease.id in self._released:
                return False
            self._released[lease.id] = lease
            pit = self._pits.get(lease.pit)
            if pit is None:
                return True
            alive = pit.leases.pop((lease.user_id, lease.id), None) is not None
            if pit.leases or pit.origin.epoch != self.epoch:
                # The second: it may have reached the ledger before Redis died, and others may hold it.
                return alive
            del self._pits[lease.pit]
        try:
            raw.delete([lease.raw_id])
        except ImError as error:
            log.warning("pit_close_failed", pits=[lease.pit], error=error.reason)
        return alive

    def hand_over(self) -> None:
        """Enter everything in the ledger now that Redis is back; what fails stays here for the next time."""
        with self._lock:
            for lease_id, lease in list(self._released.items()):
                ledger_release(lease)
                del self._released[lease_id]
            for name, pit in list(self._pits.items()):
                if pit.leases:
                    ledger.adopt(pit.origin, list(pit.leases))
                del self._pits[name]

    def _join(self, user_id: int, with_aggregations: bool, needed: int, slot: int) -> Lease | None:
        since = time.monotonic() - slot / 1000
        with self._lock:
            fitting = [
                pit
                for pit in self._pits.values()
                if pit.joinable
                and pit.origin.with_aggregations == with_aggregations
                and pit.covers >= needed
                and pit.fresh >= since
            ]
            if not fitting:
                return None
            return self._take(max(fitting, key=lambda pit: pit.fresh), user_id, tokens.new_id())

    def _take(self, pit: LocalPit, user_id: int, lease_id: str) -> Lease:
        pit.leases[user_id, lease_id] = time.monotonic() + settings.IM_LEASE_SECONDS
        if self._renewer is None or not self._renewer.is_alive():
            self._renewer = threading.Thread(target=self._renew, name="pit-renewer", daemon=True)
            self._renewer.start()
        lease = replace(pit.origin, id=lease_id, user_id=user_id, token="")
        return replace(lease, token=tokens.seal(lease))

    def _declare(self) -> None:
        """Say in the database that this process pools by itself, before it opens or joins anything."""
        now = time.monotonic()
        if now - self._declared < RENEW_OUTAGE_AFTER:
            return
        lapsed = now - self._declared > OUTAGE_HOLDS
        writes.declare_outage(self.process, OUTAGE_SECONDS)
        self._declared = now
        if lapsed:
            # Others may not have left rows meanwhile, so nothing opened before can be proved to cover a write.
            with self._lock:
                for pit in self._pits.values():
                    pit.joinable = False

    def _renew(self) -> None:
        """Keep what has leases alive, as beat does for the shared ones; end with the last of them."""
        while True:
            time.sleep(settings.IM_PIT_KEEP_ALIVE_SECONDS / 3)
            with self._lock:
                now = time.monotonic()
                for name, pit in list(self._pits.items()):
                    pit.leases = {holder: ends for holder, ends in pit.leases.items() if ends > now}
                    if not pit.leases:
                        # Not closed: a lease may have been used through another process, whose searches renew it.
                        del self._pits[name]
                if not self._pits:
                    self._renewer = None
                    return
                held = [(name, pit.origin.raw_id) for name, pit in self._pits.items()]
            for name, raw_id in held:
                try:
                    raw.touch(raw_id)
                except PitExpired:
                    with self._lock:
                        self._pits.pop(name, None)
                except ImError as error:
                    log.warning("pit_renewal_failed", pit=name, error=error.reason)


def ledger_release(lease: Lease) -> None:
    """Release in the ledger what was released while Redis was away."""
    _alive, raw_id = ledger.release(lease.pit, lease.epoch, [(lease.user_id, lease.id)])
    raw.close([(lease.pit, raw_id)] if raw_id else [])


_making = threading.Lock()


@cache
def _made() -> LocalPool:
    return LocalPool()


def local_pool() -> LocalPool:
    """Return this process's own pool."""
    # Threads that come first together would each make one: a cache holds no lock while it calls.
    with _making:
        return _made()


def forget() -> None:
    """Let the next call make a pool anew, as a new process would."""
    _made.cache_clear()


def _hand_over() -> None:
    try:
        local_pool().hand_over()
    except link.LedgerDown:
        log.warning("pit_hand_over_failed")


link.on_return(_hand_over)

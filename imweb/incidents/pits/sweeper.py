"""What beat does for the points in time: close what nobody holds, renew what somebody holds, forget old rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from imweb.errors import ImError, PitExpired
from imweb.incidents.pits import ledger, pool, raw, writes
from imweb.incidents.pits.ledger import Entry, NewEpoch
from imweb.incidents.pits.link import LedgerDown
from imweb.incidents.pits.models import ResultSet

# A page that was left open says "opened again as of now" after its lease ended; after a day it is simply a new one.
RESULT_SET_LIFE = timedelta(days=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did; `contexts` is what the pool holds afterwards."""

    closed: int = 0
    renewed: int = 0
    lost: int = 0
    contexts: int = 0


def sweep(*, force: bool = False) -> Swept:
    """Close the points in time without leases and renew those with; one process at a time unless forced."""
    ResultSet.objects.filter(last_used_at__lt=timezone.now() - RESULT_SET_LIFE).delete()
    writes.forget_old()
    try:
        if not force and not ledger.sweep_lock(max(1, settings.IM_PIT_SWEEP_SECONDS // 2)):
            return Swept()
        survey = ledger.survey(sweeping=True)
        if isinstance(survey, NewEpoch):
            pool.begin_epoch()
            survey = ledger.survey(sweeping=True)
        if isinstance(survey, NewEpoch):
            return Swept()
        done = _carry_out(survey.entries, survey.now_ms)
    except LedgerDown:
        # Without the ledger nobody knows what is shared: everything unused ends by its own keep-alive.
        log.warning("pit_sweep_without_ledger")
        return Swept()
    log.info("pit_sweep", closed=done.closed, renewed=done.renewed, lost=done.lost, contexts=done.contexts)
    return done


def _carry_out(entries: list[Entry], now_ms: int) -> Swept:
    ending = [entry for entry in entries if entry.state == "closing"]
    raw.close((entry.name, entry.raw_id) for entry in ending)
    # OpenSearch could not be told, but it has certainly closed them by itself.
    ledger.closed([entry.name for entry in ending if now_ms - entry.touched_ms > ledger.gone_ms()])
    renewed: list[str] = []
    lost = 0
    for entry in entries:
        if entry.state != "open":
            continue
        try:
            raw.touch(entry.raw_id)
            renewed.append(entry.name)
        except PitExpired:
            lost += 1
            log.warning("pit_lost", pit=entry.name, leases=entry.leases)
            pool.close_slot(entry.name)
        except ImError as error:
            log.warning("pit_renewal_failed", pit=entry.name, error=error.reason)
            break
    ledger.touched(renewed)
    gone = {entry.name for entry in ending}
    return Swept(len(ending), len(renewed), lost, sum(entry.contexts for entry in entries if entry.name not in gone))

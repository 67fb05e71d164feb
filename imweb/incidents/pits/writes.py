"""Own writes are seen: who wrote what last, told to Redis, and to the database where Redis does not reach everybody.

Why this holds. A write is noted after OpenSearch acknowledged it and before the user is answered. Who opens a point in
time reads the write counter first, then refreshes, then opens: it covers every write noted up to that count. A user
joins only what covers his last one. When Redis cannot be told, the write is a row instead, and the user's next opening
counts it as written then. A process that cannot reach Redis says so in the database before it opens a point in time of
its own; every noted write looks there afterwards and leaves a row. So a write is either in the rows that such a process
compares, or it was acknowledged before the process opened its first.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from imweb.incidents.pits import ledger
from imweb.incidents.pits.link import LedgerDown
from imweb.incidents.pits.models import MissedWrite, Outage

# Longer than anything is shared after its opening (slots.MAX_SLOT_MS), so that an older row changes nothing.
ROW_LIFE = timedelta(hours=1)


def note_write(user_id: int | None) -> None:
    """Note that OpenSearch acknowledged a write of this user (None: of the system); call it before answering him."""
    try:
        ledger.note(user_id)
        told = not Outage.objects.filter(until__gt=timezone.now()).exists()
    except LedgerDown:
        told = False
    if not told and user_id is not None:
        MissedWrite.objects.create(user_id=user_id)


def missed_write(user_id: int) -> int:
    """Return the number of the user's last write that stands in the database, 0 for none."""
    return MissedWrite.objects.filter(user_id=user_id).aggregate(last=Max("id"))["last"] or 0


def newest_missed_write() -> int:
    """Return the number of the last write of anybody that stands in the database, 0 for none."""
    return MissedWrite.objects.aggregate(last=Max("id"))["last"] or 0


def declare_outage(process: str, seconds: int) -> None:
    """Say that this process cannot reach Redis; from now on every write leaves a row."""
    Outage.objects.update_or_create(process=process, defaults={"until": timezone.now() + timedelta(seconds=seconds)})


def forget_old() -> None:
    """Delete the rows that cannot matter any more."""
    before = timezone.now() - ROW_LIFE
    MissedWrite.objects.filter(at__lt=before).delete()
    Outage.objects.filter(until__lt=before).delete()

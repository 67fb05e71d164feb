"""What a page holds: one lease a result set (a tab with its filters), found by the key in the page's URL."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from imweb.errors import ImError, NotFound, PitExpired, ValidationFailed
from imweb.incidents.pits import pool
from imweb.incidents.pits.models import ResultSet
from imweb.incidents.pits.tokens import Lease

KEY = re.compile(r"[A-Za-z0-9_-]{4,32}")
# A session's oldest result sets give way: nobody works in more tabs at once.
PER_SESSION = 40
# Reading a page must not cost a database write each time.
NOTE_USE_AFTER = timedelta(seconds=60)


def new_key() -> str:
    """Return a short random key that is safe in a URL."""
    return secrets.token_urlsafe(6)


def new_result_set(session_key: str, user_id: int, with_aggregations: bool) -> tuple[str, Lease]:
    """Open a lease for a new result set; return its key and the lease (`TooManyPits` and others as `open_pit`)."""
    key = new_key()
    lease, _reopened = lease_for(session_key, key, user_id, with_aggregations)
    return key, lease


def lease_for(session_key: str, key: str, user_id: int, with_aggregations: bool) -> tuple[Lease, bool]:
    """Return the result set's lease, renewed, and whether it had ended and was opened again as of now.

    A key that this session does not know (a link from a colleague, a tab of an earlier session) gets a lease of its own
    under the same key. Requests of one page that come at once all get the same lease.
    """
    if not KEY.fullmatch(key):
        raise ValidationFailed.field("rs", _("is not a key of a result set."))
    row = ResultSet.objects.filter(session_key=session_key, key=key).first()
    if row is None or row.user_id != user_id:
        return _insert(session_key, key, user_id, with_aggregations)
    try:
        lease = pool.use_pit(row.token, user_id)
    except (PitExpired, NotFound, ValidationFailed):
        # Malformed only when the secret key was changed without a fallback: nothing that the reader can do about.
        return _replace(row, user_id, with_aggregations), True
    if with_aggregations and not lease.with_aggregations:
        return _replace(row, user_id, with_aggregations), False
    if timezone.now() - row.last_used_at > NOTE_USE_AFTER:
        ResultSet.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    return lease, False


def reopen(session_key: str, key: str, user_id: int, with_aggregations: bool) -> Lease:
    """Give the result set a new lease as of now (Refresh, or OpenSearch lost the old one) and release the old one."""
    row = ResultSet.objects.filter(session_key=session_key, key=key, user_id=user_id).first()
    if row is None:
        return lease_for(session_key, key, user_id, with_aggregations)[0]
    return _replace(row, user_id, with_aggregations)


def shorten_result_set(session_key: str, key: str, seconds: float) -> None:
    """Let a result set's lease end soon unless its page comes back: the tab says that it closes."""
    row = ResultSet.objects.filter(session_key=session_key, key=key).first()
    if row is not None:
        try:
            pool.shorten(row.token, row.user_id, seconds)
        except ImError:
            return


def release_result_set(session_key: str, key: str) -> bool:
    """End a result set; return whether its lease was alive."""
    row = ResultSet.objects.filter(session_key=session_key, key=key).first()
    return row is not None and _release(row)


def release_session(session_key: str) -> int:
    """End everything that a session holds; return how many leases were alive."""
    return sum(_release(row) for row in ResultSet.objects.filter(session_key=session_key))


def _insert(session_key: str, key: str, user_id: int, with_aggregations: bool) -> tuple[Lease, bool]:
    lease = pool.open_pit(user_id, with_aggregations)
    try:
        with transaction.atomic():
            # A session key is bound to one user; another user's row under it is a leftover.
            ResultSet.objects.filter(session_key=session_key, key=key).exclude(user_id=user_id).delete()
            ResultSet.objects.create(session_key=session_key, key=key, user_id=user_id, token=lease.token)
    except IntegrityError:
        # Another request of the same page was first: its lease is the page's.
        pool.release_pit(lease.token, user_id)
        return lease_for(session_key, key, user_id, with_aggregations)
    surplus = ResultSet.objects.filter(session_key=session_key).order_by("-last_used_at", "-pk")[PER_SESSION:]
    for row in surplus:
        _release(row)
    return lease, False


def _replace(row: ResultSet, user_id: int, with_aggregations: bool) -> Lease:
    lease = pool.open_pit(user_id, with_aggregations)
    mine = ResultSet.objects.filter(pk=row.pk, token=row.token).update(token=lease.token, last_used_at=timezone.now())
    if mine:
        _end(row.token, user_id)
        return lease
    pool.release_pit(lease.token, user_id)
    return lease_for(row.session_key, row.key, user_id, with_aggregations)[0]


def _release(row: ResultSet) -> bool:
    row.delete()
    return _end(row.token, row.user_id)


def _end(token: str, user_id: int) -> bool:
    try:
        return pool.release_pit(token, user_id)
    except (NotFound, ValidationFailed):
        return False

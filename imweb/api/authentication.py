"""Who calls: the browser's session, guarded against forgery, or the bearer of a token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.compiled import CompiledQuery
from imweb.accounts.incident_types import scope_of_roles
from imweb.accounts.models import ApiToken, User
from imweb.accounts.scope import EVERYTHING
from imweb.audit.origin import current
from imweb.audit.trail import record
from imweb.errors import AuthenticationRequired, PermissionDenied

if TYPE_CHECKING:
    from django.http import HttpResponse

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Writing "used just now" at every call would make every read a write.
USED_EVERY = timedelta(minutes=1)
# The audit trail keeps uses of a token from each address this often; each call would be an entry for each search.
AUDITED_EVERY = timedelta(hours=1)
MAX_ADDRESSES = 50
# Token, user, his roles and those of his groups (a row for each pair) in one query: several cost more than the search
# that they guard.
_COLUMNS = (
    "pk",
    "scopes",
    "expires_at",
    "revoked_at",
    "last_used_at",
    "uses",
    "user_id",
    "user__username",
    "user__time_zone",
    "user__is_active",
    "user__is_superuser",
    "user__roles__name",
    "user__roles__permissions",
    "user__roles__row_filter",
    "user__roles__hidden_fields",
    "user__user_groups__roles__name",
    "user__user_groups__roles__permissions",
    "user__user_groups__roles__row_filter",
    "user__user_groups__roles__hidden_fields",
)
_OF_ROLE = 4  # of the columns, once for his own and once for his groups
log = structlog.get_logger(__name__)


def actor_for(request: HttpRequest) -> Actor:
    """Return who calls; a token goes before a session. Raises `AuthenticationRequired`."""
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return _bearer(request, secret.strip())
    user = request.user
    if not isinstance(user, User) or not user.is_authenticated or not user.is_active:
        raise _required("Sign in, or send the header Authorization: Bearer <token>.")
    return actor_of(user, default_zone=settings.TIME_ZONE)


def by_token(request: HttpRequest) -> bool:
    """Return whether the call brings a token, which no other site can make a browser send."""
    return bool(request.META.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer ")


def check_forgery(request: HttpRequest) -> None:
    """Refuse an unsafe call by session that does not prove to come from our own pages (`PermissionDenied`)."""
    if request.method in SAFE_METHODS or by_token(request):
        return
    check = _ForgeryCheck(_nothing)
    check.process_request(request)
    # Django's type stubs know only what the real middleware returns.
    reason: Any = check.process_view(request, _nothing, (), {})
    if reason:
        raise PermissionDenied(
            "A call with the browser's session must carry the page's CSRF token in the header X-CSRFToken "
            f"({str(reason).rstrip('.')}). Scripts use a token instead: Authorization: Bearer <token>."
        )


class _ForgeryCheck(CsrfViewMiddleware):
    """Django's own check, which says why instead of answering with a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _nothing(request: HttpRequest) -> HttpResponse:
    raise AssertionError("never called: the check only looks at the request")


def _bearer(request: HttpRequest, secret: str) -> Actor:
    # A token is ours only if it has this form; anything else need not be looked for.
    if not secret.startswith(ApiToken.PREFIX) or len(secret) > 200 or not secret.isascii():
        raise _required("This is no token of this server; an API token begins with im_.")
    rows = _tokens().rows(ApiToken.digest_of(secret))
    if not rows:
        raise _required("This token is unknown; it may have been deleted.")
    found = rows[0][: -2 * _OF_ROLE]
    pk, scopes, expires_at, revoked_at, used_at, uses, user_id, username, zone, active, superuser = found
    now = timezone.now()
    kept = uses.get(current().address)
    anew = kept is None or now.timestamp() - kept >= AUDITED_EVERY.total_seconds()
    reason = ""
    if revoked_at is not None:
        reason = "This token was revoked."
    elif expires_at is not None and expires_at <= now:
        reason = "This token has expired; make a new one."
    elif not active:
        reason = "The user of this token is not active any more."
    if anew or (not reason and (used_at is None or now - used_at >= USED_EVERY)):
        _note_use(pk, username, now, refused=reason, anew=anew)
    if reason:
        raise _required(reason)
    user = User(pk=user_id, username=username, time_zone=zone, is_active=active, is_superuser=superuser)
    user.scope = (
        EVERYTHING
        if superuser
        else scope_of_roles(
            (role or "", granted or (), text or "", hidden or ()) for role, granted, text, hidden in _held(rows)
        )
    )
    # The log line names the user, whichever way he came.
    request.user = request._cached_user = user  # type: ignore[attr-defined]
    return actor_of(user, frozenset(scopes) if scopes else None, default_zone=settings.TIME_ZONE)


def _held(rows: Sequence[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """Return the roles of a token's rows, each once by its name."""
    parts = (part for row in rows for part in (row[-2 * _OF_ROLE : -_OF_ROLE], row[-_OF_ROLE:]))
    return {part[0]: part for part in parts}.values()


@cache
def _tokens() -> CompiledQuery:
    return CompiledQuery(ApiToken.objects.filter(digest=CompiledQuery.PLACE).values_list(*_COLUMNS))


def _note_use(token: int, username: str, now: datetime, *, refused: str, anew: bool) -> None:
    try:
        with transaction.atomic():
            row = ApiToken.objects.select_for_update().get(pk=token)
            if not refused:
                row.last_used_at = now
            if anew:
                since = now.timestamp() - AUDITED_EVERY.total_seconds()
                lately = sorted((at, address) for address, at in row.uses.items() if at > since)
                row.uses = {address: at for at, address in lately[1 - MAX_ADDRESSES :]}
                row.uses[current().address] = now.timestamp()
                if refused:
                    details = {"reason": refused, "token": row.hint}
                    record("refused", user=username, target=row.name, outcome="refused", details=details)
                else:
                    record("token_used", user=username, target=row.name, details={"token": row.hint})
            row.save(update_fields=["last_used_at", "uses"])
    except (DatabaseError, ApiToken.DoesNotExist) as error:
        # A database that cannot be written to just now is no reason to refuse a search.
        log.warning("token_use_not_noted", token=token, error=str(error))


def _required(reason: str) -> AuthenticationRequired:
    return AuthenticationRequired(reason, headers={"WWW-Authenticate": 'Bearer realm="incident-manager"'})

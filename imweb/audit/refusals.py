"""What was refused for want of a permission, by whichever face."""

from __future__ import annotations

import structlog
from django.db import DatabaseError
from django.http import HttpRequest

from imweb.audit.trail import record
from imweb.errors import ImError, PermissionDenied

log = structlog.get_logger(__name__)


def note(request: HttpRequest, error: ImError) -> None:
    """Record a refusal; other errors are none."""
    if not isinstance(error, PermissionDenied):
        return
    # Looking at `request.user` would load a session that the address never needed.
    user = request.user if getattr(request, "_cached_user", None) is not None else None
    name = user.get_username() if user is not None and user.is_authenticated else ""
    match = request.resolver_match
    route = match.route if match else request.path_info
    try:
        record(
            "refused",
            user=name,
            target=f"{request.method} {route}",
            outcome="refused",
            details={"reason": error.reason[:500], "path": request.path_info[:500]},
        )
    except DatabaseError as failed:
        # The answer must stay a refusal.
        log.error("refusal_not_recorded", error=str(failed))

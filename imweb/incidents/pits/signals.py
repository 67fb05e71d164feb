"""Sign-out ends what the session's pages hold."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from imweb.incidents.pits.result_sets import release_session


@receiver(user_logged_out, dispatch_uid="pits.release_session")
def release_at_sign_out(request: HttpRequest | None, **_kwargs: Any) -> None:
    """Release the session's leases; Django sends this before it forgets the session's key."""
    session = getattr(request, "session", None)
    if session is not None and session.session_key:
        release_session(session.session_key)

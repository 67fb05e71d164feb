"""Entries that need no call: signing in and out, and every change of settings, users, roles and tokens."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save

from imweb.accounts.models import User
from imweb.audit.trail import record
from imweb.configuration.models import Change


def connect() -> None:
    """Connect the receivers, once."""
    user_logged_in.connect(_signed_in, dispatch_uid="audit.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="audit.failed")
    user_locked_out.connect(_locked_out, dispatch_uid="audit.locked_out")
    post_save.connect(_changed, sender=Change, dispatch_uid="audit.changed")


def _signed_in(sender: Any, user: Any, request: Any = None, **more: Any) -> None:
    by = getattr(request, "im_signed_in_by", "")
    record("sign_in", user=user.get_username(), details={"by": by} if by else None)


def _signed_out(sender: Any, user: Any, **more: Any) -> None:
    if user is not None:
        record("sign_out", user=user.get_username())


def _failed(sender: Any, credentials: dict[str, Any], **more: Any) -> None:
    name = str(credentials.get("username", ""))
    known = User.objects.filter(username=name).exists()
    # People type a password into the wrong box; only names that are known are kept.
    record("sign_in_failed", user=name if known else "", outcome="refused", details={"known_user": known})


def _locked_out(sender: Any, username: str | None = None, **more: Any) -> None:
    known = User.objects.filter(username=username).exists()
    record("locked_out", user=str(username) if known else "", outcome="refused", details={"known_user": known})


def _changed(sender: Any, instance: Change, created: bool, **more: Any) -> None:
    if created:
        target = f"{instance.kind}/{instance.name}" if instance.name else instance.kind
        record(
            "settings",
            user=instance.by,
            target=target,
            old=instance.old,
            new=instance.new,
            details={"action": instance.action},
        )

"""Making and changing users and tokens, each change recorded; never so that nobody can manage users any more."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.models import HELD, ApiToken, Role, User
from imweb.accounts.sessions import end_everywhere
from imweb.configuration.models import Change
from imweb.errors import Detail, NotFound, PermissionDenied, ValidationFailed

USERNAME = re.compile(r"[\w.@+-]{1,100}")
# Read off a screen and typed by hand.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
MAX_TOKENS = 100
MAX_DAYS = 3_650
Json = dict[str, Any]


def get_user(username: str) -> User:
    """Return a user, or raise `NotFound`."""
    user = User.objects.prefetch_related(*HELD).filter(username=username).first()
    if user is None:
        raise NotFound(f"There is no user named '{username}'.")
    return user


def create_user(data: Json, *, by: str) -> tuple[User, str]:
    """Make a user with a password that is returned once; raises `ValidationFailed` with every fault.

    With `service` it is a service account, which has no password: an empty text is returned.
    """
    username = str(data.get("username", ""))
    faults = _faults(data)
    if not USERNAME.fullmatch(username):
        faults.append(Detail("username", "letters, digits and . @ + - _, at most 100"))
    elif User.objects.filter(username__iexact=username).exists():
        faults.append(Detail("username", "there is a user of this name already"))
    if faults:
        raise ValidationFailed.of(faults)
    service = bool(data.get("service"))
    password = "" if service else new_password()
    with transaction.atomic():
        # Without one Django keeps what no password can match.
        user = User.objects.create_user(username, email=data["email"], password=password or None, is_service=service)
        _apply(user, data)
        record("user", username, "created", None, _stated(user), by)
    return user, password


def update_user(user: User, data: Json, *, by: User) -> None:
    """Change a user's name, address, roles and whether he may sign in; raises `ValidationFailed`."""
    faults = _faults(data)
    if user.pk == by.pk and not data["active"]:
        faults.append(Detail("active", "you cannot shut yourself out; ask another administrator"))
    if faults:
        raise ValidationFailed.of(faults)
    with transaction.atomic():
        old = _stated(user)
        user.email, user.is_active = data["email"], data["active"]
        _apply(user, data)
        require_manager("roles")
        new = _stated(get_user(user.username))
        if old != new:
            record("user", user.username, "changed", old, new, by.username)


def give_roles(user: User, named: set[str], *, by: str) -> None:
    """Give a user the roles that a proxy or a provider names, and no others; names that are none of ours give none."""
    before = sorted(role.name for role in user.roles.all())
    wanted = list(Role.objects.filter(name__in=named))
    after = sorted(role.name for role in wanted)
    if before == after:
        return
    with transaction.atomic():
        user.roles.set(wanted)
        record("user", user.username, "changed", {"roles": before}, {"roles": after}, by)
    # What was read of the user before stands no more.
    user.__dict__.pop("scope", None)
    user._prefetched_objects_cache = {}  # type: ignore[attr-defined]


def reset_password(user: User, *, by: str) -> str:
    """Give a user a new password, which is returned once; his sessions end. Raises `ValidationFailed`."""
    if user.is_service:
        raise ValidationFailed.field("password", "a service account has none; make a token for it")
    password = new_password()
    user.set_password(password)
    user.save(update_fields=["password"])
    record("user", user.username, "changed", None, {"password": "reset"}, by)
    return password


def end_sessions(user: User, *, by: str) -> None:
    """Sign a user out everywhere; his tokens go on."""
    with transaction.atomic():
        end_everywhere(user)
        record("user", user.username, "changed", None, {"sessions": "ended"}, by)


def new_password() -> str:
    """Return a password that passes the validators: 80 random bits."""
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    try:
        validate_password(password)
    except ValidationError:
        return new_password()
    return password


def issue_token(
    user: User, name: str, days: int | None, scopes: Sequence[str], *, by: User | None = None
) -> tuple[ApiToken, str]:
    """Make a token and return it with its secret; it never gives more than its owner has.

    Those of a service account are made by others, who need the permission to manage users. Raises `ValidationFailed`,
    `PermissionDenied`.
    """
    maker = by or user
    if maker.pk != user.pk and not (user.is_service and maker.may(permissions.USERS)):
        raise PermissionDenied("A token for somebody else is made for a service account alone, by who manages users.")
    faults = []
    if not 1 <= len(name) <= 100:
        faults.append(Detail("name", "1 to 100 characters, so that you know later what it is for"))
    if days is not None and not 1 <= days <= MAX_DAYS:
        faults.append(Detail("days", f"1 to {MAX_DAYS} days"))
    if beyond := [scope for scope in scopes if not user.may(scope)]:
        faults.append(Detail("scopes", f"{user.username} does not have the permission '{beyond[0]}'"))
    if ApiToken.objects.filter(user=user, revoked_at=None).count() >= MAX_TOKENS:
        faults.append(Detail("", f"{user.username} has {MAX_TOKENS} tokens already; revoke one first"))
    if faults:
        raise ValidationFailed.of(faults)
    token, secret = ApiToken.issue(user, name, days=days, scopes=sorted(set(scopes)))
    stated = {"token": name, "hint": token.hint, "scopes": token.scopes, "days": days}
    record("token", user.username, "created", None, stated, maker.username)
    return token, secret


def revoke_token(pk: int, *, by: User) -> ApiToken:
    """End a token; other people's need the permission to manage users. Raises `NotFound`, `PermissionDenied`."""
    token = ApiToken.objects.select_related("user").filter(pk=pk).first()
    if token is None or (token.user_id != by.pk and not by.may(permissions.USERS)):
        raise NotFound("There is no such token.")
    if not by.may(permissions.TOKEN) and token.user_id == by.pk:
        raise PermissionDenied("Your roles do not include API tokens.")
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        stated = {"token": token.name, "hint": token.hint}
        record("token", token.user.username, "removed", stated, None, by.username)
    return token


def _faults(data: Json) -> list[Detail]:
    faults = []
    if data.get("email"):
        try:
            validate_email(data["email"])
        except ValidationError:
            faults.append(Detail("email", "no e-mail address"))
    too_long = [name for name in ("first_name", "last_name") if len(data.get(name, "")) > 150]
    faults += [Detail(name, "at most 150 characters") for name in too_long]
    known = set(Role.objects.values_list("name", flat=True))
    if unknown := [name for name in data["roles"] if name not in known]:
        faults.append(Detail("roles", f"there is no role '{unknown[0]}'"))
    return faults


def _apply(user: User, data: Json) -> None:
    user.first_name, user.last_name = data.get("first_name", ""), data.get("last_name", "")
    user.save()
    user.roles.set(Role.objects.filter(name__in=data["roles"]))


def require_manager(field: str) -> None:
    """Raise `ValidationFailed` when nobody who may sign in can manage users any more; without any user nobody can."""
    active = User.objects.filter(is_active=True).prefetch_related(*HELD)
    if User.objects.exists() and not any(user.may(permissions.USERS) for user in active):
        raise ValidationFailed.field(field, "somebody who may sign in has to be able to manage users")


def _stated(user: User) -> Json:
    return {
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "active": user.is_active,
        **({"service": True} if user.is_service else {}),
        "roles": sorted(user.roles.values_list("name", flat=True)),
    }


def record(kind: str, name: str, action: str, old: Json | None, new: Json | None, by: str) -> None:
    """Record a change of a user, role or token."""
    Change.objects.create(kind=kind, name=name[:100], action=action, old=old, new=new, by=by)

"""Which account a provider's user opens: found by issuer and subject, made at the first sign-in, never taken over."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from imweb.accounts.administration import USERNAME, give_roles, record
from imweb.accounts.models import Identity, User
from imweb.accounts.oidc import Person, Refused, roles_of
from imweb.errors import ValidationFailed

BY = "provider"


def account_of(person: Person) -> User:
    """Return the account of a provider's user with the roles of his groups, made if it is new; raises `Refused`."""
    roles = roles_of(person.groups)
    user = _known(person)
    if user is not None and roles is not None:
        give_roles(user, roles, by=BY)
    if roles is not None and not roles:
        reason = _("None of your groups at the provider opens anything here. Ask an administrator for one that does.")
        raise Refused(reason, f"no role for the groups {', '.join(person.groups or ()) or '(none)'}"[:300])
    if user is None:
        user = _made(person, roles or set())
    if not user.is_active or user.is_service:
        raise Refused(_("Your account here is deactivated. Ask an administrator."), "the account is deactivated")
    return user


def connect(user: User, person: Person) -> None:
    """Let a provider's user open an account that stands already; raises `Refused`."""
    known = _known(person)
    if known is not None and known.pk != user.pk:
        reason = _("You are somebody else's account here already: sign in with the provider and look.")
        raise Refused(reason, "the subject opens another account")
    if Identity.objects.filter(user=user).exclude(issuer=person.issuer, subject=person.subject).exists():
        reason = _("Your account is connected with another user of the provider. Disconnect it first.")
        raise Refused(reason, "the account is connected already", 400)
    if known is None:
        with transaction.atomic():
            Identity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
            _record(user, "connected", person, user.username)


def disconnect(user: User, *, by: str) -> None:
    """Let no provider open an account any more; raises `ValidationFailed` where nothing else would."""
    if by == user.username and not user.has_usable_password():
        # An administrator may: he can give a password.
        raise ValidationFailed.field("provider", _("without a password nothing else would open your account"))
    with transaction.atomic():
        if Identity.objects.filter(user=user).delete()[0]:
            record("user", user.username, "changed", None, {"provider": "disconnected"}, by)


def is_connected(user: User) -> bool:
    """Return whether a provider opens the account."""
    return Identity.objects.filter(user=user).exists()


def _known(person: Person) -> User | None:
    found = Identity.objects.select_related("user").filter(issuer=person.issuer, subject=person.subject).first()
    return found.user if found else None


def _made(person: Person, roles: set[str]) -> User:
    if not USERNAME.fullmatch(person.username):
        reason = _("The provider calls you “%(name)s”, which cannot be a user name here.") % {"name": person.username}
        raise Refused(reason, "the user name cannot be one")
    if User.objects.filter(username__iexact=person.username).exists():
        raise _taken(person)
    try:
        with transaction.atomic():
            user = User.objects.create_user(person.username, person.email)
            user.first_name, user.last_name = person.first_name, person.last_name
            user.save(update_fields=["first_name", "last_name"])
            Identity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
            record("user", user.username, "created", None, {"active": True, "roles": []}, BY)
            _record(user, "connected", person, BY)
            give_roles(user, roles, by=BY)
    except IntegrityError:
        # The same person in two tabs, or two people of one name.
        if user_now := _known(person):
            return user_now
        raise _taken(person) from None
    return user


def _taken(person: Person) -> Refused:
    reason = _(
        "There is an account named “%(name)s” here that the provider does not open. If it is yours, sign in with your "
        "password and connect it under “Password and sessions”."
    )
    return Refused(reason % {"name": person.username}, f"there is an account named {person.username} already")


def _record(user: User, what: str, person: Person, by: str) -> None:
    stated = {"provider": what, "issuer": person.issuer, "subject": person.subject}
    record("user", user.username, "changed", None, stated, by)

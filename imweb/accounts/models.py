"""Users, their roles, and the tokens that scripts sign in with."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import cached_property
from typing import Any
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from imweb.accounts import permissions
from imweb.accounts.incident_types import scope_of_roles
from imweb.accounts.scope import EVERYTHING, Scope


def check_time_zone(value: str) -> None:
    """Refuse what is no IANA time zone."""
    if value and value not in available_timezones():
        raise ValidationError(
            _("%(value)s is no time zone; use a name such as Europe/Warsaw."), params={"value": value}
        )


def check_permissions(value: object) -> None:
    """Refuse a list of permissions that names an unknown one."""
    if not isinstance(value, list) or not set(value) <= permissions.ALL:
        raise ValidationError(_("A role is a list of known permissions."))


class Role(models.Model):
    """A named set of permissions; read the permission in code, never the role."""

    name = models.SlugField(_("system name"), unique=True)
    label = models.CharField(_("label"), max_length=100)
    permissions = models.JSONField(_("permissions"), default=list, validators=[check_permissions])
    # A search text over access fields; empty: every incident. `imweb.incidents.roles` checks both before they are kept.
    row_filter = models.CharField(_("row filter"), max_length=2_000, blank=True, default="")
    hidden_fields: models.JSONField[Any, Any] = models.JSONField(_("hidden fields"), default=list, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label


# What `User.held_roles` reads; for `prefetch_related`, where many users are asked.
HELD = ("roles", "user_groups__roles")


class User(AbstractUser):
    """Somebody who signs in, with what he prefers to see."""

    THEMES = [("system", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))]

    roles = models.ManyToManyField(Role, blank=True, related_name="users", verbose_name=_("roles"))
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="", validators=[check_time_zone])
    theme = models.CharField(_("theme"), max_length=10, choices=THEMES, default="system")
    preferences = models.JSONField(_("preferences"), default=dict, blank=True)
    # For scripts: nobody signs in as one, administrators make its tokens.
    is_service = models.BooleanField(_("service account"), default=False)
    # Part of what a session proves at each request: another number ends all that began before.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

    @cached_property
    def scope(self) -> Scope:
        """Return what the user's roles give together; an inactive user has nothing."""
        if not self.is_active:
            return Scope(rows=())
        if self.is_superuser:
            return EVERYTHING
        return scope_of_roles((r.name, r.permissions, r.row_filter, r.hidden_fields) for r in self.held_roles())

    def held_roles(self) -> list[Role]:
        """Return the user's roles, his own and those of his groups, each once, by name."""
        if "user_groups" in getattr(self, "_prefetched_objects_cache", {}):
            found = [*self.roles.all(), *(role for group in self.user_groups.all() for role in group.roles.all())]
        else:
            found = list(Role.objects.filter(models.Q(users=self) | models.Q(user_groups__members=self)))
        held = {role.name: role for role in found}
        return [held[name] for name in sorted(held)]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django asks here for the present key and for each of SECRET_KEY_FALLBACKS.
        proof = f"{self.password}:{self.session_epoch}"
        return salted_hmac("imweb.accounts.session", proof, secret=secret, algorithm="sha256").hexdigest()

    @property
    def granted(self) -> frozenset[str]:
        """Return every permission that the user's roles give."""
        return self.scope.permissions

    def may(self, permission: str) -> bool:
        """Return whether the user has a permission."""
        return permission in self.granted

    @property
    def initials(self) -> str:
        """Return the one or two letters that stand for the user."""
        words = (self.get_full_name() or self.username).replace(".", " ").replace("_", " ").replace("-", " ").split()
        return "".join(word[0] for word in words[:2]).upper() or "?"


class UserGroup(models.Model):
    """Users who have roles together; what they see is joined by "or" with what their own roles show."""

    name = models.SlugField(_("system name"), unique=True)
    label = models.CharField(_("label"), max_length=100)
    roles = models.ManyToManyField(Role, blank=True, related_name="user_groups", verbose_name=_("roles"))
    members = models.ManyToManyField(User, blank=True, related_name="user_groups", verbose_name=_("members"))

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label


class Identity(models.Model):
    """A user of an OpenID Connect provider who opens an account; the two together are his for ever."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=256)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_account_of_a_subject")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class SecurityKey(models.Model):
    """A key that proves a second factor (WebAuthn); the public half alone is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="security_keys")
    name = models.CharField(_("name"), max_length=60)
    # Base64url; the specification allows 1,023 bytes.
    credential = models.CharField(max_length=1_400, unique=True)
    public_key = models.BinaryField()
    sign_count = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A bearer token: only its hash is kept, so that nobody can read it back."""

    PREFIX = "im_"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # By address, when the audit trail last kept a use from there (epoch seconds).
    uses: models.JSONField[Any, Any] = models.JSONField(default=dict, editable=False)
    # Empty means all that the user may do; never more than that.
    scopes = models.JSONField(_("permissions"), default=list, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @staticmethod
    def digest_of(secret: str) -> str:
        """Return the hash under which a token is kept; its 256 random bits need no slow hash."""
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(cls, user: User, name: str, *, days: int | None = 90, **fields: Any) -> tuple[ApiToken, str]:
        """Make a token and return it with its secret, which is never to be had again."""
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        expires_at = timezone.now() + timedelta(days=days) if days else None
        token = cls.objects.create(
            user=user, name=name, digest=cls.digest_of(secret), hint=secret[:8], expires_at=expires_at, **fields
        )
        return token, secret

    @property
    def is_valid(self) -> bool:
        """Return whether the token still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    @property
    def granted(self) -> frozenset[str]:
        """Return the permissions a request with this token has."""
        return self.user.granted & frozenset(self.scopes) if self.scopes else self.user.granted

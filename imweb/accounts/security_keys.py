"""Security keys as a second factor (WebAuthn, by py_webauthn): asked for after the password, or to be added.

Source: Web Authentication Level 2, sections 7.1 and 7.2. A key answers for one name of the console (the relying party's
id) and signs the page's origin, so that an answer given to another site opens nothing here.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import webauthn
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from imweb.accounts.models import SecurityKey, User
from imweb.errors import ValidationFailed

MAX_KEYS = 20
MAX_ANSWER = 20_000  # characters
CHALLENGE = "im_challenge"
"""In the session: what for ("add", "prove"), the challenge, and when it was made; it opens once."""
PATIENCE = 300  # seconds
# The password has been asked for: a key without a PIN is enough beside it.
_PRESENT = UserVerificationRequirement.DISCOURAGED
_WRONG = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)


def of_user(user: User) -> list[SecurityKey]:
    """Return a user's keys, the oldest first."""
    return list(SecurityKey.objects.filter(user=user).order_by("created_at"))


def can_be_used(request: HttpRequest) -> bool:
    """Return whether browsers let keys answer here: to a name, never to a bare address."""
    try:
        ipaddress.ip_address(_host(request).strip("[]"))
    except ValueError:
        return True
    return False


def asked_to_add(request: HttpRequest, user: User) -> str:
    """Return what a browser needs to add a key, as JSON; its challenge stands in the session."""
    options = webauthn.generate_registration_options(
        rp_id=_host(request),
        rp_name="Incident Manager",
        user_id=salted_hmac("imweb.security_key", str(user.pk), algorithm="sha256").digest(),
        user_name=user.get_username(),
        user_display_name=user.get_full_name() or user.get_username(),
        authenticator_selection=AuthenticatorSelectionCriteria(user_verification=_PRESENT),
        exclude_credentials=_descriptors(user),
    )
    request.session[CHALLENGE] = ["add", bytes_to_base64url(options.challenge), int(time.time())]
    return webauthn.options_to_json(options)


def asked_to_prove(request: HttpRequest, user: User) -> str:
    """Return what a browser needs to have one of the user's keys answer, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=_host(request), allow_credentials=_descriptors(user), user_verification=_PRESENT
    )
    request.session[CHALLENGE] = ["prove", bytes_to_base64url(options.challenge), int(time.time())]
    return webauthn.options_to_json(options)


def add(request: HttpRequest, user: User, name: str, answer: str) -> SecurityKey:
    """Keep the key that answered; raises `ValidationFailed`."""
    if not 1 <= len(name) <= 60:
        raise ValidationFailed.field("name", _("1 to 60 characters, so that you know later which key it is"))
    if SecurityKey.objects.filter(user=user).count() >= MAX_KEYS:
        raise ValidationFailed.field("name", _("you have %(n)s keys already; remove one first") % {"n": MAX_KEYS})
    challenge = _challenge(request, "add")
    refused = ValidationFailed.field("answer", _("the key did not answer as it should; try again"))
    if challenge is None or len(answer) > MAX_ANSWER:
        raise refused
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_host(request),
            expected_origin=_origin(request),
        )
        with transaction.atomic():
            return SecurityKey.objects.create(
                user=user,
                name=name,
                credential=bytes_to_base64url(made.credential_id),
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
            )
    except IntegrityError:
        raise ValidationFailed.field("answer", _("this key is added already")) from None
    except _WRONG as error:
        raise refused from error


def proves(request: HttpRequest, user: User, answer: str) -> bool:
    """Return whether one of the user's keys has answered this session's challenge, which is used up by it."""
    challenge = _challenge(request, "prove")
    if challenge is None or len(answer) > MAX_ANSWER:
        return False
    try:
        given = webauthn.helpers.parse_authentication_credential_json(answer)
        with transaction.atomic():
            key = SecurityKey.objects.select_for_update().filter(user=user, credential=given.id).first()
            if key is None:
                return False
            proved = webauthn.verify_authentication_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=_host(request),
                expected_origin=_origin(request),
                credential_public_key=bytes(key.public_key),
                # A copy of a key falls behind the original's count, which is refused.
                credential_current_sign_count=key.sign_count,
            )
            key.sign_count, key.last_used_at = proved.new_sign_count, timezone.now()
            key.save(update_fields=["sign_count", "last_used_at"])
    except _WRONG:
        return False
    return True


def _challenge(request: HttpRequest, purpose: str) -> bytes | None:
    """Take the challenge out of the session."""
    stored: list[Any] | None = request.session.pop(CHALLENGE, None)
    if stored is None or stored[0] != purpose or time.time() - stored[2] > PATIENCE:
        return None
    return base64url_to_bytes(stored[1])


def _descriptors(user: User) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(key.credential)) for key in of_user(user)]


def _host(request: HttpRequest) -> str:
    host, colon, port = request.get_host().rpartition(":")
    return host if colon and port.isdecimal() else request.get_host()


def _origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"

"""A second factor at sign-in: an app's codes (RFC 6238, by django-otp), security keys, recovery codes used once."""

from __future__ import annotations

import base64

from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from imweb.accounts.models import SecurityKey, User

PROVED = "im_second"
"""Set in a session whose user has proved the second factor."""
RECOVERY_CODES = 10


def is_set(user: User) -> bool:
    """Return whether a user signs in with a second factor."""
    return has_app(user) or SecurityKey.objects.filter(user=user).exists()


def has_app(user: User) -> bool:
    """Return whether codes of an app are asked for."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begin(user: User) -> TOTPDevice:
    """Return the device that is being set up; it counts for nothing until `confirm`."""
    device: TOTPDevice
    device, _made = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "app"})
    return device


def secret_of(device: TOTPDevice) -> str:
    """Return the key as people type it into an app: base32 in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def confirm(user: User, code: str) -> list[str] | None:
    """Make the device count once the app has shown a right code; return recovery codes, None for a wrong one."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None or not device.verify_token(_plain(code)):
            return None
        TOTPDevice.objects.filter(user=user, confirmed=True).delete()
        device.confirmed = True
        device.save()
        return _recovery_codes(user)


def proves(user: User, code: str) -> bool:
    """Return whether a code is right: of the app, each once, or a recovery code, which is used up by it.

    After a wrong one django-otp refuses further codes for a time that doubles.
    """
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=True).first()
        text = _plain(code)
        if device is not None and text.isdigit() and len(text) == device.digits:
            return bool(device.verify_token(text))
        spare = StaticDevice.objects.select_for_update().filter(user=user, confirmed=True).first()
        return spare is not None and bool(spare.verify_token(text))


def remaining(user: User) -> int:
    """Return how many recovery codes are left."""
    return int(StaticToken.objects.filter(device__user=user).count())


def codes_at_first(user: User) -> list[str] | None:
    """Return recovery codes for somebody who has none yet."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        return None if StaticDevice.objects.filter(user=user).exists() else _recovery_codes(user)


def remove_key(user: User, pk: str) -> str:
    """Take one of a user's security keys away, with the recovery codes if nothing is left; return its name, or ""."""
    with transaction.atomic():
        key = SecurityKey.objects.filter(user=user, pk=pk).first() if pk.isdecimal() and len(pk) < 19 else None
        if key is None:
            return ""
        key.delete()
        if not is_set(user):
            StaticDevice.objects.filter(user=user).delete()
        return key.name


def remove(user: User) -> None:
    """Take the second factor away, with its keys and recovery codes."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        SecurityKey.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()


def _recovery_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    spare = StaticDevice.objects.create(user=user, name="recovery", confirmed=True)
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=spare, token=code) for code in codes)
    return codes


def _plain(code: str) -> str:
    return code.replace(" ", "").replace("-", "").lower()[:16]

"""The signature of a webhook: HMAC-SHA256 as the Standard Webhooks specification has it (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

MIN_BYTES = 16
_PREFIX = "whsec_"


class NoSecret(Exception):
    """The secret is not there or is too short; the text says which variable to set."""


def secret_of(variable: str) -> bytes:
    """Return the secret that an environment variable holds; `whsec_` before it says that the rest is base64."""
    text = os.environ.get(variable, "")
    if not text:
        raise NoSecret(f"the environment variable {variable} is not set for the workers")
    if text.startswith(_PREFIX):
        try:
            secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise NoSecret(f"the environment variable {variable} is no base64 after whsec_") from None
    else:
        secret = text.encode()
    if len(secret) < MIN_BYTES:
        raise NoSecret(f"the environment variable {variable} holds fewer than {MIN_BYTES} bytes")
    return secret


def headers(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows sender, message and moment (seconds since 1970)."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }

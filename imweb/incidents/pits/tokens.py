"""The opaque token a page or a script holds for its lease: sealed, so that it can be served without Redis."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import zlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VERSION = 1
NONCE_BYTES = 12
# A point in time over 64 shards has a raw id of about 11 kB; sealed and compressed it stays well below this.
MAX_CHARACTERS = 32_768


class MalformedToken(ValueError):
    """The text is no token of this installation: cut off, changed, or sealed with an unknown key."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One page's or script's hold on a point in time.

    `id` names the lease in the ledger and in logs, `raw_id` is OpenSearch's own id (never shown to a caller),
    `created_ms` is when OpenSearch froze the data (epoch milliseconds; relative times are fixed to it),
    `contexts` is what the point in time costs of the cluster's limit, `epoch` the life of the ledger it was written in.
    """

    id: str
    user_id: int
    raw_id: str
    created_ms: int
    with_aggregations: bool
    contexts: int
    epoch: str
    token: str = ""

    @property
    def pit(self) -> str:
        """The short name of the point in time, the same in every process."""
        return pit_name(self.raw_id)


def pit_name(raw_id: str) -> str:
    """Return the ledger's name for a raw id: derived, so that a lost ledger finds the same name again."""
    return hashlib.sha256(raw_id.encode()).hexdigest()[:16]


def new_id() -> str:
    """Return a fresh lease id."""
    return secrets.token_urlsafe(9)


def seal(lease: Lease) -> str:
    """Return the lease as an encrypted, authenticated, URL-safe token."""
    fields = [
        lease.id,
        lease.user_id,
        lease.raw_id,
        lease.created_ms,
        int(lease.with_aggregations),
        lease.contexts,
        lease.epoch,
    ]
    plain = zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 6)
    nonce = secrets.token_bytes(NONCE_BYTES)
    head = bytes([VERSION])
    sealed = head + nonce + AESGCM(_key(settings.SECRET_KEY)).encrypt(nonce, plain, head + _installation())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(token: str) -> Lease:
    """Return the lease that a token holds; raise `MalformedToken` for anything that we did not seal."""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_CHARACTERS:
        raise MalformedToken("not a token")
    try:
        sealed = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MalformedToken("not a token") from error
    if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != token:
        # The last character has spare bits; one lease has one spelling.
        raise MalformedToken("not a token")
    head, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if head != bytes([VERSION]) or len(body) < 16:
        raise MalformedToken("not a token of this version")
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            plain = AESGCM(_key(secret)).decrypt(nonce, body, head + _installation())
        except InvalidTag:
            continue
        # Authenticated from here on: only we can have written what follows.
        lease_id, user_id, raw_id, created_ms, both, contexts, epoch = json.loads(zlib.decompress(plain))
        return Lease(lease_id, user_id, raw_id, created_ms, bool(both), contexts, epoch, token)
    raise MalformedToken("not sealed by this installation")


def _installation() -> bytes:
    """Return what binds a token to these indices: two installations may share one secret."""
    return str(settings.IM_INDEX_PREFIX).encode()


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"imweb lease").derive(secret.encode())

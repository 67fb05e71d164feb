"""A security key in software (Web Authentication Level 2, sections 6.1 and 6.5): one key pair that answers in JSON."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

ORIGIN, HOST = "http://testserver", "testserver"
PRESENT, HOLDS_KEY = 0x01, 0x40


@dataclass
class Authenticator:
    """A key; `count` is how often it has answered."""

    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    pair: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self, options: str, *, origin: str = ORIGIN, host: str = HOST) -> str:
        """Return the answer to being added."""
        public = self.pair.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(host, PRESENT | HOLDS_KEY) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client("webauthn.create", options, origin)
        return self._answer(clientDataJSON=client, attestationObject=statement)

    def proved(self, options: str, *, origin: str = ORIGIN, host: str = HOST, present: bool = True) -> str:
        """Return the answer to a sign-in."""
        self.count += 1
        data, client = self._data(host, PRESENT if present else 0), _client("webauthn.get", options, origin)
        signed = self.pair.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signed)

    def _data(self, host: str, flags: int) -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **response: bytes) -> str:
        key = bytes_to_base64url(self.id)
        said = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": key, "rawId": key, "type": "public-key", "response": said})


def _client(kind: str, options: str, origin: str) -> bytes:
    asked: dict[str, Any] = json.loads(options)
    return json.dumps({"type": kind, "challenge": asked["challenge"], "origin": origin}).encode()

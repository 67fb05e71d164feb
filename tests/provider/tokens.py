"""What the provider says of its users, and what is wrong with the tokens of some."""

from __future__ import annotations

import base64
import json
from typing import Any

from jwcrypto import jwk, jwt
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.provider.settings import new_key
from tests.provider.users import USERS

Json = dict[str, Any]
CHANGES: dict[str, Json] = {
    "nonce": {"nonce": "of another sign-in"},
    "no-nonce": {"nonce": None},
    "audience": {"aud": "another-program"},
    "issuer": {"iss": "https://elsewhere.example"},
    "old": {"iat": 1_700_000_000, "exp": 1_700_003_600},
    "subject": {"sub": ""},
    "other-subject": {"groups": None},
}


class Validator(OAuth2Validator):
    """Tells of groups and further claims, to every program that asks."""

    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> Json:
        """Return what stands in ID token and user info."""
        name = request.user.username
        stated = USERS[name]
        claims = {"preferred_username": name, "groups": stated.get("groups", []), **stated.get("claims", {})}
        return _said({"sub": f"subject-of-{name}"} | claims)

    def finalize_id_token(self, id_token: Any, token: Any, token_handler: Any, request: Any) -> str:
        """Return the signed token, twisted where the user's is."""
        good: str = super().finalize_id_token(id_token, token, token_handler, request)
        twist = USERS[request.user.username].get("twist")
        return _twisted(good, twist, request.client.jwk_key) if twist else good

    def get_userinfo_claims(self, request: Any) -> Json:
        """Return the user info, of somebody else where the user is twisted so."""
        stated, claims = USERS[request.user.username], super().get_userinfo_claims(request)
        more = {"sub": "subject-of-another"} if stated.get("twist") == "other-subject" else {}
        return claims | more | ({"groups": stated["told"]} if "told" in stated else {})


def _twisted(good: str, twist: str, key: Any) -> str:
    head, body = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])
    claims = _said(body | CHANGES.get(twist, {}))
    if twist == "unsigned":
        return f"{_part({'alg': 'none'})}.{_part(claims)}."
    token = jwt.JWT(header=json.dumps(head), claims=json.dumps(claims))
    token.make_signed_token(jwk.JWK.from_pem(new_key().encode()) if twist == "forged" else key)
    return str(token.serialize())


def _said(claims: Json) -> Json:
    return {name: value for name, value in claims.items() if value is not None}


def _part(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

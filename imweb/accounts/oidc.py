"""Sign-in by an OpenID Connect provider (by Authlib): sending there, and verifying what comes back.

Off unless `IM_OIDC_ISSUER` names a provider. Code flow with PKCE (RFC 7636); state and nonce belong to the session and
open once; issuer, audience, signature and times of the ID token are verified. An account is found by issuer and subject
alone (OpenID Connect Core, section 5.7): names and addresses are what a provider's user may choose himself.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from joserfc.errors import JoseError

# Keys that are only published; a shared secret or "none" would be worth no more than the answer that brings the token.
ALGORITHMS = {f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"EdDSA", "Ed25519"}
TIMEOUT = 10  # seconds, of each call to the provider
LEEWAY = 60  # seconds that two clocks may differ
FLOWS = "im_oidc"
"""In the session: by state, where to go on, and the account that is being connected (0: signing in)."""
MAX_FLOWS = 5
_WRONG: tuple[type[Exception], ...] = (JoseError, AuthlibBaseError)
_BROKEN: tuple[type[Exception], ...] = (
    AuthlibBaseError,
    requests.RequestException,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
)


class Refused(Exception):
    """A sign-in that comes to nothing: `reason` for the person, `cause` for the audit trail and the log."""

    def __init__(self, reason: str, cause: str, status: int = 403) -> None:
        super().__init__(cause)
        self.reason, self.cause, self.status = reason, cause, status


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for; `groups` is None where it says nothing of them."""

    issuer: str
    subject: str
    username: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What was begun before the browser went to the provider; `connecting` is an account's key, 0 for a sign-in."""

    go_on: str = ""
    connecting: int = 0


def is_on() -> bool:
    """Return whether there is a provider to sign in with."""
    return bool(settings.IM_OIDC_ISSUER)


def begin(request: HttpRequest, back: str, flow: Flow) -> HttpResponse:
    """Send the browser to the provider, which sends it to `back`; raises `Refused` when the provider is away."""
    state = secrets.token_urlsafe(24)
    try:
        answer: HttpResponse = _provider().authorize_redirect(request, back, state=state)
    except _BROKEN as error:
        raise _away(error) from error
    flows: dict[str, Any] = request.session.get(FLOWS, {})
    kept = dict(list(flows.items())[-(MAX_FLOWS - 1) :])
    request.session[FLOWS] = kept | {state: [flow.go_on, flow.connecting]}
    return answer


def finish(request: HttpRequest) -> tuple[Person, Flow]:
    """Return whom the provider vouches for in its answer, and what was begun; raises `Refused`."""
    flow = _flow_of(request.session, request.GET.get("state", ""))
    if error := request.GET.get("error"):
        said = request.GET.get("error_description", "")
        reason = _("The provider did not let you in: %(said)s") % {"said": (said or error)[:200]}
        raise Refused(reason, f"the provider said {error[:100]}")
    if request.GET.get("iss", settings.IM_OIDC_ISSUER) != settings.IM_OIDC_ISSUER:
        # RFC 9207: the answer of another provider.
        raise _unverified("the answer is of another issuer")
    options = {
        "iss": {"essential": True, "value": settings.IM_OIDC_ISSUER},
        "aud": {"essential": True, "value": settings.IM_OIDC_CLIENT_ID},
    }
    try:
        provider = _provider()
        token = provider.authorize_access_token(request, claims_options=options, leeway=LEEWAY)
        claims = dict(token.get("userinfo") or {})
        if not claims:
            raise _unverified("there is no ID token in the answer")
        if settings.IM_OIDC_GROUPS_CLAIM not in claims and provider.server_metadata.get("userinfo_endpoint"):
            claims = _with_user_info(claims, dict(provider.userinfo(token=token)))
    except _WRONG as wrong:
        raise _unverified(f"{type(wrong).__name__}: {wrong}") from wrong
    except _BROKEN as broken:
        raise _away(broken) from broken
    return person_of(claims), flow


def person_of(claims: dict[str, Any]) -> Person:
    """Return whom verified claims describe; raises `Refused` for what cannot be a user here."""

    def text(name: str, limit: int) -> str:
        value = claims.get(name)
        return value.strip()[:limit] if isinstance(value, str) else ""

    subject = text("sub", 256)
    if not subject:
        raise _unverified("the token has no subject")
    groups = claims.get(settings.IM_OIDC_GROUPS_CLAIM)
    if isinstance(groups, str):
        groups = [groups]
    return Person(
        settings.IM_OIDC_ISSUER,
        subject,
        text(settings.IM_OIDC_USER_CLAIM, 200),
        # An address that nobody has proved would receive what is told by e-mail.
        text("email", 254) if claims.get("email_verified", True) is True else "",
        text("given_name", 150),
        text("family_name", 150),
        tuple(str(group) for group in groups) if isinstance(groups, list) else None,
    )


def roles_of(groups: tuple[str, ...] | None) -> set[str] | None:
    """Return the system names of the roles that groups give; None where roles are given here alone."""
    if not settings.IM_OIDC_ROLES:
        return None
    return {role for group in groups or () for role in settings.IM_OIDC_ROLES.get(group, ())}


def forget() -> None:
    """Forget what was read of the provider."""
    _registered.cache_clear()


def _flow_of(session: SessionBase, state: str) -> Flow:
    """Take a flow out of the session: its state opens once."""
    flows: dict[str, Any] = session.get(FLOWS, {})
    if state not in flows:
        reason = _("This sign-in was begun in another browser, or too long ago. Begin again.")
        raise Refused(reason, "the state is none of this session", 400)
    go_on, connecting = flows[state]
    session[FLOWS] = {key: value for key, value in flows.items() if key != state}
    return Flow(go_on, connecting)


def _with_user_info(claims: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Add what the provider tells beside the token; its own word counts for nothing about another subject."""
    if more.get("sub") != claims.get("sub"):
        raise _unverified("the user info is of another subject")
    return more | claims


def _provider() -> Any:
    """Return Authlib's client of the provider, its metadata read and checked."""
    client = _registered(
        settings.IM_OIDC_ISSUER,
        settings.IM_OIDC_CLIENT_ID,
        settings.IM_OIDC_CLIENT_SECRET,
        settings.IM_OIDC_SCOPES,
        settings.IM_OIDC_CA_CERTS,
    )
    metadata = client.load_server_metadata()
    if metadata.get("issuer") != settings.IM_OIDC_ISSUER:
        said = str(metadata.get("issuer"))[:200]
        forget()
        raise ValueError(f"the provider calls itself {said}, not {settings.IM_OIDC_ISSUER}")
    signing = set(metadata.get("id_token_signing_alg_values_supported") or ["RS256"])
    if not signing & ALGORITHMS:
        # An empty list would allow whatever the library recommends.
        forget()
        raise ValueError(f"the provider signs with none of {', '.join(sorted(ALGORITHMS))}")
    metadata["id_token_signing_alg_values_supported"] = sorted(signing & ALGORITHMS)
    if time.time() - metadata["_loaded_at"] > 3_600:
        # Addresses and keys change now and then; the next sign-in reads them anew.
        forget()
    return client


@lru_cache(maxsize=1)
def _registered(issuer: str, client_id: str, secret: str, scopes: str, ca_certs: str) -> Any:
    return OAuth().register(
        "provider",
        client_id=client_id,
        client_secret=secret or None,
        server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": scopes,
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT,
            "verify": ca_certs or True,
        },
    )


def _unverified(cause: str) -> Refused:
    reason = _("What the provider answered could not be verified. Begin again; if it stays so, tell an administrator.")
    return Refused(reason, cause[:300])


def _away(error: Exception) -> Refused:
    reason = _(
        "The provider does not answer as it should. Try again later, or sign in with a password if you have one."
    )
    return Refused(reason, f"{type(error).__name__}: {error}"[:300], 502)

"""The lease token: sealed, bound to this installation, and one spelling a lease."""

from __future__ import annotations

import base64
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.incidents.pits.tokens import MAX_CHARACTERS, Lease, MalformedToken, pit_name, seal, unseal

LEASE = Lease("lease-1", 7, "o_-7QQIWenotYWdncmVnYXRpb25z" * 12, 1_760_000_000_000, True, 2, "epoch-1")
ALPHABET = string.ascii_letters + string.digits + "-_"


def test_it_works() -> None:
    token = seal(LEASE)
    opened = unseal(token)
    assert (opened.id, opened.user_id, opened.raw_id, opened.created_ms) == (
        "lease-1",
        7,
        LEASE.raw_id,
        1_760_000_000_000,
    )
    assert opened.with_aggregations is True
    assert (opened.contexts, opened.epoch, opened.token) == (2, "epoch-1", token)
    assert opened.pit == pit_name(LEASE.raw_id)


def test_it_is_safe_in_a_url_and_tells_nothing() -> None:
    token = seal(LEASE)
    assert set(token) <= set(ALPHABET)
    assert LEASE.raw_id[:20] not in token
    assert b"lease-1" not in base64.urlsafe_b64decode(token + "==")


def test_two_seals_of_one_lease_differ() -> None:
    assert seal(LEASE) != seal(LEASE)


@pytest.mark.parametrize(
    "text", ["", "x", "null", "a" * 60, "ä" * 60, "=" * 60, "A" * (MAX_CHARACTERS + 1), "a b", "\x00"]
)
def test_what_we_did_not_seal_is_malformed(text: str) -> None:
    with pytest.raises(MalformedToken):
        unseal(text)


@pytest.mark.parametrize("value", [None, 5, ["x"], {"id": "x"}])
def test_what_is_no_text_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedToken):
        unseal(value)


def test_every_changed_character_is_noticed() -> None:
    token = seal(LEASE)
    for place in range(len(token)):
        other = ALPHABET[(ALPHABET.index(token[place]) + 1) % 64]
        with pytest.raises(MalformedToken):
            unseal(token[:place] + other + token[place + 1 :])


def test_every_shortened_token_is_noticed() -> None:
    token = seal(LEASE)
    for length in range(len(token)):
        with pytest.raises(MalformedToken):
            unseal(token[:length])
    with pytest.raises(MalformedToken):
        unseal(token + "A")


def test_a_former_secret_key_still_opens(settings: Any) -> None:
    token = seal(LEASE)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "n" * 50
    with pytest.raises(MalformedToken):
        unseal(token)
    settings.SECRET_KEY_FALLBACKS = ["o" * 50, former]
    assert unseal(token).id == "lease-1"


def test_another_installation_with_the_same_secret_is_refused(settings: Any) -> None:
    token = seal(LEASE)
    settings.IM_INDEX_PREFIX = "another"
    with pytest.raises(MalformedToken):
        unseal(token)


@given(st.text(max_size=200))
def test_no_text_is_more_than_malformed(text: str) -> None:
    with pytest.raises(MalformedToken):
        unseal(text)

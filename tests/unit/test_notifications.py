"""Notifications without a server: where webhooks may go, when they are tried again, whom a comment addresses."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network

import pytest

from imweb.notifications import retrying, signing
from imweb.notifications.addresses import permitted, target_of, url_fault
from imweb.notifications.events import event_of, mentions
from imweb.notifications.mail import plain

NAMES = {"ann": "ann", "a.kim": "a.kim", "bob@corp.example": "Bob@corp.example"}


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not permitted(ip_address(address), ())


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_let_through(address: str) -> None:
    assert permitted(ip_address(address), ())


def test_only_the_networks_named_are_let_through_besides() -> None:
    allowed = (ip_network("10.1.2.0/24"), ip_network("fd00::/8"))
    assert permitted(ip_address("10.1.2.9"), allowed)
    assert permitted(ip_address("::ffff:10.1.2.9"), allowed)
    assert permitted(ip_address("fd00::9"), allowed)
    assert not permitted(ip_address("10.1.3.9"), allowed)
    assert not permitted(ip_address("127.0.0.1"), allowed)


def test_an_address_is_taken_apart_as_it_is_sent() -> None:
    target = target_of("https://receiver.example:8443/a/b?x=1")
    assert (target.secure, target.host, target.port) == (True, "receiver.example", 8443)
    assert (target.authority, target.path) == ("receiver.example:8443", "/a/b?x=1")
    assert target_of("http://[2606:4700::1]").authority == "[2606:4700::1]"
    assert target_of("http://receiver.example").path == "/"
    for url in ("javascript:alert(1)", "http://a\tb/", "http://receiver.example/\n", "file:///etc/passwd", "http:///x"):
        assert url_fault(url)


def test_pauses_double_up_to_two_hours_and_half_of_each_is_chance() -> None:
    assert [retrying.pause(n, chance=1.0) for n in (1, 2, 3, 10, 11, 12, 15)] == [
        10.0,
        20.0,
        40.0,
        5_120.0,
        7_200.0,
        7_200.0,
        7_200.0,
    ]
    assert retrying.pause(3, chance=0.0) == 20.0
    assert len({retrying.pause(5) for _ in range(20)}) > 10
    assert retrying.pause(1, 600.0) == 600.0
    assert retrying.pause(1, 10_000_000.0) == retrying.LONGEST_ASKED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@ann look", ("ann",)),
        ("look, @Ann.", ("ann",)),
        ("(@ann), @a.kim!", ("ann", "a.kim")),
        ("@a.kim.", ("a.kim",)),
        ("write to x@ann or ann@ann.example", ()),
        ("@bob@corp.example: yours", ("Bob@corp.example",)),
        ("@annabel @an @", ()),
        ("@ann @ann", ("ann",)),
    ],
)
def test_mentions_are_names_of_users(text: str, found: tuple[str, ...]) -> None:
    assert mentions(text, NAMES) == found


def test_an_entry_may_be_several_events_and_most_are_none() -> None:
    base = {"change": "c", "time": "2026-01-01T00:00:00.000Z", "key": "incident/i1", "user": "ann", "type": "edit"}
    both = base | {"edited": [{"fieldName": "status"}, {"fieldName": "reviewer"}], "comment": "@a.kim"}
    found = event_of(both, NAMES)
    assert found is not None
    assert found.kinds == {"status", "assignment", "mention"}
    assert event_of(base | {"edited": [{"fieldName": "severity"}]}, NAMES) is None
    assert event_of(base | {"comment": "nobody in particular"}, NAMES) is None
    group = event_of(base | {"type": "create", "objectType": "aggregation"}, NAMES)
    assert group is not None
    assert group.kinds == {"new_group"}


def test_a_secret_is_read_as_text_or_base64_and_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "IM_NOTIFY_SECRET_UNIT"
    with pytest.raises(signing.NoSecret, match=name):
        signing.secret_of(name)
    for value in ("short", "whsec_!!!"):
        monkeypatch.setenv(name, value)
        with pytest.raises(signing.NoSecret, match=name):
            signing.secret_of(name)
    monkeypatch.setenv(name, "whsec_" + base64.b64encode(b"0123456789abcdef").decode())
    assert signing.secret_of(name) == b"0123456789abcdef"
    # The specification's own example (standard-webhooks, README and libraries).
    monkeypatch.setenv(name, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signing.headers(signing.secret_of(name), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert plain("a\u202eb\x00\n") == "a⟨U+202E⟩b⟨U+0000⟩⟨U+000A⟩"

"""Links out of a card: what an address template may be, and what becomes of hostile values in it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.errors import ValidationFailed
from imweb.incidents.links import ENTITY_LINKS, EntityLink, ways

AT = 1_763_896_400_000


def link(url: str, **more: object) -> EntityLink:
    return ENTITY_LINKS.parse({"name": "one", "title": "One", "url": url, **more})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("javascript:alert({value})", "https://"),
        ("data:text/html,{value}", "https://"),
        ("//host/{value}", "https://"),
        ("/relative/{value}", "https://"),
        ("https://{value}/", "host plainly"),
        ("https://{value}.example/", "host plainly"),
        ("https://me:secret@edr.example/", "host plainly"),
        ("https:///path", "name of a host"),
        ("https://edr.example/{valeu}", "did you mean {value}?"),
        ("https://edr.example/{nothing_like_it}", "there are {value}"),
        ("https://edr.example/a b", "percent-encoded"),
        ("https://edr.example/\n", "percent-encoded"),
        ('https://edr.example/"', "percent-encoded"),
        ("https://[::1/", "no address"),
        ("", "is needed"),
    ],
)
def test_an_address_that_leads_nowhere_good_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(ValidationFailed) as error:
        link(url)
    [fault] = error.value.details
    assert fault.field == "url"
    assert reason in fault.reason


def test_an_unknown_entity_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationFailed) as error:
        link("https://edr.example/", entities=["hosst"])
    assert "did you mean 'host'?" in error.value.details[0].reason


def test_two_links_of_one_title_are_refused() -> None:
    same = [link("https://a.example/"), link("https://b.example/").model_copy(update={"name": "two"})]
    assert [fault.field for fault in ENTITY_LINKS.faults(same)] == ["title"]


def test_tokens_are_filled_in_around_the_event() -> None:
    template = link("https://d.example/x?h={value}&e={entity}&i={id}&f={from}&t={to}&a={from_ms}&b={to_ms}", minutes=10)
    [way] = ways("host", "WS-1", "i1", AT, [template])
    assert {name: values[0] for name, values in parse_qs(urlsplit(way.url).query).items()} == {
        "h": "WS-1",
        "e": "host",
        "i": "i1",
        "f": "2025-11-23T11:03:20.000Z",
        "t": "2025-11-23T11:23:20.000Z",
        "a": str(AT - 600_000),
        "b": str(AT + 600_000),
    }


def test_it_stands_at_its_entities_alone_and_in_order() -> None:
    both = [link("https://a.example/", entities=["host"]), link("https://b.example/").model_copy(update={"title": "B"})]
    assert [way.title for way in ways("host", "x", "i", AT, both)] == ["One", "B"]
    assert [way.title for way in ways("user", "x", "i", AT, both)] == ["B"]
    # An address that long would be cut off by somebody, and then mean something else.
    assert ways("host", "x" * 2_001, "i", AT, both) == []


@given(st.text(max_size=60))
def test_no_value_leaves_its_place(value: str) -> None:
    template = link("https://d.example/a/{value}/b?q={value}#/?_q=(query:'host:%22{rison_value}%22')")
    [way] = ways("host", value, "i1", AT, [template])
    parts = urlsplit(way.url)
    assert (parts.scheme, parts.netloc) == ("https", "d.example")
    assert parts.path.startswith("/a/")
    assert parts.path.endswith("/b")
    assert parts.path.count("/") == 3
    written = value.encode(errors="replace").decode()
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [written]}
    # Read as rison and then as a query, the phrase is the value again.
    rison = unquote(parts.fragment.removeprefix("/?_q=(query:'").removesuffix("')"))
    phrase = re.sub("!(.)", r"\1", rison, flags=re.DOTALL)
    assert (phrase[:6], phrase[-1]) == ('host:"', '"')
    assert re.sub(r"\\(.)", r"\1", phrase[6:-1], flags=re.DOTALL) == written

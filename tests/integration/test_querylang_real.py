"""Search texts against a real node: they find what plain Python finds in the same documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.incidents import params, querylang, services
from imweb.incidents.documents import iso
from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Node, Not, Or, Query, Value, Words
from imweb.incidents.registry import registry
from imweb.incidents.severities import severities
from tests import stored
from tests.examples import examples
from tests.unit import oracle

pytestmark = pytest.mark.django_db

DOCUMENTS: dict[str, dict[str, Any]] = {
    f"i{number:03}": {
        "@timestamp": iso(stored.NOW - number * 1_000),
        "title": ["Logon failed", "Certutil downloads file", "logon", "Other thing"][number % 4],
        "severity": ["low", "high", "critical", "strange"][number % 4 if number % 7 else 3],
        **({"reviewer": ["anna", "Anna", "bob"][number % 3]} if number % 5 else {}),
        "rule": {"name": f"Rule {number % 3}"},
        "entities": {"host": [f"WS-{number % 7}", "DC-1"] if number % 2 else f"WS-{number % 7}"},
        **({"risk_level": number % 9} if number % 4 else {}),
    }
    for number in range(90)
}


@pytest.fixture
def actor(analyst: User) -> Actor:
    return actor_of(analyst)


def found(actor: Actor, text: str) -> list[str]:
    """The ids of all documents that a search text finds."""
    raw = {"start_time": None, "end_time": None, "size": 1_000, "query_string": text}
    query = params.parse_listing(raw, registry=registry(), zone="UTC")
    return sorted(doc.id for doc in services.list_documents(actor, query).docs)


_VALUES = {
    "severity": ["low", "HIGH", "c*", "strange", "*"],
    "reviewer": ["anna", "BOB", "?nna", "*", "eve"],
    "host": ["ws-1", "WS-*", "DC-1", "*-3"],
    "rule": ["Rule*", "*1"],
    "title": ["logon", "FAILED", "*"],
    "risk_level": ["3", "*"],
}
_leaf = st.one_of(
    st.sampled_from(["logon", "certutil", "WS-1", "dc", "Rule", "nothing"]).map(lambda word: Words(Value(word))),
    st.sampled_from(["logon failed", "downloads file", "failed logon", "rule 1"]).map(
        lambda text: Words(Value(text, quoted=True))
    ),
    st.sampled_from(sorted(_VALUES)).flatmap(
        lambda name: st.sampled_from(_VALUES[name]).map(lambda raw: Field(name, Value(raw)))
    ),
    st.builds(
        lambda operator, bound: Field("risk_level", Compare(operator, Value(str(bound)))),
        st.sampled_from([">=", "<=", ">", "<"]),
        st.integers(0, 9),
    ),
    st.builds(
        lambda operator, name: Field("severity", Compare(operator, Value(name))),
        st.sampled_from([">=", "<=", ">", "<"]),
        st.sampled_from(["low", "medium", "high", "critical"]),
    ),
    st.builds(
        lambda low, high, with_low, with_high: Field(
            "risk_level", Between(low and Value(low), high and Value(high), with_low, with_high)
        ),
        st.sampled_from([None, "1", "4"]),
        st.sampled_from([None, "4", "8"]),
        st.booleans(),
        st.booleans(),
    ),
    st.lists(st.sampled_from(["anna", "bob", "e*"]), min_size=2, max_size=3).map(
        lambda names: Field("reviewer", Or(tuple(Value(name) for name in names)))
    ),
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(parts.map(And), parts.map(Or), inner.map(Not))


@pytest.mark.fuzz
def test_any_search_text_gives_what_plain_python_gives(actor: Actor, indices: None) -> None:
    stored.incidents(DOCUMENTS)
    ranks = {level.name: level.rank for level in severities()}

    @examples(120)
    @given(st.recursive(_leaf, _combined, max_leaves=6))
    def compare(root: Node) -> None:
        expected = sorted(name for name, doc in DOCUMENTS.items() if oracle.text_matches(root, doc, ranks))
        assert found(actor, querylang.to_text(Query(root))) == expected

    compare()


COMMAND = r'"C:\Program Files\Tool\x.exe" -enc "SQBFAFgA=" /c dir \\srv\share\*'


@pytest.mark.parametrize(
    "text",
    [
        f"command_line:{querylang.quote(COMMAND)}",
        r"command_line:*program\ files*",
        r'command_line:*\\\\srv\share\\\*',
        "command_line:*sqbfafga=*",
        "ip:10.1.2.3",
        "ip:10.1.*",
        "ip:fe80::1",
        "10.1.2.3",
        r"user:CORP\anna",
        r'user:"corp\anna"',
        "sqbfafga",
        "technique:t1059.001",
        "technique:T1059*",
        "tactic:TA0002",
        '"ws-12"',
        "WS-1*",
        "ws-12 and 10.1.2.3",
        "time:[now-30y to now]",
        "not reviewer:*",
    ],
)  # fmt: skip
def test_what_incidents_hold_can_be_searched(actor: Actor, indices: None, text: str) -> None:
    entities = {"command_line": COMMAND, "ip": ["10.1.2.3", "fe80::1"], "user": r"CORP\anna", "host": "WS-12"}
    other = {"entities": {"command_line": "cmd", "ip": "10.2.2.3", "host": "WS-22"}, "reviewer": "x"}
    stored.incidents(
        {
            "wanted": {"entities": entities, "mitre": ["T1059.001", "TA0002"]},
            "other": {**other, "@timestamp": "1980-01-01T00:00:00.000Z"},
        }
    )
    assert found(actor, text) == ["wanted"]


def test_words_of_two_values_are_no_phrase(actor: Actor, indices: None) -> None:
    """Free words are looked for in many fields at once; a phrase stands within one value."""
    stored.incidents({"a": {"title": "First second", "entities": {"host": ["alpha", "beta"]}}})
    assert found(actor, '"first second"') == ["a"]
    assert found(actor, "first beta") == ["a"]
    assert found(actor, '"alpha beta"') == []
    assert found(actor, '"second alpha"') == []

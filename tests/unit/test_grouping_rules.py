"""Grouping rules: what may be saved, what incidents have in common, and the ids that follow from it."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.errors import ValidationFailed
from imweb.grouping.claims import Seen, claims_of
from imweb.grouping.figures import unusable
from imweb.grouping.keys import base_id, fill, key_of, result_id, span_of, tokens_of
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents.fields import Registry

HOUR = 3_600_000


def rule(**changes: Any) -> GroupingRule:
    return RULES.parse({"name": "same-host", "title": "Same host", "comparison": ["entities.host"]} | changes)


def test_a_key_is_the_set_of_values_whatever_their_order() -> None:
    one = key_of(["entities.host", "rule.id"], {"entities": {"host": ["b", "a", "b"]}, "rule": {"id": "r"}})
    other = key_of(["entities.host", "rule.id"], {"entities": {"host": ["a", "b"]}, "rule": {"id": ["r"]}})
    assert one == other == (("a", "b"), ("r",))


@pytest.mark.parametrize("source", [{}, {"entities": None}, {"entities": {"host": []}}, {"entities": {"host": ""}}])
def test_an_incident_without_the_field_has_no_key(source: dict[str, Any]) -> None:
    assert key_of(["entities.host"], source) is None


def test_a_text_and_a_number_that_look_alike_are_different() -> None:
    one, other = (key_of(["n"], {"n": value}) or () for value in (1, "1"))
    assert base_id(rule(), one, (), None) != base_id(rule(), other, (), None)


def test_fixed_spans_are_aligned_to_the_clock() -> None:
    fixed = rule(window={"kind": "fixed", "minutes": 60})
    assert span_of(fixed, 5 * HOUR + 1) == span_of(fixed, 6 * HOUR - 1) == 5 * HOUR
    assert span_of(fixed, 6 * HOUR) == 6 * HOUR
    assert span_of(rule(), 6 * HOUR) is None


def test_an_id_says_rule_fields_key_partition_span_and_generation() -> None:
    key, fixed = (("h",),), rule(window={"kind": "fixed", "minutes": 60})
    ids = [
        result_id(base_id(rule(), key, (), None), 0),
        result_id(base_id(rule(), key, (), None), 1),
        result_id(base_id(rule(name="other"), key, (), None), 0),
        result_id(base_id(rule(comparison=["entities.user"]), key, (), None), 0),
        result_id(base_id(rule(), key, (("tenant", ("x",)),), None), 0),
        result_id(base_id(fixed, key, (), 0), 0),
        result_id(base_id(fixed, key, (), HOUR), 0),
        result_id(base_id(rule(window={"kind": "fixed", "minutes": 30}), key, (), 0), 0),
    ]
    assert len(set(ids)) == len(ids)
    assert result_id(base_id(rule(title="Another title"), key, (), None), 0) == ids[0]


def test_the_first_rule_that_matches_claims_unless_it_says_and_go_on() -> None:
    rules = [
        rule(name="first", and_go_on=True),
        rule(name="second", comparison=["entities.user"]),
        rule(name="third"),
        rule(name="fourth", enabled=False),
    ]
    seen = Seen("i1", HOUR, "low", "default")
    every = {one.name for one in rules if one.enabled}

    def names(source: dict[str, Any], matched: set[str] = every) -> list[str]:
        return [claim.rule.name for claim in claims_of(rules, matched, source, seen, ())]

    assert names({"entities": {"host": "h", "user": "u"}}) == ["first", "second"]
    assert names({"entities": {"host": "h"}}) == ["first", "third"]
    assert names({"entities": {"host": "h", "user": "u"}}, {"third"}) == ["third"]
    member = {"entities": {"host": "h", "user": "u"}, "incident_aggregation_id": ["first"]}
    assert names(member) == ["second"]
    for kept in (["second"], ["fourth"], "third"):
        held = {"entities": {"host": "h", "user": "u"}, "incident_aggregation_id": kept}
        assert names(held) == ["first"], "what a rule keeps to itself stays with it, also when that is disabled"


def test_tokens_are_filled_in() -> None:
    one = rule(
        functions=[{"name": "users", "function": "distinct", "field": "entities.user"}],
        group_title="{incidents_count} on {comparison.host} by {function.users} users ({rule.name})",
    )
    tokens = tokens_of(one, (("a", "b", "c", "d"),), {"users": 3.0}, count=7, first_seen="x", last_seen="y")
    assert fill(one.group_title, tokens, 300) == "7 on a, b, c, … by 3 users (Same host)"
    assert fill("{first_seen}" * 10, tokens, 5) == "xxxx…"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"group_title": "{comparison.user}"}, "{comparison.user} is unknown"),
        ({"group_description": "{secret}"}, "{secret} is unknown"),
        ({"comparison": ["entities.host", "entities.host"]}, "names a field twice"),
        ({"comparison": []}, "at least 1 item"),
        ({"minimum": 0}, "greater than or equal to 1"),
        ({"window": {"kind": "sliding", "minutes": 5}}, "'fixed' or 'open'"),
        ({"functions": [{"name": "n", "function": "median", "field": "x"}]}, "'count'"),
        ({"name": "Same Host"}, "takes small letters, digits, _ and -; it begins with a letter and has at most 64"),
    ],
)
def test_a_rule_names_its_fault(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationFailed, match=None) as caught:
        rule(**changes)
    assert reason in str(caught.value.reason)


def test_fields_that_do_not_exist_or_do_not_fit_are_named() -> None:
    one = rule(
        comparison=["entities.hots"],
        functions=[{"name": "total", "function": "sum", "field": "title"}],
        additional=["description"],
    )
    faults = dict(unusable(one, Registry.build()))
    assert "did you mean 'entities.host'" in faults["comparison"]
    assert "holds text values" in faults["functions.total"]
    assert "holds text values" in faults["additional"]

"""The search bar's language: what it means, what it says when it cannot be read, and how chips change it."""

from __future__ import annotations

import string
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.errors import ValidationFailed
from imweb.incidents import querylang
from imweb.incidents.fields import Kind, Registry, custom_field, dynamic_field
from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Node, Not, Or, Query, Value, Words
from tests.examples import examples

NOW = 1_760_000_000_000
REGISTRY = Registry.build([custom_field("risk", "number", "Risk")], [dynamic_field("seen", Kind.BOOLEAN)])
COMMAND = "entities.command_line"
RANKS = {"low": 1, "medium": 2, "high": 3, "critical": 4}


def compiled(text: str) -> Any:
    return querylang.compile_query(querylang.parse(text), REGISTRY, now_ms=NOW, tz=UTC, severity_ranks=RANKS)


def faults(text: str) -> list[tuple[str, int]]:
    with pytest.raises(ValidationFailed) as caught:
        compiled(text)
    assert all(detail.field == "query_string" for detail in caught.value.details)
    assert all(isinstance(detail.extra["expected"], list) for detail in caught.value.details)
    return [(detail.reason, detail.extra["position"]) for detail in caught.value.details]


def keyword(path: str, value: str) -> Any:
    return {"term": {path: {"value": value, "case_insensitive": True}}}


def days(start: int, end: int) -> Any:
    return {"range": {"@timestamp": {"gte": start, "lte": end, "format": "epoch_millis"}}}


class TestCompiled:
    @pytest.mark.parametrize(
        ("text", "clause"),
        [
            ("", None),
            ("  \n ", None),
            ("certutil", {"match_phrase": {"search_all": {"query": "certutil"}}}),
            ('"a b"', {"match_phrase": {"search_all": {"query": "a b"}}}),
            ("severity:Critical", keyword("severity", "Critical")),
            ('host:"WS-*"', keyword("entities.host", "WS-*")),
            ("host:WS-*", {"wildcard": {"entities.host": {"value": "WS-*", "case_insensitive": True}}}),
            (r"host:WS\*", keyword("entities.host", "WS*")),
            ("reviewer:*", {"exists": {"field": "reviewer"}}),
            ("risk>=5", {"range": {"risk": {"gte": 5.0}}}),
            ("risk:<5", {"range": {"risk": {"lt": 5.0}}}),
            ("risk:5", {"term": {"risk": {"value": 5.0}}}),
            ("risk:{1 to 5]", {"range": {"risk": {"gt": 1.0, "lte": 5.0}}}),
            ("risk:[* to *]", {"exists": {"field": "risk"}}),
            ("seen:TRUE", {"term": {"seen": {"value": True}}}),
            ("severity:>=high", {"terms": {"severity": ["high", "critical"]}}),
            ("severity<Medium", {"terms": {"severity": ["low"]}}),
            ("severity:{low to high]", {"terms": {"severity": ["medium", "high"]}}),
            ("severity:>critical", {"match_none": {}}),
            ("technique:T1059*", {"wildcard": {"mitre": {"value": "T1059*", "case_insensitive": True}}}),
            ("tactic:TA0002", keyword("mitre", "TA0002")),
            ("ip:fe80::1", keyword("entities.ip", "fe80::1")),
            ("url:https://a/b?c", {"wildcard": {"entities.url": {"value": "https://a/b?c", "case_insensitive": True}}}),
            (r"user:CORP\anna", keyword("entities.user", r"CORP\anna")),
            (r"user:CORP\a*", {"wildcard": {"entities.user": {"value": r"CORP\\a*", "case_insensitive": True}}}),
            (r'command_line:"C:\Windows\x.exe \"a b\" *"', keyword(COMMAND, r'C:\Windows\x.exe "a b" *')),
            (r'file:"C:\\"', keyword("entities.file", "C:\\")),
            ("title:cert*", {"wildcard": {"title": {"value": "cert*", "case_insensitive": True}}}),
            ('title:"a b"', {"match_phrase": {"title": {"query": "a b"}}}),
            ("@timestamp:[now-1d TO now]", days(NOW - 86_400_000, NOW)),
            ("time:2025-10-09", days(1_759_968_000_000, 1_760_054_399_999)),
            ("not seen:true", {"bool": {"must_not": [{"term": {"seen": {"value": True}}}]}}),
        ],
    )
    def test_it_means(self, text: str, clause: Any) -> None:
        assert compiled(text) == clause

    def test_not_binds_before_and_before_or(self) -> None:
        a, b, c = (keyword("status", name) for name in "abc")
        expected = {
            "bool": {
                "should": [{"bool": {"filter": [a, {"bool": {"must_not": [b]}}]}}, c],
                "minimum_should_match": 1,
            }
        }
        assert compiled("status:a AND NOT status:b Or status:c") == expected
        assert compiled("status:a not status:b or status:c") == expected
        assert compiled("status:((a and not b) or c)") == expected

    def test_free_words_with_wildcards_are_cut_as_the_index_cuts(self) -> None:
        either = compiled("WS-1*")["bool"]["should"]
        assert either[0] == {
            "bool": {
                "filter": [
                    {"match": {"title": {"query": "WS", "operator": "and"}}},
                    {"wildcard": {"title": {"value": "1*", "case_insensitive": True}}},
                ]
            }
        }
        assert {"wildcard": {"entities.host": {"value": "WS-1*", "case_insensitive": True}}} in either
        assert compiled("certu*") == {"wildcard": {"search_all": {"value": "certu*", "case_insensitive": True}}}

    def test_words_that_only_begin_like_operators(self) -> None:
        words = tuple(Words(Value(word)) for word in ("android", "order", "nothing"))
        assert querylang.parse("android order nothing") == Query(And(words))


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "position", "said"),
        [
            ("severity:", 9, "ends too early"),
            ("(certutil", 9, '")"'),
            ("and", 0, "a word"),
            ("and", 0, '"(", "not" or the end'),
            ('title:"x', 6, "not closed"),
            ("severity:high and", 17, "ends too early"),
            ("a)", 1, "the end"),
            ("risk:[1 5]", 8, "to"),
            (":x", 0, "behind a field"),
            ("  severiti:high", 2, '"severity"'),
            ("qqqqqq:1", 0, "quotes"),
            ("key:x", 0, "no field"),
            ("search_all:x", 0, "no field"),
            ("risk:many", 5, "no number"),
            ("seen:maybe", 5, "true or false"),
            ("time:someday", 5, "no time"),
            ("severity:>=worst", 11, "known are low, medium, high, critical"),
            ("status:>=new", 9, "no order"),
            ("severity=high", 0, '"severity:"'),
            ("host:*" + "?" * 9, 5, '"?"'),
            ("a\\", 1, "backslash"),
            ("x" * 10_001, 10_000, "10000 characters"),
            ("not " * 40 + "a", 0, "nested"),
            ("(" * 40 + "status:" + "(" * 5 + "a" + ")" * 45, None, None),
            ("a " * 301, 0, "300 terms"),
        ],
    )
    def test_position_and_reason(self, text: str, position: int | None, said: str | None) -> None:
        if said is None:
            assert compiled(text) == keyword("status", "a")
        else:
            [(reason, found)] = faults(text)
            assert found == position
            assert said in reason

    def test_all_unknown_fields_are_told(self) -> None:
        assert [position for _reason, position in faults("severiti:a or hots:b")] == [0, 14]

    @examples(150)
    @given(st.text(alphabet='ab:()"\\*?[]{}<>= \n' + "andortnoT", max_size=40))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        position = None
        try:
            query = querylang.parse(text)
        except ValidationFailed as error:
            position = error.details[0].extra["position"]
        if position is None:
            assert querylang.parse(querylang.to_text(query)) == query
        else:
            assert 0 <= position <= len(text)


_raw = st.text(string.ascii_letters + string.digits + "-_.*?/", min_size=1, max_size=8).filter(
    lambda text: text.lower() not in ("and", "or", "not", "to")
)
_values = st.one_of(
    _raw.map(Value),
    st.text(max_size=8).map(lambda text: Value(querylang.quote(text)[1:-1], quoted=True)),
)
_bounds = _raw.filter(lambda text: text != "*").map(Value)
_leaves = st.one_of(
    _values,
    st.builds(Compare, st.sampled_from([">=", "<=", ">", "<"]), _values),
    st.builds(Between, st.none() | _bounds, st.none() | _bounds, st.booleans(), st.booleans()),
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(parts.map(And), parts.map(Or), inner.map(Not))


_tests = st.recursive(_leaves, _combined, max_leaves=4)
_nodes: st.SearchStrategy[Node] = st.recursive(
    st.one_of(_values.map(Words), st.builds(Field, st.sampled_from(["severity", "rule.name", "@timestamp"]), _tests)),
    _combined,
    max_leaves=6,
)


@examples(80)
@given(_nodes)
def test_written_and_read_again_it_is_the_same(root: Node) -> None:
    assert querylang.parse(querylang.to_text(Query(root))) == Query(root)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_value_can_be_asked_for(value: str) -> None:
    assert compiled(f"host:{querylang.quote(value)}") == keyword("entities.host", value)


class TestChips:
    def test_added_turned_and_taken_away(self) -> None:
        text = querylang.with_clause("certutil or x", "severity", "high")
        assert text == '(certutil or x) and severity:"high"'
        assert querylang.with_clause(text, "severity", "high") == text
        turned = querylang.invert_clause(text, "severity", "high")
        assert turned == '(certutil or x) and not severity:"high"'
        assert querylang.invert_clause(turned, "severity", "high") == text
        assert querylang.without_clause(turned, "severity", "high") == "certutil or x"
        assert querylang.with_clause("", "host", 'a"\\') == 'host:"a\\"\\\\"'

    def test_a_word_without_quotes_is_the_same_condition(self) -> None:
        assert querylang.without_clause("severity:high and a", "severity", "high") == "a"

    def test_asking_for_what_was_excluded_takes_the_exclusion_away(self) -> None:
        assert querylang.with_clause("not severity:high", "severity", "high") == 'severity:"high"'


class TestCompletion:
    @pytest.mark.parametrize(
        ("text", "kind", "prefix", "field"),
        [
            ("", "field", "", None),
            ("sev", "field", "sev", None),
            ("severity:", "value", "", "severity"),
            ("severity:cr", "value", "cr", "severity"),
            ("host:WS", "value", "WS", "entities.host"),
            ('host:"WS 1', "value", "WS 1", "entities.host"),
            ("severity:(high or lo", "value", "lo", "severity"),
            ("severity:high ", "operator", "", None),
            ("severity:high and ", "field", "", None),
            ("severity:high and sta", "field", "sta", None),
            ('title:"a:b" and (re', "field", "re", None),
        ],
    )
    def test_what_is_expected(self, text: str, kind: str, prefix: str, field: str | None) -> None:
        found = querylang.complete(text, len(text), REGISTRY)
        assert (found.kind, found.prefix, found.field.name if found.field else None) == (kind, prefix, field)

    def test_names_begin_with_what_is_typed_first(self) -> None:
        options = querylang.complete("s", 1, REGISTRY).options
        assert "severity" in options
        assert options[0].startswith("s")
        assert "search_all" not in options

    def test_the_cursor_counts_not_the_end(self) -> None:
        assert querylang.complete("sev and x", 3, REGISTRY).prefix == "sev"

    def test_a_pasted_text_is_not_completed(self) -> None:
        assert querylang.complete('"' * 5_000, 5_000, REGISTRY).options == ()

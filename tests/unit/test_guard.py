"""The guard of `search_query`: what is not known is refused with its path, what passes is rebuilt."""

from __future__ import annotations

import copy
import json
from datetime import UTC
from typing import Any

import pytest

from imweb.errors import QueryRejected
from imweb.incidents import guard
from imweb.incidents.fields import INTERNAL, Kind, Registry, custom_field, dynamic_field
from tests import hostile

NOW = 1_760_000_000_000
REGISTRY = Registry.build([custom_field("risk", "number", "Risk")], [dynamic_field("seen", Kind.BOOLEAN)])


def checked(clause: Any) -> Any:
    return guard.checked(clause, REGISTRY, now_ms=NOW, tz=UTC)


def refused(clause: Any) -> dict[str, str]:
    with pytest.raises(QueryRejected) as caught:
        checked(clause)
    assert caught.value.details
    return {detail.field: detail.reason for detail in caught.value.details}


class TestHostile:
    @pytest.mark.parametrize("name", hostile.kinds())
    def test_refused_in_every_container(self, name: str) -> None:
        for wrap in hostile.CONTAINERS.values():
            faults = refused(wrap(hostile.kinds()[name]))
            assert all(field.startswith("search_query") for field in faults)

    def test_there_are_sixty_and_more(self) -> None:
        assert len(hostile.kinds()) >= 60

    def test_the_path_names_the_clause(self) -> None:
        clause = {"bool": {"must": [{"match_all": {}}, {"script": {"script": "true"}}]}}
        assert refused(clause) == {"search_query.bool.must[1].script": "scripts are not allowed"}
        assert refused(json.dumps(clause)) == {"search_query.bool.must[1].script": "scripts are not allowed"}

    def test_all_faults_are_told_together(self) -> None:
        clause = {"bool": {"must": [{"wrapper": {}}, {"term": {"severiti": "x"}}], "wrong": 1}}
        faults = refused(clause)
        assert set(faults) == {
            "search_query.bool.must[0].wrapper",
            "search_query.bool.must[1].term.severiti",
            "search_query.bool.wrong",
        }
        assert '"severity"' in faults["search_query.bool.must[1].term.severiti"]

    @pytest.mark.parametrize("name", sorted(INTERNAL))
    def test_bookkeeping_is_no_field(self, name: str) -> None:
        assert "there is no field" in next(iter(refused({"exists": {"field": name}}).values()))
        assert refused({"query_string": {"query": f"{name}:x"}})


class TestNothingInTheirPlace:
    """What is left out or null must not become "everything"."""

    @pytest.mark.parametrize("kind", ["prefix", "wildcard", "regexp", "fuzzy"])
    @pytest.mark.parametrize("given", [None, {}, {"value": None}])
    def test_a_pattern(self, kind: str, given: Any) -> None:
        assert refused({kind: {"title": given}}) == {f"search_query.{kind}.title.value": "must be a text"}

    @pytest.mark.parametrize("kind", ["query_string", "simple_query_string"])
    @pytest.mark.parametrize("given", [{}, {"query": None}])
    def test_a_query_text(self, kind: str, given: Any) -> None:
        assert refused({kind: given}) == {f"search_query.{kind}.query": "must be a text"}

    @pytest.mark.parametrize("name", ["must", "filter", "should", "must_not"])
    def test_a_part_of_a_bool(self, name: str) -> None:
        assert f"search_query.bool.{name}" in refused({"bool": {name: None}})

    def test_a_flag_that_nobody_knows(self) -> None:
        assert refused({"simple_query_string": {"query": "a", "flags": "ALL|SOME"}})


class TestBounds:
    def test_depth(self) -> None:
        clause: Any = {"match_all": {}}
        for _ in range(19):
            clause = {"bool": {"must": [clause]}}
        checked(clause)
        assert "nested" in next(iter(refused({"bool": {"must": [{"bool": {"must": [clause]}}]}}).values()))

    def test_json_that_is_nested_thousandfold(self) -> None:
        assert refused('{"bool":{"must":' * 3_000 + "{}" + "}}" * 3_000)
        assert refused("[" * 60_000)

    def test_number_of_clauses(self) -> None:
        clauses = [{"match_all": {}}] * 511
        checked({"bool": {"should": clauses}})
        assert "512 clauses" in next(iter(refused({"bool": {"should": [*clauses, {"match_all": {}}]}}).values()))

    @pytest.mark.parametrize(
        "clause",
        [
            {"terms": {"severity": ["x"] * 10_001}},
            {"ids": {"values": ["x"] * 10_001}},
            {"match": {"title": "x" * 1_001}},
            {"term": {"title": "x" * 70_000}},
            {"query_string": {"query": "(" * 60 + "a" + ")" * 60}},
            {"simple_query_string": {"query": "(" * 60 + "a" + ")" * 60}},
        ],
    )
    def test_sizes(self, clause: Any) -> None:
        refused(clause)

    def test_a_key_twice_is_refused(self) -> None:
        assert "twice" in refused('{"term": {"severity": "a", "severity": "b"}}')["search_query"]


class TestAllowed:
    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({"match_all": {}}, {"match_all": {}}),
            ({"term": {"severity": "high"}}, {"term": {"severity": {"value": "high"}}}),
            (
                {"term": {"host": {"value": "A", "case_insensitive": True}}},
                {"term": {"entities.host": {"value": "A", "case_insensitive": True}}},
            ),
            ({"terms": {"severity": ["a", "b"], "boost": 2}}, {"terms": {"severity": ["a", "b"]}}),
            ({"range": {"risk": {"gte": "5", "lt": 7}}}, {"range": {"risk": {"gte": 5.0, "lt": 7}}}),
            ({"exists": {"field": "risk"}}, {"exists": {"field": "risk"}}),
            ({"term": {"seen": "true"}}, {"term": {"seen": {"value": True}}}),
            ({"term": {"title.keyword": "x"}}, {"term": {"title.raw": {"value": "x"}}}),
            ({"ids": {"values": ["a"]}}, {"ids": {"values": ["a"]}}),
            ({"boosting": {"positive": {"match_all": {}}, "negative": {"match_none": {}}}}, {"match_all": {}}),
            ({"match_phrase": {"title": "a b"}}, {"match_phrase": {"title": {"query": "a b"}}}),
        ],
    )
    def test_rebuilt(self, given: Any, sent: Any) -> None:
        assert checked(given) == sent

    def test_now_is_fixed(self) -> None:
        found = checked({"range": {"@timestamp": {"gte": "now-1d", "lte": "now"}}})
        assert found == {"range": {"@timestamp": {"gte": NOW - 86_400_000, "lte": NOW, "format": "epoch_millis"}}}
        text = checked({"query_string": {"query": "@timestamp:[now-1d TO now]"}})
        assert text == found

    def test_a_time_zone_rounds(self) -> None:
        plain = checked({"range": {"@timestamp": {"gte": "now/d"}}})["range"]["@timestamp"]["gte"]
        berlin = checked({"range": {"@timestamp": {"gte": "now/d", "time_zone": "Europe/Berlin"}}})
        assert plain - berlin["range"]["@timestamp"]["gte"] == 7_200_000

    def test_names_with_stars_stand_for_visible_fields_only(self) -> None:
        found = json.dumps(checked({"multi_match": {"query": "x", "fields": ["*e*"], "lenient": True}}))
        assert "title" in found
        assert not any(f'"{name}"' in found for name in INTERNAL)

    def test_a_hidden_field_is_unknown(self) -> None:
        hidden = REGISTRY.without(["risk"])
        with pytest.raises(QueryRejected):
            guard.checked({"exists": {"field": "risk"}}, hidden, now_ms=NOW, tz=UTC)

    def test_what_was_given_is_neither_changed_nor_shared(self) -> None:
        given: Any = {
            "bool": {"must": [{"terms": {"severity": ["a"]}}, {"ids": {"values": ["a"]}}], "minimum_should_match": 0}
        }
        before = copy.deepcopy(given)
        found = checked(given)
        assert given == before
        given["bool"]["must"][0]["terms"]["severity"].append("b")
        given["bool"]["must"][1]["ids"]["values"].append("b")
        assert found["bool"]["must"] == [{"terms": {"severity": ["a"]}}, {"ids": {"values": ["a"]}}]

    def test_options_that_narrow_are_sent(self) -> None:
        options = {"fuzzy_prefix_length": 2, "fuzzy_max_expansions": 9, "fuzzy_transpositions": False}
        text = {"query": "ab~", "fields": ["title"], "flags": "fuzzy | OR", "analyze_wildcard": True}
        found = checked({"simple_query_string": {**text, **options}})["simple_query_string"]
        assert found == {**text, **options, "flags": "FUZZY|OR", "default_operator": "or", "lenient": True}
        narrow = {"query": "ab", "fuzziness": 1, "fuzzy_transpositions": False}
        assert checked({"match": {"title": narrow}})["match"]["title"] == {**narrow, "operator": "or"}

    def test_checked_again_it_is_the_same(self) -> None:
        clause = checked({"bool": {"must": [{"range": {"@timestamp": {"gte": "now-1d"}}}, {"match": {"title": "x"}}]}})
        assert checked(clause) == clause


class TestQueryString:
    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("severity:high", {"match": {"severity": {"query": "high", "operator": "or"}}}),
            ("*", {"match_all": {}}),
            ("reviewer:*", {"exists": {"field": "reviewer"}}),
            ("risk:>=5", {"range": {"risk": {"gte": 5.0}}}),
            ("risk:{1 TO *]", {"range": {"risk": {"gt": 1.0}}}),
            ('title:"a b"~2', {"match_phrase": {"title": {"query": "a b", "slop": 2}}}),
            (r"host:WS\-1*", {"wildcard": {"entities.host": {"value": "WS-1*"}}}),
            (r"user:CORP\\svc\-*", {"wildcard": {"entities.user": {"value": r"CORP\\svc-*"}}}),
            (r"host:a\*b\?\\*", {"wildcard": {"entities.host": {"value": r"a\*b\?\\*"}}}),
            (
                "title:/ab?/",
                {"regexp": {"title": {"value": "ab?", "flags": "NONE", "max_determinized_states": 10_000}}},
            ),
            ("", {"match_none": {}}),
        ],
    )
    def test_rebuilt(self, text: str, sent: Any) -> None:
        assert checked({"query_string": {"query": text}}) == sent

    def test_signs_are_words_but_not_in_quotes(self) -> None:
        def sent(text: str) -> Any:
            return checked({"query_string": {"query": text}})

        for signs, words in (
            ("a && b", "a AND b"),
            ("a || (b && !c)", "a OR (b AND NOT c)"),
            ("!severity:a", "NOT severity:a"),
        ):
            assert sent(signs) == sent(words)
        assert sent('"a && b"')["match_phrase"]["search_all"]["query"] == "a && b"
        assert sent(r"a \&& b") != sent("a AND b")

    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("title:Ab*", {"wildcard": {"title": {"value": "ab*"}}}),
            ("severity:Ab*", {"wildcard": {"severity": {"value": "Ab*"}}}),
            ("title:[Ab TO *]", {"range": {"title": {"gte": "ab"}}}),
            ("title:Abcd~", {"fuzzy": {"title": {"value": "abcd", "fuzziness": "AUTO"}}}),
            ("title:Abcd~1", {"fuzzy": {"title": {"value": "abcd", "fuzziness": 1}}}),
            ("title:abcd~9", {"fuzzy": {"title": {"value": "abcd", "fuzziness": 2}}}),
            ("title:abcd~0.75", {"fuzzy": {"title": {"value": "abcd", "fuzziness": 0}}}),
        ],
    )
    def test_words_of_a_text_field_are_in_small_letters_as_its_index_has_them(self, text: str, sent: Any) -> None:
        assert checked({"query_string": {"query": text}}) == sent

    def test_fuzzy_options_are_sent(self) -> None:
        options = {"fuzziness": 1, "fuzzy_prefix_length": 2, "fuzzy_max_expansions": 9, "fuzzy_transpositions": False}
        found = checked({"query_string": {"query": "title:abcd~", **options}})
        body = {"value": "abcd", "fuzziness": 1, "prefix_length": 2, "max_expansions": 9, "transpositions": False}
        assert found == {"fuzzy": {"title": body}}

    @pytest.mark.parametrize(
        ("options", "name"),
        [({"type": "phrase"}, "type"), ({"allow_leading_wildcard": False}, "query"), ({"rewrite": "x"}, "rewrite")],
    )
    def test_an_option_that_would_be_ignored_is_refused(self, options: Any, name: str) -> None:
        assert f"search_query.query_string.{name}" in refused({"query_string": {"query": "title:*a", **options}})

    def test_operators_bind_as_expected(self) -> None:
        found = checked({"query_string": {"query": "severity:a AND status:b OR status:c"}})
        assert len(found["bool"]["should"]) == 2
        assert "filter" in found["bool"]["should"][0]["bool"]

    @pytest.mark.parametrize(
        "text", ["a &&", "|| a", "title:!a", "risk:many", "x:y", "severity:[a TO", "risk:1*", "risk:x~"]
    )
    def test_refused(self, text: str) -> None:
        refused({"query_string": {"query": text}})

    @pytest.mark.parametrize(
        "text",
        [
            *("NOT " * 2_400 + "a", "-" * 3_999 + "a", "+" * 3_999 + "a", "a" + "^2" * 2_000, "title:" * 1_600 + "a"),
            *("a AND " * 1_600 + "a", "a " * 1_999, "/" * 3_999, '"' * 3_999, "title:[" * 1_200, "a:" * 1_999),
            *("title:a\\", '"a"~0.5', "_exists_:(a)", "incidents_count:>=" + "9" * 400, "title:/((a/"),
        ],
        ids=lambda text: text[:12],
    )
    def test_what_is_made_to_hurt_is_refused(self, text: str) -> None:
        refused({"query_string": {"query": text}})

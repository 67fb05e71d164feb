"""What the guard lets through is accepted by a real node, and never reads beyond the filters beside it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.errors import QueryRejected
from imweb.incidents import params, services
from imweb.incidents.documents import iso
from imweb.incidents.registry import registry
from imweb.opensearch import gateway, schema
from tests import hostile, stored
from tests import services as servers
from tests.examples import examples
from tests.unit import oracle

pytestmark = pytest.mark.django_db

IN_REAL_NODE = examples(80)
DOCUMENTS: dict[str, dict[str, Any]] = {
    f"i{number:03}": {
        "@timestamp": iso(stored.NOW - number * 1_000),
        "title": ["Logon failed", "Certutil downloads file", "logon", "Other thing"][number % 4],
        "severity": ["low", "high", "critical"][number % 3],
        **({"reviewer": ["anna", "Anna", "bob"][number % 3]} if number % 5 else {}),
        "entities": {"host": [f"WS-{number % 7}", "DC-1"] if number % 2 else f"WS-{number % 7}"},
        **({"risk_level": number % 9} if number % 4 else {}),
    }
    for number in range(90)
}


@pytest.fixture
def actor(analyst: User) -> Actor:
    return actor_of(analyst)


@pytest.fixture
def documents(indices: None) -> None:
    stored.incidents(DOCUMENTS)


@pytest.fixture
def foreign(indices: None) -> Iterator[str]:
    """An index of somebody else's with a document that would match whatever is asked."""
    name = f"foreign-{uuid.uuid4().hex[:12]}"
    servers._send("PUT", f"{name}/_doc/1?refresh=true", {"title": hostile.MARKER, "severity": "high", "query": "x"})
    yield name
    servers._send("DELETE", name)


def listed(actor: Actor, **body: Any) -> list[str]:
    """The ids of all documents that a listing gives."""
    raw = {"start_time": None, "end_time": None, "size": 1_000, **body}
    query = params.parse_listing(raw, registry=registry(), zone="UTC")
    page = services.list_documents(actor, query)
    assert hostile.MARKER not in json.dumps([doc.source for doc in page.docs])
    return sorted(doc.id for doc in page.docs)


def test_nothing_reaches_outside(actor: Actor, foreign: str, documents: None) -> None:
    """Each kind in each container: refused before it is sent."""
    known = registry()
    for name, clause in hostile.kinds(foreign).items():
        for container, wrap in hostile.CONTAINERS.items():
            with pytest.raises(QueryRejected) as caught:
                params.parse_listing({"search_query": wrap(clause)}, registry=known, zone="UTC")
            assert caught.value.details, (name, container)


WIDEST: list[dict[str, Any]] = [
    {"match_all": {}},
    {"bool": {"should": [{"match_all": {}}]}},
    {"bool": {"must_not": [{"match_none": {}}]}},
    {"bool": {"must_not": [{"term": {"severity": "nothing"}}], "minimum_should_match": 0}},
    {"query_string": {"query": "*:* OR severity:*"}},
    {"query_string": {"query": "*"}},
    {"simple_query_string": {"query": "*", "fields": ["*e*"]}},
    {"simple_query_string": {"query": "-nothing", "fields": ["title"]}},
    {"wildcard": {"severity": "*"}},
    {"regexp": {"severity": ".*"}},
    {"exists": {"field": "entities"}},
    {"range": {"@timestamp": {"gte": "0001-01-01", "lte": "9999-12-31"}}},
    {"ids": {"values": ["1", *DOCUMENTS, "gone", "g"]}},
    {"dis_max": {"queries": [{"match_all": {}}, {"prefix": {"severity": ""}}]}},
]


@pytest.mark.parametrize("clause", WIDEST, ids=lambda clause: json.dumps(clause)[:60])
def test_no_clause_widens_the_set(actor: Actor, foreign: str, documents: None, clause: dict[str, Any]) -> None:
    """Times, kinds and tombstones stand beside it, whatever it asks for."""
    stored.group("g", {"member": {"@timestamp": iso(stored.NOW)}})
    stored.incidents({"gone": {}})
    gateway().bulk([{"update": {"_index": schema.incidents_alias(), "_id": "gone"}}, {"doc": {"deleted": True}}])
    gateway().refresh(schema.incidents_alias())
    window = {"start_time": stored.NOW - 5_000, "end_time": stored.NOW, "is_show_aggs": False}
    inside = {*(f"i{number:03}" for number in range(6)), "member"}
    assert set(listed(actor, search_query=clause, **window)) <= inside
    assert set(listed(actor, search_query=clause)) <= {*DOCUMENTS, "member", "g"}


NOW = iso(stored.NOW)
ACCEPTED: list[tuple[dict[str, Any], int]] = [
    ({"match": {"title": {"query": "logon file", "operator": "and", "fuzziness": "AUTO"}}}, 0),
    ({"match": {"title": "logon file"}}, 68),
    ({"match_phrase": {"title": {"query": "logon failed", "slop": 1}}}, 23),
    ({"match_phrase_prefix": {"title": "certutil down"}}, 23),
    ({"match_bool_prefix": {"title": "certutil down"}}, 23),
    ({"match_phrase_prefix": {"host": "WS-"}}, 90),
    ({"match_phrase": {"host": "WS-1"}}, 13),
    ({"multi_match": {"query": "anna", "fields": ["rev*", "title^3"], "type": "phrase"}}, 24),
    ({"multi_match": {"query": "5", "fields": ["*"], "lenient": True}}, 13),
    ({"multi_match": {"query": "logon", "fields": ["*i*"], "type": "phrase_prefix"}}, 45),
    ({"simple_query_string": {"query": '"logon failed" | certut*', "fields": ["title"]}}, 46),
    ({"simple_query_string": {"query": "logon", "fields": ["*"]}}, 45),
    ({"query_string": {"query": 'title:("logon failed" OR certut*) AND NOT severity:low'}}, 31),
    ({"query_string": {"query": "severity:(high critical)", "default_operator": "AND"}}, 0),
    ({"query_string": {"query": "certutl~1 AND host:DC\\-1"}}, 23),
    ({"query_string": {"query": "risk_level:[7 TO *] OR risk_level:<1"}}, 21),
    ({"query_string": {"query": "host:/WS-[12]/"}}, 26),
    ({"regexp": {"host": {"value": "ws-[12]", "case_insensitive": True, "flags": "ALL"}}}, 26),
    ({"fuzzy": {"severity": {"value": "hihg", "fuzziness": 2}}}, 30),
    ({"terms": {"@timestamp": [iso(stored.NOW), stored.NOW - 1_000]}}, 2),
    ({"range": {"@timestamp": {"gte": f"{NOW}||-9s", "lt": NOW, "time_zone": "Asia/Tokyo"}}}, 9),
    ({"prefix": {"reviewer": {"value": "AN", "case_insensitive": True}}}, 48),
    ({"bool": {"must": {"match_all": {}}, "should": {"match_none": {}}, "adjust_pure_negative": True}}, 90),
]


def test_what_passes_is_accepted(actor: Actor, documents: None) -> None:
    found = [(clause, len(listed(actor, search_query=clause))) for clause, _count in ACCEPTED]
    assert found == ACCEPTED


ALIKE: list[dict[str, Any]] = [
    *(
        {"query": text, "fields": ["title", "severity", "reviewer"], "lenient": True}
        for text in (
            *(
                "Logon",
                "LOGON failed",
                "logon AND failed",
                "Cert*",
                "CERTUTIL*",
                "cert?til",
                "title:Cert*",
                "title:*FILE",
            ),
            *(
                "certutl~",
                "Certutl~",
                "title:Logno~1",
                "title:logn~",
                "title:Logno~0.7",
                "severity:hig~",
                "title:/Log.*/",
            ),
            *(
                "title:/log.n/",
                "title:[C TO F]",
                "title:{cer TO downloads]",
                "title:>=LOGON",
                "severity:HI*",
                "severity:hi*",
            ),
            *(
                '"logon failed"',
                '"Failed Logon"~3',
                "!logon",
                "title:logon || severity:low",
                "title:logon && severity:low",
            ),
            *("-title:logon", "+severity:high -reviewer:bob title:file", "risk_level:>=5", "risk_level:[2 TO 4}"),
            *("reviewer:An*", "_exists_:reviewer", "NOT _exists_:reviewer", "reviewer:*", "title.raw:Logon*", "*:*"),
            *("(logon OR file) AND title:(other downloads)", r"title:logon\*", "entities.host:WS*"),
        )
    ),
    {"query": "certutl~", "fields": ["title"], "fuzziness": 0},
    {"query": "certutl~", "fields": ["title"], "fuzzy_prefix_length": 7},
    {"query": "Logno~1", "fields": ["title"], "fuzzy_transpositions": False},
    {"query": "logon failed", "fields": ["title"], "default_operator": "AND"},
    {"query": "logon (failed", "fields": ["title"], "escape": True},
]


def test_a_query_string_gives_what_opensearch_itself_gives(actor: Actor, documents: None) -> None:
    ours, theirs = {}, {}
    for body in ALIKE:
        name, query = json.dumps(body), {"query_string": body}
        ours[name] = listed(actor, search_query=query)
        hits = gateway().search({"size": 1_000, "query": query}, index=schema.incidents_alias())["hits"]["hits"]
        theirs[name] = sorted(hit["_id"] for hit in hits)
    assert ours == theirs
    assert len({tuple(found) for found in ours.values()}) > 10


_clause: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(["low", "high", "critical", "HIGH"]).map(lambda value: {"term": {"severity": value}}),
    st.lists(st.sampled_from(["anna", "Anna", "bob", "eve"]), min_size=1).map(
        lambda items: {"terms": {"reviewer": items}}
    ),
    st.integers(0, 9).map(lambda value: {"term": {"risk_level": value}}),
    st.dictionaries(st.sampled_from(["gte", "gt"]), st.integers(0, 9), min_size=1, max_size=1).map(
        lambda bounds: {"range": {"risk_level": bounds}}
    ),
    st.integers(0, 9).map(lambda bound: {"range": {"risk_level": {"gte": 2, "lt": bound}}}),
    st.sampled_from(["reviewer", "risk_level", "title", "comment"]).map(lambda name: {"exists": {"field": name}}),
    st.sampled_from(["WS", "WS-1", "DC", "ws"]).map(lambda text: {"prefix": {"entities.host": text}}),
    st.sampled_from(["*-1", "WS-?", "?C-*", "ws*"]).map(lambda text: {"wildcard": {"entities.host": text}}),
    st.sampled_from(["logon", "LOGON file", "thing failed", "none"]).map(lambda text: {"match": {"title": text}}),
    st.sampled_from(["logon failed", "failed logon", "downloads file"]).map(
        lambda text: {"match_phrase": {"title": text}}
    ),
    st.just({"match_all": {}}),
)


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, max_size=3)
    occurrences = st.fixed_dictionaries(
        {}, optional={"must": several, "filter": several, "should": several, "must_not": several}
    )
    return st.one_of(
        occurrences.map(lambda body: {"bool": body}),
        inner.map(lambda clause: {"constant_score": {"filter": clause}}),
        st.lists(inner, min_size=1, max_size=3).map(lambda clauses: {"dis_max": {"queries": clauses}}),
        inner.map(lambda clause: {"boosting": {"positive": clause, "negative": {"match_all": {}}}}),
    )


@pytest.mark.fuzz
def test_any_allowed_clause_gives_what_plain_python_gives(actor: Actor, documents: None) -> None:
    @IN_REAL_NODE
    @given(st.recursive(_clause, _nested, max_leaves=8))
    def compare(clause: dict[str, Any]) -> None:
        expected = sorted(name for name, doc in DOCUMENTS.items() if oracle.clause_matches(clause, doc))
        assert listed(actor, search_query=clause) == expected

    compare()


_entry = st.one_of(
    st.sampled_from([3, ">=5", "<2", "2..6", "..4", ">8"]).map(
        lambda value: {"name": "risk_level", "type": "number", "value": value}
    ),
    st.sampled_from(["anna", "A*", "?ob", "eve"]).map(
        lambda value: {"name": "reviewer", "type": "text", "value": value}
    ),
    st.sampled_from(["anna", "Anna", "bob"]).map(lambda value: {"name": "reviewer", "type": "select", "value": value}),
    st.lists(st.sampled_from(["low", "high", "x"]), min_size=1, max_size=2).map(
        lambda value: {"name": "severity", "type": "multiselect", "value": value}
    ),
)


@pytest.mark.fuzz
def test_any_field_filters_give_what_plain_python_gives(actor: Actor, documents: None) -> None:
    @IN_REAL_NODE
    @given(st.lists(st.tuples(_entry, st.booleans()).map(lambda pair: {**pair[0], "exclude": pair[1]}), max_size=3))
    def compare(entries: list[dict[str, Any]]) -> None:
        expected = sorted(
            name for name, doc in DOCUMENTS.items() if all(oracle.filter_matches(entry, doc) for entry in entries)
        )
        assert listed(actor, additional_fields=entries) == expected

    compare()

"""Search queries that nobody may send: each clause kind that OpenSearch 3.8 knows and we do not, bare and wrapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

MARKER = "foreign-marker-7f3a"
"""Stands in every document that no call may ever return."""

_SCRIPT: Json = {"script": {"source": "true", "lang": "painless"}}


def kinds(foreign: str = "foreign") -> dict[str, Json]:
    """Return a clause of each kind that is refused, reaching for the index `foreign` where it can."""
    elsewhere = {"index": foreign, "id": "1", "path": "title"}
    inner: Json = {"match_all": {}}
    return {
        "script": {"script": _SCRIPT},
        "script stored": {"script": {"script": {"id": "stored"}}},
        "script_score": {"script_score": {"query": inner, **_SCRIPT}},
        "function_score": {"function_score": {"query": inner, "script_score": _SCRIPT}},
        "function_score functions": {"function_score": {"query": inner, "functions": [{"random_score": {}}]}},
        "template": {"template": {"source": {"query": inner}}},
        "terms lookup": {"terms": {"title.raw": elsewhere}},
        "terms lookup by query": {"terms": {"title.raw": {"index": foreign, "path": "title", "query": inner}}},
        "terms bitmap": {"terms": {"group_numbers": ["OjAAAAEAAAAAAAIAEAAAAG8A3gBNAQ=="], "value_type": "bitmap"}},
        "terms bitmap known": {"terms": {"incidents_count": ["OjAAAAEAAAA="], "value_type": "bitmap"}},
        "terms_set": {"terms_set": {"title": {"terms": ["a"], "minimum_should_match_script": {"source": "1"}}}},
        "more_like_this": {"more_like_this": {"fields": ["title"], "like": [{"_index": foreign, "_id": "1"}]}},
        "more_like_this text": {"more_like_this": {"like": "x", "unlike": [{"_index": foreign, "_id": "1"}]}},
        "geo_shape": {"geo_shape": {"place": {"indexed_shape": {"index": foreign, "id": "1"}}}},
        "xy_shape": {"xy_shape": {"place": {"indexed_shape": {"index": foreign, "id": "1"}}}},
        "geo_bounding_box": {"geo_bounding_box": {"place": {"top_left": [0, 1], "bottom_right": [1, 0]}}},
        "geo_distance": {"geo_distance": {"distance": "1km", "place": [0, 0]}},
        "geo_polygon": {"geo_polygon": {"place": {"points": [[0, 0], [1, 1], [0, 1]]}}},
        "percolate": {"percolate": {"field": "query", "index": foreign, "id": "1"}},
        "percolate document": {"percolate": {"field": "query", "document": {"title": "x"}}},
        "wrapper": {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}},
        "has_child": {"has_child": {"type": "x", "query": inner}},
        "has_parent": {"has_parent": {"parent_type": "x", "query": inner}},
        "parent_id": {"parent_id": {"type": "x", "id": "1"}},
        "nested": {"nested": {"path": "entities", "query": inner}},
        "nested inner_hits": {"nested": {"path": "entities", "query": inner, "inner_hits": {"script_fields": {}}}},
        "distance_feature": {"distance_feature": {"field": "@timestamp", "pivot": "1d", "origin": "now"}},
        "rank_feature": {"rank_feature": {"field": "incidents_count"}},
        "intervals": {"intervals": {"title": {"match": {"query": "x", "filter": _SCRIPT}}}},
        "span_term": {"span_term": {"title": "x"}},
        "span_near": {"span_near": {"clauses": [{"span_term": {"title": "x"}}], "slop": 1}},
        "span_or": {"span_or": {"clauses": [{"span_term": {"title": "x"}}]}},
        "span_not": {"span_not": {"include": {"span_term": {"title": "x"}}, "exclude": {"span_term": {"title": "y"}}}},
        "span_first": {"span_first": {"match": {"span_term": {"title": "x"}}, "end": 1}},
        "span_multi": {"span_multi": {"match": {"prefix": {"title": "x"}}}},
        "span_containing": {"span_containing": {"little": {}, "big": {}}},
        "span_within": {"span_within": {"little": {}, "big": {}}},
        "field_masking_span": {"field_masking_span": {"query": {"span_term": {"key": "x"}}, "field": "title"}},
        "knn": {"knn": {"vector": {"vector": [1, 2], "k": 5, "filter": {"script": _SCRIPT}}}},
        "neural": {"neural": {"vector": {"query_text": "x", "model_id": "m", "k": 5}}},
        "neural_sparse": {"neural_sparse": {"vector": {"query_text": "x", "model_id": "m"}}},
        "hybrid": {"hybrid": {"queries": [inner]}},
        "agentic": {"agentic": {"query_text": "everything"}},
        "combined_fields": {"combined_fields": {"query": "x", "fields": ["title"]}},
        "common": {"common": {"title": {"query": "x"}}},
        "pinned": {"pinned": {"ids": ["1"], "organic": inner}},
        "type": {"type": {"value": "_doc"}},
        "unknown": {"nonsense": {}},
        "_index": {"term": {"_index": foreign}},
        "_id": {"term": {"_id": "1"}},
        "_source": {"exists": {"field": "_source"}},
        "_field_names": {"terms": {"_field_names": ["key"]}},
        "bookkeeping": {"term": {"deleted": True}},
        "bookkeeping key": {"prefix": {"key": "incident/"}},
        "bookkeeping search_all": {"match": {"search_all": "x"}},
        "bookkeeping exists": {"exists": {"field": "fingerprint"}},
        "opaque event": {"match": {"event.password": "x"}},
        "multi_match bookkeeping": {"multi_match": {"query": "x", "fields": ["search_all"]}},
        "query_string bookkeeping": {"query_string": {"query": "deleted:true"}},
        "query_string other field": {"query_string": {"query": "x", "fields": ["key"]}},
        "query_string _index": {"query_string": {"query": f"_index:{foreign}"}},
        "query_string _exists_": {"query_string": {"query": "_exists_:pending"}},
        "query_string broken": {"query_string": {"query": "(a AND"}},
        "query_string analyzer": {"query_string": {"query": "a", "analyzer": "whatever"}},
        "simple_query_string bookkeeping": {"simple_query_string": {"query": "x", "fields": ["key"]}},
        "regexp bomb": {"regexp": {"title": "(((a{1,50}){1,50}){1,50}){1,50}"}},
        "regexp brackets": {"regexp": {"title": "(" * 100 + "a" + ")" * 100}},
        "regexp complement": {"regexp": {"title": "~(abc)"}},
        "wildcard bomb": {"wildcard": {"title": "*" + "?" * 12}},
        "wildcard long": {"wildcard": {"title": "a" * 5_000}},
        "bool script": {"bool": {"script": _SCRIPT}},
        "match script": {"match": {"title": {"query": "x", "script": _SCRIPT}}},
        "range on text time": {"range": {"@timestamp": {"gte": "tomorrow-ish"}}},
        "two kinds": {"match_all": {}, "script": {}},
        "empty": {},
        "term rewrite": {"prefix": {"title": {"value": "x", "rewrite": "top_terms_10"}}},
    }


CONTAINERS: dict[str, Callable[[Any], Json]] = {
    "alone": lambda inner: inner,
    "must": lambda inner: {"bool": {"must": inner}},
    "must list": lambda inner: {"bool": {"must": [{"match_all": {}}, inner]}},
    "filter": lambda inner: {"bool": {"filter": [inner]}},
    "should": lambda inner: {"bool": {"should": [inner]}},
    "must_not": lambda inner: {"bool": {"must_not": [inner]}},
    "constant_score": lambda inner: {"constant_score": {"filter": inner}},
    "dis_max": lambda inner: {"dis_max": {"queries": [{"match_all": {}}, inner]}},
    "boosting positive": lambda inner: {"boosting": {"positive": inner, "negative": {"match_none": {}}}},
    "boosting negative": lambda inner: {"boosting": {"positive": {"match_all": {}}, "negative": inner}},
    "nested": lambda inner: {"nested": {"path": "entities", "query": inner}},
    "function_score": lambda inner: {"function_score": {"query": inner}},
    "has_child": lambda inner: {"has_child": {"type": "x", "query": inner}},
    "script_score": lambda inner: {"script_score": {"query": inner, "script": {"source": "1"}}},
    "deeper": lambda inner: {"bool": {"should": {"constant_score": {"filter": {"bool": {"must_not": [inner]}}}}}},
}

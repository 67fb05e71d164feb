"""CONTRACT, For every call: what is answered while OpenSearch or Redis cannot be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from imweb.api import routes
from imweb.opensearch.node import free_port
from tests import stored
from tests.api_client import Api
from tests.integration.pits_ground import servers

# What is asked of OpenSearch by each operation that needs it.
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "incidents/pit", None),
    ("GET", "incidents_full_types", {"with_total_docs": True}),
    ("POST", "incidents_full_types", {}),
    ("POST", "incidents_full_types/stats/severity", {}),
    ("GET", "incidents", None),
    ("GET", "incidents/i1", None),
    ("GET", "incidents/i1/mitre", None),
    ("GET", "aggregations/results", None),
    ("GET", "aggregations/results?incident_aggregation_result_id=g1", None),
]


@pytest.fixture
def opensearch_down(api: Api, settings: Any) -> Iterator[None]:
    """Nothing listens where OpenSearch should be."""
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        yield


@pytest.fixture
def opensearch_silent(api: Api, settings: Any) -> Iterator[None]:
    """Something takes connections where OpenSearch should be, and never says a word."""
    settings.OPENSEARCH_TIMEOUT = 1
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", port), backlog=128), servers(settings, OPENSEARCH_URL=url):
        yield


@pytest.fixture
def redis_down(api: Api, settings: Any) -> Iterator[None]:
    """Nothing listens where Redis should be."""
    with servers(settings, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
        yield


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_opensearch_down_is_503_with_a_sentence(
    opensearch_down: None, api: Api, method: str, path: str, body: Any
) -> None:
    answer = api.call(method, path, body)
    assert (answer.status, answer.error["type"]) == (503, "search_unavailable")
    assert answer.error["reason"] == (
        "OpenSearch cannot be reached just now; nothing was changed. Try again in a moment."
    )


def test_opensearch_down_a_wrong_request_is_still_400(opensearch_down: None, api: Api) -> None:
    assert api.call("GET", "incidents_full_types", {"size": -1}).status == 400
    assert api.call("GET", "incidents/pit?x=1").status == 400
    assert api.call("GET", "nothing").status == 404


def test_opensearch_down_the_description_is_still_served(opensearch_down: None, api: Api) -> None:
    assert api.call("GET", "openapi.json").status == 200


def test_opensearch_silent_is_504_within_the_time_limit(opensearch_silent: None, api: Api) -> None:
    answer = api.call("GET", "incidents/i1")
    assert (answer.status, answer.error["type"]) == (504, "search_timeout")


def test_indices_that_are_missing_are_503_and_say_what_to_do(api: Api, settings: Any) -> None:
    settings.IM_INDEX_PREFIX = f"{settings.IM_INDEX_PREFIX}-none"
    answer = api.call("GET", "incidents_full_types")
    assert (answer.status, answer.error["type"]) == (503, "search_unavailable")
    assert "manage.py bootstrap" in answer.error["reason"]


def test_redis_down_everything_is_still_served(redis_down: None, api: Api) -> None:
    stored.incidents({f"i{n}": {"@timestamp": stored.at(n)} for n in range(5)})
    stored.group("g1", {})
    for method, path, body in CALLS:
        assert api.call(method, path, body).status == 200, path


def test_redis_down_a_point_in_time_freezes_pages_all_the_same(redis_down: None, api: Api) -> None:
    stored.incidents({f"i{n}": {"@timestamp": stored.at(n)} for n in range(5)})
    token = api.call("GET", "incidents/pit").ok()["id"]
    stored.incidents({"later": {"@timestamp": stored.at(9)}})
    body = {"pit": token, "start_time": None, "end_time": None, "size": 2, "from": 1}
    docs = api.call("GET", "incidents_full_types", body).ok()["docs"]
    assert [doc["_meta"]["id"] for doc in docs] == ["i3", "i2"]
    assert api.call("DELETE", "incidents/pit", {"id": token}).ok()["released"] is True
    assert api.call("GET", "incidents_full_types", body).status == 410


def test_every_operation_that_needs_opensearch_is_tried_here() -> None:
    """What is left out writes (tried where writing is) or needs no search."""
    tried = {(method, path.partition("?")[0].replace("i1", "{id}")) for method, path, _body in CALLS}
    reads = {(o.method, o.path) for o in routes.OPERATIONS if o.method == "GET" or o.path.startswith("incidents_full")}
    elsewhere = {("GET", path) for path in ("openapi.json", "docs", "tasks/{task}", "incidents/{id}/history")}
    elsewhere.add(("GET", "aggregations/results/{incident_aggregation_result_id}/history"))
    assert reads - elsewhere == tried

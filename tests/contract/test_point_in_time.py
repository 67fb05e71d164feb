"""CONTRACT, Point in time: a test a sentence."""

from __future__ import annotations

import time
from typing import Any

import pytest

from imweb.accounts.models import User
from imweb.incidents import pits
from imweb.incidents.documents import iso
from imweb.incidents.pits import ledger
from imweb.opensearch import gateway
from tests import stored
from tests.api_client import Api, api_for


def fault(answer: Any) -> dict[str, str]:
    return {detail["field"]: detail["reason"] for detail in answer.error["details"]}


def test_get_pit_answers_id_pit_id_creation_time_keep_alive_and_kind(api: Api) -> None:
    before = int(time.time() * 1000) - 1_000
    body = api.call("GET", "incidents/pit").ok()
    assert list(body) == ["id", "pit_id", "creation_time", "keep_alive", "is_show_aggs"]
    assert body["id"] == body["pit_id"]
    assert before <= body["creation_time"] <= time.time() * 1000 + 1_000
    assert body["keep_alive"] == "5m"
    assert body["is_show_aggs"] is True


@pytest.mark.parametrize(("query", "body"), [("?is_show_aggs=false", None), ("", {"is_show_aggs": False})])
def test_is_show_aggs_false_opens_it_over_incidents_alone(api: Api, query: str, body: Any) -> None:
    stored.group("g1", {"i1": {}})
    pit = api.call("GET", f"incidents/pit{query}", body).ok()
    assert pit["is_show_aggs"] is False
    docs = api.call("GET", "incidents_full_types", {"pit": pit["id"], "start_time": None, "end_time": None}).ok()[
        "docs"
    ]
    assert [doc["_meta"]["id"] for doc in docs] == ["i1"]


@pytest.mark.parametrize("value", ["no", "0", "FALSE", ""])
def test_another_value_of_is_show_aggs_is_400(api: Api, value: str) -> None:
    answer = api.call("GET", f"incidents/pit?is_show_aggs={value}")
    assert (answer.status, fault(answer)) == (400, {"is_show_aggs": "true or false"})


def test_an_unknown_parameter_of_pit_is_400_with_the_nearest_name(api: Api) -> None:
    answer = api.call("GET", "incidents/pit?is_show_agg=false")
    assert fault(answer) == {"is_show_agg": "unknown parameter; did you mean 'is_show_aggs'?"}


def test_the_id_is_an_opaque_lease(api: Api) -> None:
    """It is never OpenSearch's own id, which would let whoever holds it read every index it covers."""
    token = api.call("GET", "incidents/pit").ok()["id"]
    raw = [pit["pit_id"] for pit in gateway().list_pits()]
    assert raw
    assert token not in raw
    assert not any(pit in token or token in pit for pit in raw)


def test_each_use_renews_it(api: Api, analyst: User, settings: Any) -> None:
    """In a lease of three seconds, a use every second keeps it; three and a half without one end it."""
    settings.IM_LEASE_SECONDS = 3
    token = api.call("GET", "incidents/pit").ok()["id"]
    for _ in range(4):
        time.sleep(1)
        api.call("GET", "incidents_full_types", {"pit": token}).ok()
    time.sleep(3.5)
    answer = api.call("GET", "incidents_full_types", {"pit": token})
    assert (answer.status, answer.error["type"]) == (410, "pit_expired")


def test_delete_pit_answers_id_and_whether_it_was_released(api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    assert api.call("DELETE", "incidents/pit", {"id": token}).ok() == {"id": token, "released": True}


def test_delete_is_idempotent(api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    assert [api.call("DELETE", "incidents/pit", {"id": token}).ok()["released"] for _ in range(3)] == [
        True,
        False,
        False,
    ]


def test_delete_takes_the_id_from_the_query_string_too(api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    assert api.call("DELETE", f"incidents/pit?id={token}").ok() == {"id": token, "released": True}


@pytest.mark.parametrize("bad", ["", "x", "AXr0", "A" * 2_000, "{}", "*", "_all"])
def test_a_malformed_id_is_400(api: Api, bad: str) -> None:
    answer = api.call("DELETE", "incidents/pit", {"id": bad})
    assert (answer.status, answer.error["type"]) == (400, "validation_error")
    assert fault(answer) == {"id": "is not a point in time of this server; request one first."}
    answer = api.call("GET", "incidents_full_types", {"pit": bad})
    assert fault(answer) == {"pit": "is not a point in time of this server; request one first."}


def test_opensearchs_own_id_is_400(api: Api) -> None:
    api.call("GET", "incidents/pit").ok()
    raw = gateway().list_pits()[0]["pit_id"]
    assert fault(api.call("GET", "incidents_full_types", {"pit": raw})) == {
        "pit": "is not a point in time of this server; request one first."
    }


def test_a_token_with_one_character_changed_is_400(api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    changed = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    assert api.call("DELETE", "incidents/pit", {"id": changed}).status == 400
    assert api.call("DELETE", "incidents/pit", {"id": token}).ok()["released"] is True


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"id": "is required"}),
        ({"id": None}, {"id": "a text"}),
        ({"id": 5}, {"id": "a text"}),
        ({"id": ["x"]}, {"id": "a text"}),
        ({"ids": "x"}, {"ids": "unknown parameter; did you mean 'id'?", "id": "is required"}),
    ],
)
def test_delete_without_a_readable_id_is_400(api: Api, body: Any, expected: dict[str, str]) -> None:
    answer = api.call("DELETE", "incidents/pit", body)
    assert (answer.status, {name: fault(answer).get(name) for name in expected}) == (400, expected)


def test_a_released_lease_is_410_from_then_on(api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    api.call("DELETE", "incidents/pit", {"id": token}).ok()
    for method, path in [
        ("GET", "incidents_full_types"),
        ("POST", "incidents_full_types"),
        ("POST", "incidents_full_types/stats/severity"),
        ("GET", "incidents"),
    ]:
        answer = api.call(method, path, {"pit": token})
        assert (answer.status, answer.error["type"]) == (410, "pit_expired"), path
        assert "Request a new one" in answer.error["reason"]


def test_another_users_lease_is_404(api: Api, lead_api: Api) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    for method, path, body in [
        ("GET", "incidents_full_types", {"pit": token}),
        ("DELETE", "incidents/pit", {"id": token}),
        ("POST", "incidents_full_types/stats/severity", {"pit": token}),
    ]:
        answer = lead_api.call(method, path, body)
        assert (answer.status, answer.error["type"]) == (404, "not_found"), path
    api.call("GET", "incidents_full_types", {"pit": token}).ok()


def test_pages_in_a_pit_do_not_see_what_comes_later(api: Api) -> None:
    stored.incidents({f"i{n}": {"@timestamp": stored.at(n)} for n in range(5)})
    token = api.call("GET", "incidents/pit").ok()["id"]
    stored.incidents({f"later{n}": {"@timestamp": stored.at(n + 0.5)} for n in range(5)})
    everything = {"start_time": None, "end_time": None, "with_total_docs": True}
    page = api.call("GET", "incidents_full_types", {"pit": token, **everything}).ok()
    assert [doc["_meta"]["id"] for doc in page["docs"]] == ["i4", "i3", "i2", "i1", "i0"]
    assert page["total_docs"] == 5
    assert api.call("GET", "incidents_full_types", everything).ok()["total_docs"] == 10


def test_relative_times_in_a_request_that_carries_a_pit_are_resolved_against_its_creation(api: Api) -> None:
    """The same with rounding: a window of two seconds before the PIT's creation does not move while time goes on."""
    now = int(time.time() * 1000)
    stored.incidents({"i1": {"@timestamp": iso(now)}})
    pit = api.call("GET", "incidents/pit").ok()
    window = {"pit": pit["id"], "start_time": "now-2s/s", "end_time": "now", "with_total_docs": True}
    clause = {"range": {"@timestamp": {"gte": "now-2s/s", "lte": "now"}}}
    inside = {"pit": pit["id"], "start_time": None, "end_time": None, "search_query": clause, "with_total_docs": True}
    assert api.call("GET", "incidents_full_types", window).ok()["total_docs"] == 1
    time.sleep(3.2)
    assert api.call("GET", "incidents_full_types", window).ok()["total_docs"] == 1
    assert api.call("GET", "incidents_full_types", inside).ok()["total_docs"] == 1
    live = {name: value for name, value in window.items() if name != "pit"}
    assert api.call("GET", "incidents_full_types", live).ok()["total_docs"] == 0


def test_is_show_aggs_left_out_means_the_pits_kind(api: Api) -> None:
    stored.group("g1", {"i1": {}})
    everything = {"start_time": None, "end_time": None, "with_total_docs": True}
    for kind, total in ((True, 2), (False, 1)):
        token = api.call("GET", "incidents/pit", {"is_show_aggs": kind}).ok()["id"]
        assert api.call("GET", "incidents_full_types", {"pit": token, **everything}).ok()["total_docs"] == total


def test_a_pit_with_aggregations_may_be_read_without_them(api: Api) -> None:
    stored.group("g1", {"i1": {}})
    token = api.call("GET", "incidents/pit").ok()["id"]
    body = {"pit": token, "start_time": None, "end_time": None, "is_show_aggs": False}
    docs = api.call("GET", "incidents_full_types", body).ok()["docs"]
    assert [doc["_meta"]["type"] for doc in docs] == ["incident"]


def test_a_pit_of_incidents_used_with_is_show_aggs_true_is_400(api: Api) -> None:
    token = api.call("GET", "incidents/pit?is_show_aggs=false").ok()["id"]
    answer = api.call("GET", "incidents_full_types", {"pit": token, "is_show_aggs": True})
    assert (answer.status, fault(answer)) == (
        400,
        {"is_show_aggs": "false, since the point in time was opened for incidents only"},
    )


def test_a_lease_over_the_users_limit_is_429_with_retry_after(api: Api, settings: Any) -> None:
    settings.IM_LEASES_PER_USER = 2
    for _ in range(2):
        api.call("GET", "incidents/pit").ok()
    answer = api.call("GET", "incidents/pit")
    assert (answer.status, answer.error["type"]) == (429, "too_many_pits")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "release one" in answer.error["reason"]


def test_a_lease_is_complete_or_not_at_all(api: Api, settings: Any) -> None:
    """With room for one context where a point in time costs two, none is given: never one over half of the data."""
    settings.IM_PIT_BUDGET = 1
    answer = api.call("GET", "incidents/pit")
    assert (answer.status, answer.error["type"]) == (429, "too_many_pits")
    assert not [entry for entry in ledger.survey().entries if entry.leases]  # type: ignore[union-attr]


def test_a_pit_that_opensearch_lost_is_410(api: Api, analyst: User) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    lease = pits.use_pit(token, analyst.pk)
    gateway().delete_pits([lease.raw_id])
    answer = api.call("GET", "incidents_full_types", {"pit": token})
    assert (answer.status, answer.error["type"]) == (410, "pit_expired")


def test_a_lease_of_one_user_works_with_each_of_his_tokens(api: Api, analyst: User) -> None:
    token = api.call("GET", "incidents/pit").ok()["id"]
    assert api_for(analyst).call("GET", "incidents_full_types", {"pit": token}).status == 200

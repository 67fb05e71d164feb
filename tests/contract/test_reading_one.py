"""CONTRACT, One incident and Aggregation results: the sentences on reading."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.incidents import mitre
from imweb.incidents.documents import key_of
from imweb.opensearch import gateway, schema
from tests import stored
from tests.api_client import Answer, Api
from tests.contract.test_listing import ids, refused

RESULTS = "aggregations/results"


def not_found(answer: Answer) -> str:
    assert (answer.status, answer.error["type"]) == (404, "not_found"), answer.text
    return str(answer.error["reason"])


class TestGet:
    """`GET /_im/incidents/{id}`."""

    def test_it_works(self, api: Api) -> None:
        stored.incidents({"i1": {"title": "Certutil", "event": {"deep": {"er": [1, None]}}, "mitre": ["T1105"]}})
        doc = api.call("GET", "incidents/i1").ok()
        assert doc["_meta"]["id"] == "i1"
        assert doc["_meta"]["type"] == "incident"
        assert doc["event"] == {"deep": {"er": [1, None]}}
        assert not {"key", "rev", "touched", "pending", "deleted", "fingerprint"} & set(doc)

    def test_it_is_read_in_real_time(self, api: Api) -> None:
        gateway().index(schema.incidents_alias(), "fresh", {"key": "incident/fresh", "@timestamp": stored.at(0)})
        assert api.call("GET", "incidents/fresh").ok()["_meta"]["id"] == "fresh"

    @pytest.mark.parametrize(
        "doc_id", ["ä ö", "a b", "a%2Bb", "x" * 512, "a:b;c", "{id}", "*", "_all", "_search", "..;"]
    )
    def test_any_id_of_1_to_512_bytes_without_slash_or_control_characters(self, api: Api, doc_id: str) -> None:
        from urllib.parse import quote, unquote

        real = unquote(doc_id)
        stored.incidents({real: {"title": "Odd id"}})
        assert api.call("GET", f"incidents/{quote(real, safe='')}").ok()["_meta"]["id"] == real
        assert api.call("GET", f"incidents/{quote(real, safe='')}/").ok()["_meta"]["id"] == real

    @pytest.mark.parametrize(
        ("doc_id", "reason"), [("x" * 513, "1 to 512 bytes"), ("a%0Ab", "control"), ("a%00b", "control")]
    )
    def test_another_id_is_400(self, api: Api, doc_id: str, reason: str) -> None:
        assert reason in refused(api.call("GET", f"incidents/{doc_id}"))["id"]

    def test_an_unknown_one_is_404(self, api: Api) -> None:
        assert not_found(api.call("GET", "incidents/none")) == "There is no incident with this id."

    def test_an_aggregation_results_id_is_404_here(self, api: Api) -> None:
        stored.group("g1", {})
        not_found(api.call("GET", "incidents/g1"))

    def test_one_that_is_being_deleted_is_404(self, api: Api) -> None:
        source = {"key": key_of("incident", "gone"), "@timestamp": stored.at(0), "deleted": True}
        gateway().index(schema.incidents_alias(), "gone", source)
        not_found(api.call("GET", "incidents/gone"))

    def test_a_parameter_is_400(self, api: Api) -> None:
        assert refused(api.call("GET", "incidents/i1?size=1")) == {"size": "unknown parameter"}
        assert refused(api.call("GET", "incidents/i1", {"fields": []})) == {"fields": "unknown parameter"}


class TestMitre:
    """`GET …/{id}/mitre`."""

    def test_names_urls_tactics_and_parents(self, api: Api) -> None:
        stored.incidents({"i1": {"mitre": ["TA0002", "T1059.001", "T9999", "nonsense"]}})
        body = api.call("GET", "incidents/i1/mitre").ok()
        assert list(body) == ["incident_id", "attack_version", "tactics", "techniques", "unknown"]
        assert body["incident_id"] == "i1"
        assert body["attack_version"] == mitre.attack_version()
        assert body["tactics"] == [
            {
                "id": "TA0002",
                "shortname": "execution",
                "name": "Execution",
                "url": "https://attack.mitre.org/tactics/TA0002",
            }
        ]
        assert body["techniques"] == [
            {
                "id": "T1059.001",
                "name": "PowerShell",
                "url": "https://attack.mitre.org/techniques/T1059/001",
                "tactics": ["TA0002"],
                "parent": "T1059",
            }
        ]
        assert body["unknown"] == ["T9999", "nonsense"]

    def test_an_incident_without_ids_has_empty_lists(self, api: Api) -> None:
        stored.incidents({"i1": {}})
        body = api.call("GET", "incidents/i1/mitre/").ok()
        assert (body["tactics"], body["techniques"], body["unknown"]) == ([], [], [])

    def test_a_single_id_that_is_no_list_counts_too(self, api: Api) -> None:
        stored.incidents({"i1": {"mitre": "T1059"}})
        assert [found["id"] for found in api.call("GET", "incidents/i1/mitre").ok()["techniques"]] == ["T1059"]

    def test_an_unknown_incident_is_404(self, api: Api) -> None:
        not_found(api.call("GET", "incidents/none/mitre"))


class TestAggregationResults:
    """`GET /_im/aggregations/results`, three ways."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.group("g1", {f"a{n}": {"@timestamp": stored.at(n)} for n in range(4)})
        stored.group("g2", {"b0": {}}, **{"@timestamp": stored.at(60)})
        stored.group("g3", {"c0": {}}, incident_aggregation_id="by-user")
        stored.incidents({"alone": {}})

    def test_by_result_id_the_result_and_its_incidents(self, api: Api) -> None:
        body = api.call("GET", f"{RESULTS}?incident_aggregation_result_id=g1").ok()
        assert {"aggregation_result", "incidents", "total_docs", "next"} <= set(body)
        assert body["aggregation_result"]["_meta"]["id"] == "g1"
        assert body["aggregation_result"]["_meta"]["type"] == "aggregation"
        assert body["aggregation_result"]["incidents_count"] == 4
        assert [doc["_meta"]["id"] for doc in body["incidents"]] == ["a3", "a2", "a1", "a0"]
        assert body["total_docs"] == 4

    def test_its_incidents_are_paged(self, api: Api) -> None:
        pit = api.call("GET", "incidents/pit").ok()["id"]
        query = f"{RESULTS}?incident_aggregation_result_id=g1&pit={pit}&size=2&sort=@timestamp:asc"
        first = api.call("GET", f"{query}&from=1").ok()
        assert [doc["_meta"]["id"] for doc in first["incidents"]] == ["a1", "a2"]
        rest = api.call("GET", f"{query}&search_after={first['next']}").ok()
        assert [doc["_meta"]["id"] for doc in rest["incidents"]] == ["a3"]
        assert rest["total_docs"] == 4

    def test_an_unknown_result_id_is_404(self, api: Api) -> None:
        not_found(api.call("GET", f"{RESULTS}?incident_aggregation_result_id=none"))
        not_found(api.call("GET", f"{RESULTS}?incident_aggregation_result_id=alone"))

    def test_by_aggregation_id_all_of_its_results(self, api: Api) -> None:
        body = api.call("GET", f"{RESULTS}?incident_aggregation_id=by-host").ok()
        assert ids(body) == ["g2", "g1"]
        assert body["total_docs"] == 2
        assert ids(api.call("GET", f"{RESULTS}/?incident_aggregation_id=none").ok()) == []

    def test_without_parameters_all_without_time_limit(self, api: Api) -> None:
        body = api.call("GET", RESULTS).ok()
        assert ids(body) == ["g2", "g1", "g3"]
        assert (body["total_docs"], body["next"]) == (3, None)

    def test_default_size_1000_and_next(self, api: Api) -> None:
        fields = {"incident_aggregation_id": "many", "@timestamp": stored.at(0)}
        own = {f"m{n}": {**fields, "incident_aggregation_result_id": f"m{n}", "group_number": n} for n in range(1_001)}
        stored.put("aggregation", own)
        first = api.call("GET", f"{RESULTS}?incident_aggregation_id=many").ok()
        assert (len(first["docs"]), first["total_docs"]) == (1_000, 1_001)
        rest = api.call("GET", f"{RESULTS}?incident_aggregation_id=many&next={first['next']}").ok()
        assert (len(rest["docs"]), rest["next"]) == (1, None)

    def test_the_parameters_may_stand_in_the_body(self, api: Api) -> None:
        assert ids(api.call("GET", RESULTS, {"incident_aggregation_id": "by-user"}).ok()) == ["g3"]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("incident_aggregation_result_id=g1&incident_aggregation_id=by-host", "incident_aggregation_id"),
            ("incident_aggregation_result_id=", "incident_aggregation_result_id"),
            ("incident_aggregation_results_id=g1", "incident_aggregation_results_id"),
            ("size=-1", "size"),
            ("from=x", "from"),
            ("sort=mitre:asc", "sort[0]"),
            ("pit=x", "pit"),
            ("search_after=x", "search_after"),
            ("severity=high", "severity"),
        ],
    )
    def test_a_fault_is_400_naming_the_parameter(self, api: Api, query: str, field: str) -> None:
        assert field in refused(api.call("GET", f"{RESULTS}?{query}"))

    def test_a_pit_of_incidents_alone_is_400(self, api: Api) -> None:
        pit = api.call("GET", "incidents/pit?is_show_aggs=false").ok()["id"]
        assert "pit" in refused(api.call("GET", f"{RESULTS}?pit={pit}"))


def test_the_sum_of_faults(api: Any) -> None:
    faults = refused(api.call("GET", f"{RESULTS}?size=x&from=-1&nothing=1&sort=a:asc"))
    assert set(faults) == {"size", "from", "nothing", "sort[0]"}

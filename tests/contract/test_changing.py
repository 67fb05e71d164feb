"""CONTRACT, One incident and Aggregation results: the sentences on changing, history, bulk and tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imweb.accounts.models import User
from imweb.incidents.models import Job
from imweb.opensearch import gateway, schema
from tests import stored
from tests.api_client import Answer, Api, api_for
from tests.contract.test_listing import refused

GROUP = "aggregations/results/by-host/g1"


def failed(answer: Answer, status: int, kind: str) -> dict[str, Any]:
    assert (answer.status, answer.error["type"]) == (status, kind), answer.text
    return {detail["field"]: detail for detail in answer.error["details"]}


def history(api: Api, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.call("GET", f"{path}/history").ok()
    return found


class TestCreate:
    """`POST /_im/incidents/{id}` creates: 201; `POST /_im/incidents` makes the id."""

    def test_201_and_the_incident_can_be_read_at_once(self, lead_api: Api) -> None:
        made = lead_api.call("POST", "incidents/mine", {"title": "Certutil", "mitre": ["T1105"]}).ok(201)
        assert made["_meta"]["id"] == "mine"
        assert (made["severity"], made["status"], made["workflow_id"], made["_meta"]["rev"]) != (None, None, None, 0)
        assert lead_api.call("GET", "incidents/mine").ok() == made

    def test_an_existing_id_is_409_never_overwritten(self, lead_api: Api) -> None:
        lead_api.call("POST", "incidents/mine", {"title": "First"}).ok(201)
        failed(lead_api.call("POST", "incidents/mine", {"title": "Second"}), 409, "version_conflict")
        assert lead_api.call("GET", "incidents/mine").ok()["title"] == "First"

    def test_without_an_id_one_is_made(self, lead_api: Api) -> None:
        made = lead_api.call("POST", "incidents", {"title": "A"}).ok(201)["_meta"]["id"]
        other = lead_api.call("POST", "incidents/", {"title": "A"}).ok(201)["_meta"]["id"]
        assert made[0] == other[0] == "i"
        assert made != other

    def test_a_field_that_nobody_defined_is_accepted_and_filtered_at_once(self, lead_api: Api) -> None:
        lead_api.call("POST", "incidents/mine", {"title": "A", "test_field": 5}).ok(201)
        pit = lead_api.call("GET", "incidents/pit").ok()["id"]
        found = lead_api.call("GET", f"incidents?test_field=5&pit={pit}").ok()["docs"]
        assert [doc["_meta"]["id"] for doc in found] == ["mine"]
        assert "test_field" in refused(lead_api.call("POST", "incidents/other", {"title": "A", "test_field": "word"}))
        failed(lead_api.call("GET", "incidents/other"), 404, "not_found")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"title": 5}, "title"),
            ({"title": "A", "severity": "worst"}, "severity"),
            ({"title": "A", "status": "nowhere"}, "status"),
            ({"title": "A", "@timestamp": "yesterday-ish"}, "@timestamp"),
            ({"title": "A", "rev": 5}, "rev"),
            ({"title": "A", "mitre": {"a": 1}}, "mitre"),
            ({"title": "A", "event": {"a": [{"k" * 25_001: 1}]}}, "event"),
            ({"title": "A", "_meta": {"id": "other"}}, "_meta.id"),
        ],
    )
    def test_a_fault_names_the_field_and_writes_nothing(self, lead_api: Api, body: Any, field: str) -> None:
        assert field in refused(lead_api.call("POST", "incidents/mine", body))
        failed(lead_api.call("GET", "incidents/mine"), 404, "not_found")

    @pytest.mark.parametrize(
        "body", [b"", b" ", b"{", b"[]", b'"x"', b'{"title": NaN}', b'{"title": "A", "title": "B"}']
    )
    def test_a_body_that_is_no_object_is_400(self, lead_api: Api, body: bytes) -> None:
        failed(lead_api.send("POST", "incidents/mine", body), 400, "validation_error")

    def test_the_reserved_ids_are_refused(self, lead_api: Api) -> None:
        failed(lead_api.call("POST", "incidents/pit", {"title": "A"}), 405, "method_not_allowed")

    def test_a_parameter_in_the_address_is_400(self, lead_api: Api) -> None:
        assert refused(lead_api.call("POST", "incidents/mine?refresh=true", {"title": "A"})) == {
            "refresh": "unknown parameter"
        }

    def test_an_analyst_may_not(self, api: Api) -> None:
        failed(api.call("POST", "incidents/mine", {"title": "A"}), 403, "permission_denied")


class TestUpdate:
    """`PUT /_im/incidents/{id}`: changed fields and `_meta`."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents({"i1": {"reviewer": "bert"}})

    def test_the_customers_own_example(self, lead_api: Api) -> None:
        body = {"_meta": {"id": "i1"}, "comment": "test comment", "reviewer": "lead"}
        answer = lead_api.call("PUT", "incidents/i1", body).ok()
        assert (answer["result"], answer["_meta"]["id"], answer["_meta"]["rev"]) == ("updated", "i1", 2)
        doc = lead_api.call("GET", "incidents/i1").ok()
        assert (doc["comment"], doc["reviewer"]) == ("test comment", "lead")
        newest = history(lead_api, "incidents/i1")[0]
        assert (newest["objectId"], newest["user"], newest["comment"]) == ("i1", "lead", "test comment")
        assert newest["edited"] == [{"fieldName": "reviewer", "oldValue": "bert", "newValue": "lead"}]

    def test_meta_id_unlike_the_path_is_400(self, lead_api: Api) -> None:
        assert "_meta.id" in refused(lead_api.call("PUT", "incidents/i1", {"_meta": {"id": "i2"}, "comment": "x"}))

    def test_the_rest_of_a_meta_sent_back_is_ignored(self, lead_api: Api) -> None:
        doc = lead_api.call("GET", "incidents/i1").ok()
        body = {"_meta": {**doc["_meta"], "updated_by": "nobody"}, "severity": "low"}
        assert lead_api.call("PUT", "incidents/i1", body).ok()["_meta"]["updated_by"] == "lead"

    def test_noop_when_nothing_changes(self, lead_api: Api) -> None:
        assert lead_api.call("PUT", "incidents/i1", {"reviewer": "bert"}).ok()["result"] == "noop"
        assert lead_api.call("PUT", "incidents/i1", {}).ok()["result"] == "noop"
        assert lead_api.call("GET", "incidents/i1").ok()["_meta"]["rev"] == 1

    def test_a_comment_is_never_a_noop(self, lead_api: Api) -> None:
        for rev in (2, 3):
            assert lead_api.call("PUT", "incidents/i1", {"comment": "same"}).ok()["_meta"]["rev"] == rev
        assert [entry["comment"] for entry in history(lead_api, "incidents/i1")] == ["same", "same"]

    def test_anothers_change_of_other_fields_merges(self, lead_api: Api, admin_api: Api) -> None:
        admin_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "severity": "critical"}).ok()
        lead_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "reviewer": "lead"}).ok()
        doc = lead_api.call("GET", "incidents/i1").ok()
        assert (doc["severity"], doc["reviewer"], doc["_meta"]["rev"]) == ("critical", "lead", 3)

    def test_of_the_same_field_409_with_who_when_and_both_values(
        self, lead_api: Api, admin_api: Api, administrator: User
    ) -> None:
        admin_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "severity": "critical"}).ok()
        answer = lead_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "severity": "low", "reviewer": "lead"})
        detail = failed(answer, 409, "version_conflict")["severity"]
        assert administrator.username in json.dumps(detail)
        assert {"critical", "low"} <= {value for value in detail.values() if isinstance(value, str)}
        assert any(str(value).startswith("20") for value in detail.values())
        doc = lead_api.call("GET", "incidents/i1").ok()
        assert (doc["severity"], doc["reviewer"]) == ("critical", "bert")

    def test_a_comment_never_collides(self, lead_api: Api, admin_api: Api) -> None:
        admin_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "comment": "one"}).ok()
        lead_api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "comment": "two"}).ok()
        assert {entry["comment"] for entry in history(lead_api, "incidents/i1")} == {"one", "two"}

    def test_a_status_change_must_be_a_step_of_the_workflow(self, lead_api: Api) -> None:
        assert "status" in refused(lead_api.call("PUT", "incidents/i1", {"status": "verification"}))
        lead_api.call("PUT", "incidents/i1", {"status": "in_progress"}).ok()
        lead_api.call("PUT", "incidents/i1", {"status": "verification"}).ok()

    def test_reopening_needs_its_permission(self, api: Api, lead_api: Api) -> None:
        closing = {"status": "closed", "resolution": "false_positive", "resolution_note": "backup"}
        lead_api.call("PUT", "incidents/i1", closing).ok()
        failed(api.call("PUT", "incidents/i1", {"status": "in_progress"}), 403, "permission_denied")
        lead_api.call("PUT", "incidents/i1", {"status": "in_progress"}).ok()

    def test_an_analyst_assigns_himself_alone(self, api: Api, analyst: User) -> None:
        api.call("PUT", "incidents/i1", {"reviewer": analyst.username}).ok()
        failed(api.call("PUT", "incidents/i1", {"reviewer": "bert"}), 403, "permission_denied")
        failed(api.call("PUT", "incidents/i1", {"severity": "low"}), 403, "permission_denied")

    def test_several_faults_are_reported_together(self, lead_api: Api) -> None:
        body = {"severity": "worst", "resolution": "maybe", "rev": 3}
        assert set(refused(lead_api.call("PUT", "incidents/i1", body))) == {"severity", "resolution", "rev"}

    def test_an_unknown_one_is_404(self, lead_api: Api) -> None:
        failed(lead_api.call("PUT", "incidents/none", {"severity": "low"}), 404, "not_found")
        stored.group("g1", {})
        failed(lead_api.call("PUT", "incidents/g1", {"severity": "low"}), 404, "not_found")


class TestDelete:
    """`DELETE /_im/incidents/{id}`: permission `delete`; history stays."""

    def test_it_is_gone_and_its_history_stays(self, admin_api: Api) -> None:
        admin_api.call("POST", "incidents/mine", {"title": "A"}).ok(201)
        admin_api.call("PUT", "incidents/mine", {"comment": "keep me"}).ok()
        answer = admin_api.call("DELETE", "incidents/mine").ok()
        assert (answer["result"], answer["_id"]) == ("deleted", "mine")
        failed(admin_api.call("GET", "incidents/mine"), 404, "not_found")
        failed(admin_api.call("DELETE", "incidents/mine"), 404, "not_found")
        assert "keep me" in {entry.get("comment") for entry in history(admin_api, "incidents/mine")}

    def test_without_the_permission_403(self, lead_api: Api) -> None:
        stored.incidents({"i1": {}})
        failed(lead_api.call("DELETE", "incidents/i1"), 403, "permission_denied")
        assert lead_api.call("GET", "incidents/i1").status == 200


class TestHistory:
    """`GET …/{id}/history`, also for aggregation results, newest first."""

    def test_newest_first_in_pages(self, lead_api: Api) -> None:
        stored.incidents({"i1": {}})
        for number in range(5):
            lead_api.call("PUT", "incidents/i1", {"comment": str(number)}).ok()
        first = lead_api.call("GET", "incidents/i1/history?size=3")
        assert [entry["comment"] for entry in first.ok()] == ["4", "3", "2"]
        rest = lead_api.call("GET", "incidents/i1/history", {"size": 3, "before": first.headers["X-Next"]})
        assert [entry["comment"] for entry in rest.ok()] == ["1", "0"]
        assert "X-Next" not in rest.headers

    def test_of_an_aggregation_result(self, lead_api: Api) -> None:
        stored.group("g1", {"i1": {}})
        lead_api.call("PUT", GROUP, {"severity": "low"}).ok()
        assert history(lead_api, "aggregations/results/g1")[0]["edited"] == [
            {"fieldName": "severity", "oldValue": "medium", "newValue": "low"}
        ]
        assert history(lead_api, "incidents/i1") == []

    @pytest.mark.parametrize(("query", "field"), [("size=0", "size"), ("before=x", "before"), ("page=2", "page")])
    def test_a_fault_is_400(self, api: Api, query: str, field: str) -> None:
        stored.incidents({"i1": {}})
        assert field in refused(api.call("GET", f"incidents/i1/history?{query}"))

    def test_an_unknown_one_is_404(self, api: Api) -> None:
        failed(api.call("GET", "incidents/none/history"), 404, "not_found")
        failed(api.call("GET", "aggregations/results/none/history"), 404, "not_found")


@pytest.mark.django_db(transaction=True)
class TestAggregationResult:
    """`PUT /_im/aggregations/results/{incident_aggregation_id}/{incident_aggregation_result_id}?sync={bool}`."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.group("g1", {"i1": {}, "i2": {"reviewer": "lead"}, "i3": {"status": "closed"}})

    def test_without_sync_the_result_alone(self, lead_api: Api) -> None:
        answer = lead_api.call("PUT", GROUP, {"comment": "test comment", "reviewer": "lead"}).ok()
        assert answer["result"] == "updated"
        assert "sync" not in answer
        assert "reviewer" not in lead_api.call("GET", "incidents/i1").ok()

    def test_with_sync_the_incidents_too(self, lead_api: Api) -> None:
        answer = lead_api.call("PUT", f"{GROUP}?sync=true", {"reviewer": "lead"}).ok()
        assert answer["sync"] == {"matched": 3, "updated": 2, "unchanged": 1, "conflicted": 0, "failed": []}
        assert lead_api.call("GET", "incidents/i1").ok()["reviewer"] == "lead"

    def test_a_member_whose_workflow_forbids_the_step_is_listed_and_the_others_go_on(self, lead_api: Api) -> None:
        answer = lead_api.call("PUT", f"{GROUP}/?sync=true", {"status": "rejected"}).ok()
        assert [item["id"] for item in answer["sync"]["failed"]] == ["i3"]
        assert answer["sync"]["updated"] == 2

    def test_also_when_the_aggregation_itself_did_not_change(self, lead_api: Api) -> None:
        answer = lead_api.call("PUT", f"{GROUP}?sync=true", {"severity": "medium", "reviewer": None}).ok()
        assert answer["result"] == "noop"
        assert (answer["sync"]["matched"], answer["sync"]["updated"]) == (3, 1)

    def test_a_pair_of_ids_that_do_not_belong_together_is_404(self, lead_api: Api) -> None:
        path = "aggregations/results/by-user/g1"
        failed(lead_api.call("PUT", path, {"severity": "low"}), 404, "not_found")

    @pytest.mark.parametrize("field", ["incidents_count", "incident_aggregation_result_id", "first_seen"])
    def test_a_computed_or_id_field_is_400(self, lead_api: Api, field: str) -> None:
        assert field in refused(lead_api.call("PUT", GROUP, {field: "5"}))

    @pytest.mark.parametrize("query", ["sync=maybe", "sync=true&sync=false", "sink=true"])
    def test_a_wrong_parameter_is_400_and_changes_nothing(self, lead_api: Api, query: str) -> None:
        refused(lead_api.call("PUT", f"{GROUP}?{query}", {"severity": "low"}))
        assert gateway().get(schema.alias_of("aggregation"), "g1").source["severity"] == "medium"  # type: ignore[union-attr]

    def test_a_task_says_how_far_it_is_to_its_user_alone(self, lead_api: Api, api: Api, admin_api: Api) -> None:
        lead_api.call("PUT", f"{GROUP}?sync=true", {"reviewer": "lead"}).ok()
        job = Job.objects.get()
        task = lead_api.call("GET", f"tasks/{job.pk}").ok()
        assert (task["state"], task["finished"], task["matched"], task["updated"]) == ("done", True, 3, 2)
        failed(api.call("GET", f"tasks/{job.pk}"), 404, "not_found")
        assert admin_api.call("GET", f"tasks/{job.pk}/").ok() == task
        failed(lead_api.call("GET", "tasks/none"), 404, "not_found")

    def test_202_with_a_task_when_it_is_not_done_in_time(self, lead_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        from imweb.incidents.editing import groups

        monkeypatch.setattr(groups.update_aggregation, "__kwdefaults__", {"sync": False, "rev": None, "seconds": 0.0})
        answer = lead_api.call("PUT", f"{GROUP}?sync=true", {"reviewer": "lead"}).ok(202)
        assert answer["task"] == f"/_im/tasks/{Job.objects.get().pk}"
        assert answer["sync"]["matched"] == 3
        assert lead_api.call("GET", answer["task"].removeprefix("/_im/")).ok()["finished"] is False


class TestBulkUpdate:
    """`POST /_im/incidents/bulkUpdate`."""

    def send(self, api: Api, *lines: Any) -> dict[str, Any]:
        content = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        answer: dict[str, Any] = api.send("POST", "incidents/bulkUpdate", content.encode(), "application/x-ndjson").ok()
        return answer

    def test_updates_creates_and_a_bad_line_that_fails_alone(self, lead_api: Api) -> None:
        stored.incidents({"i1": {}, "i2": {}, "i3": {}})
        stored.group("g1", {})
        answer = self.send(
            lead_api,
            {"update": {"_id": "i1"}},
            {"_meta": {"id": "i1"}, "comment": "test comment"},
            {"update": {"_id": "i2"}},
            {"doc": {"severity": "low"}},
            {"update": {"_id": "none"}},
            {"severity": "low"},
            {"_meta": {"id": "i3"}, "reviewer": "lead"},
            {"update": {"_id": "g1"}},
            {"severity": "high"},
            {"create": {"_id": "new"}},
            {"title": "Made"},
            {"update": {"_id": "i3"}},
            {"severity": "worst"},
        )
        items = [next(iter(item.items())) for item in answer["items"]]
        assert [(name, item["_id"], item["status"]) for name, item in items] == [
            ("update", "i1", 200),
            ("update", "i2", 200),
            ("update", "none", 404),
            ("update", "i3", 200),
            ("update", "g1", 200),
            ("create", "new", 201),
            ("update", "i3", 400),
        ]
        assert answer["errors"] is True
        assert items[-1][1]["error"]["details"][0]["field"] == "severity"
        assert lead_api.call("GET", "incidents/i3").ok()["reviewer"] == "lead"
        assert history(lead_api, "incidents/i1")[0]["comment"] == "test comment"

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            (['{"update": {"_id": "i1"'], "is no JSON"),
            (["\ufeff{}"], "is no JSON"),
            (['{"update": {"_id": "i1", "_id": "i2"}}', '{"severity": "low"}'], 'the key "_id" more than once'),
            (['{"update": {"_id": "i1"}}', '{"severity": "low", "severity": "high"}'], 'the key "severity" more than'),
            (['{"update": {"_id": "i1"}}', '{"severity"'], "the line with its fields is no JSON"),
            (['{"update": {"_id": "i1", "if_seq_no": 1}}', '{"severity": "low"}'], "'if_seq_no' is not taken"),
            (['{"update": {"_id": "i1"}}', '{"doc": {"severity": "low"}, "doc_as_upsert": true}'], "'doc_as_upsert'"),
            (['{"update": {"_id": "i1"}}', '{"script": {"source": "x"}}'], "a new field takes"),
            (['{"update": {"_id": "i1"}}'], "the line with its fields is missing"),
            (['{"index": {"_id": "i1"}}', '{"severity": "low"}'], "'index' would overwrite"),
            (['{"delete": {"_id": "i1"}}'], "'delete' is not done in bulk"),
        ],
    )
    def test_a_line_that_cannot_be_taken_is_one_item_that_says_why(
        self, lead_api: Api, lines: list[str], reason: str
    ) -> None:
        stored.incidents({"i1": {"severity": "medium"}, "i2": {}})
        answer = self.send(lead_api, *lines, {"update": {"_id": "i2"}}, {"severity": "low"})
        bad, good = [next(iter(item.values())) for item in answer["items"]]
        assert (bad["status"], bad["error"]["type"], good["status"]) == (400, "validation_error", 200)
        assert reason in bad["error"]["reason"]
        assert lead_api.call("GET", "incidents/i1").ok()["severity"] == "medium"

    def test_a_raw_event_stays_as_it_came(self, lead_api: Api) -> None:
        answer = self.send(lead_api, '{"create": {"_id": "i1"}}', '{"title": "A", "event": {"x": 1, "x": 2}}')
        assert answer["errors"] is False

    def test_sent_again_with_its_key_nothing_is_done_twice(self, lead_api: Api, admin_api: Api) -> None:
        stored.incidents({"i1": {}})
        lines = b'{"_meta": {"id": "i1"}, "comment": "same"}\n{"create": {}}\n{"title": "Made"}\n'

        def sent(api: Api, content: bytes, key: str) -> list[Any]:
            header = {"HTTP_IDEMPOTENCY_KEY": key}
            answer = api.send("POST", "incidents/bulkUpdate", content, "application/x-ndjson", **header).ok()
            return [next(iter(item.values())) for item in answer["items"]]

        first = sent(lead_api, lines, "a")
        assert [item["status"] for item in first] == [200, 201]
        assert sent(lead_api, lines, "a") == first
        assert [entry.get("comment") for entry in history(lead_api, "incidents/i1")] == ["same"]
        # Another key, another body and another user are other requests.
        for number, (api, content, key) in enumerate(
            [(lead_api, lines, "b"), (lead_api, lines + b"\n", "a"), (admin_api, lines, "a")], 2
        ):
            assert sent(api, content, key)[1]["_id"] != first[1]["_id"]
            assert len(history(lead_api, "incidents/i1")) == number

    @pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 129])
    def test_what_is_no_key_is_400(self, lead_api: Api, key: str) -> None:
        header = {"HTTP_IDEMPOTENCY_KEY": key}
        answer = lead_api.send("POST", "incidents/bulkUpdate", b"{}\n", "application/x-ndjson", **header)
        assert refused(answer).keys() == {"Idempotency-Key"}

    def test_nothing_or_a_parameter_is_400(self, lead_api: Api) -> None:
        failed(lead_api.send("POST", "incidents/bulkUpdate", b""), 400, "validation_error")
        answer = lead_api.send("POST", "incidents/bulkUpdate?refresh=true", b"{}\n")
        assert refused(answer) == {"refresh": "unknown parameter"}

    def test_over_10000_items_is_413(self, lead_api: Api) -> None:
        line = b'{"_meta": {"id": "i1"}, "severity": "low"}\n'
        failed(lead_api.send("POST", "incidents/bulkUpdate", line * 10_001), 413, "payload_too_large")

    def test_more_than_500_needs_its_permission(self, api: Api) -> None:
        line = b'{"_meta": {"id": "i1"}, "comment": "x"}\n'
        failed(api.send("POST", "incidents/bulkUpdate", line * 501), 403, "permission_denied")

    def test_another_content_type_is_415(self, lead_api: Api) -> None:
        failed(lead_api.send("POST", "incidents/bulkUpdate", b"x", "text/csv"), 415, "unsupported_media_type")


def test_a_session_without_csrf_token_changes_nothing(lead: User, indices: None) -> None:
    from django.test import Client

    stored.incidents({"i1": {}})
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(lead)
    failed(Api(client).call("PUT", "incidents/i1", {"severity": "low"}), 403, "permission_denied")
    assert api_for(lead).call("GET", "incidents/i1").ok()["severity"] == "medium"


def test_every_answer_carries_the_request_id(lead_api: Api) -> None:
    for path, body in (("incidents/i1", {"title": "A"}), ("incidents/i1", {"title": 5})):
        answer = lead_api.send("POST", path, json.dumps(body).encode(), HTTP_X_REQUEST_ID="trace-1")
        assert answer.headers["X-Request-Id"] == "trace-1"

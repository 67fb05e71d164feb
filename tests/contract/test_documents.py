"""CONTRACT, Documents and Out of the box: the sentences on ids, fields, severities, statuses and verdicts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from imweb.incidents import fields
from imweb.opensearch import gateway, schema
from tests.api_client import Api
from tests.contract.test_changing import failed
from tests.contract.test_listing import refused

STATUSES = ("new", "in_progress", "verification", "rejected", "closed")
STEPS = {
    "new": {"in_progress", "closed", "rejected"},
    "in_progress": {"new", "verification", "closed", "rejected"},
    "verification": {"in_progress", "closed", "rejected"},
    "rejected": set(),
    "closed": set(),
}
WAY = {
    "new": [],
    "in_progress": ["in_progress"],
    "verification": ["in_progress", "verification"],
    "rejected": ["rejected"],
    "closed": ["closed"],
}


def make(api: Api, doc_id: str, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.call("POST", f"incidents/{doc_id}", {"title": "A", **body}).ok(201)
    return made


def standing_at(api: Api, status: str) -> str:
    doc_id = f"at-{status}"
    make(api, doc_id)
    for step in WAY[status]:
        api.call("PUT", f"incidents/{doc_id}", {"status": step}).ok()
    return f"incidents/{doc_id}"


class TestDocuments:
    """The stored source plus `_meta`."""

    def test_a_document_is_the_stored_source_plus_meta(self, lead_api: Api) -> None:
        made = make(lead_api, "mine", description="B", reviewer="lead", entities={"host": "a"}, event={"any": [1]})
        meta = made["_meta"]
        assert set(meta) == {"id", "type", "index", "rev", "created_at", "updated_at", "updated_by"}
        assert (meta["id"], meta["type"], meta["rev"], meta["updated_by"]) == ("mine", "incident", 1, "lead")
        assert made["event"] == {"any": [1]}
        assert not {"rev", "touched", "pending", "key", "has_pending"} & set(made)

    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("0001-01-01", "0001-01-01T00:00:00.000Z"),
            (-62_135_596_800_000 + 1, "0001-01-01T00:00:00.001Z"),
            ("0999-12-31T23:59:59.9Z", "0999-12-31T23:59:59.900Z"),
            ("1970-01-01T01:00+01:00", "1970-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ],
    )
    def test_a_time_of_any_year_is_stored_and_found(self, lead_api: Api, given: Any, shown: str) -> None:
        assert make(lead_api, "mine", **{"@timestamp": given})["@timestamp"] == shown
        pit = lead_api.call("GET", "incidents/pit").ok()["id"]
        window = {"pit": pit, "start_time": given, "end_time": given}
        docs = lead_api.call("GET", "incidents_full_types", window).ok()["docs"]
        assert [doc["@timestamp"] for doc in docs] == [shown]

    def test_an_id_that_we_make_is_i_and_a_uuid(self, lead_api: Api) -> None:
        made = lead_api.call("POST", "incidents", {"title": "A"}).ok(201)["_meta"]["id"]
        assert re.fullmatch(r"i[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)

    def test_rev_is_one_more_with_each_change_and_stays_with_none(self, lead_api: Api) -> None:
        make(lead_api, "mine")
        revs = [
            lead_api.call("PUT", "incidents/mine", {"description": text}).ok()["_meta"]["rev"]
            for text in ("B", "C", "C")
        ]
        assert revs == [2, 3, 3]


class TestNewFields:
    """A top-level field that nobody defined."""

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ("word", "keyword"),
            (5, "double"),
            (5.5, "double"),
            (True, "boolean"),
            (["a", "b"], "keyword"),
            ([1], "double"),
        ],
    )
    def test_it_is_mapped_by_its_value_alike_for_both_kinds(self, lead_api: Api, value: Any, kind: str) -> None:
        name = f"made_{kind}_{type(value).__name__}"
        make(lead_api, "mine", **{name: value})
        assert {gateway().mapping(alias)[name]["type"] for alias in schema.document_aliases()} == {kind}

    @pytest.mark.parametrize("value", [{"a": 1}, [1, "a"], [[1]], [{"a": 1}]])
    def test_an_object_or_a_mixed_array_is_400_naming_the_field(self, lead_api: Api, value: Any) -> None:
        assert "made_up" in refused(lead_api.call("POST", "incidents/mine", {"title": "A", "made_up": value}))
        failed(lead_api.call("GET", "incidents/mine"), 404, "not_found")

    @pytest.mark.parametrize("name", ["a-b", "a.b", "1a", "a b", "ä", "a" * 300, ""])
    def test_a_name_is_like_an_identifier(self, lead_api: Api, name: str) -> None:
        answer = lead_api.call("POST", "incidents/mine", {"title": "A", name: 1})
        assert answer.status == 400, answer.text
        failed(lead_api.call("GET", "incidents/mine"), 404, "not_found")

    @pytest.mark.parametrize("name", sorted(fields.PARAMETERS))
    def test_a_name_taken_by_a_parameter_is_400_since_no_list_could_filter_by_it(
        self, lead_api: Api, name: str
    ) -> None:
        answer = lead_api.call("POST", "incidents/mine", {"title": "A", name: 1})
        assert refused(answer) == {name: "is a parameter of lists and so no field's name; choose another"}
        failed(lead_api.call("GET", "incidents/mine"), 404, "not_found")

    def test_there_are_at_most_so_many(self, lead_api: Api) -> None:
        assert fields.MAX_DYNAMIC_FIELDS == 500
        body = {f"many_{number}": 1 for number in range(501)}
        answer = lead_api.call("POST", "incidents/mine", {"title": "A", **body})
        assert answer.status == 400, answer.text
        assert "500" in answer.text
        failed(lead_api.call("GET", "incidents/mine"), 404, "not_found")


class TestOutOfTheBox:
    """Severities, statuses and verdicts before anybody changes them."""

    def test_the_severities_are_sigmas_levels(self, lead_api: Api) -> None:
        make(lead_api, "mine")
        asked = {"start_time": None, "end_time": None}
        counts = lead_api.call("POST", "incidents_full_types/stats/severity", asked).ok()["severity"]
        assert [count["key"] for count in counts] == ["critical", "high", "medium", "low", "informational"]

    def test_an_incident_begins_as_new_in_the_default_workflow(self, lead_api: Api) -> None:
        made = make(lead_api, "mine")
        assert (made["status"], made["workflow_id"]) == ("new", "default")

    @pytest.mark.parametrize("before", STATUSES)
    @pytest.mark.parametrize("after", STATUSES)
    def test_each_step_is_allowed_or_refused_as_the_workflow_says(self, lead_api: Api, before: str, after: str) -> None:
        path = standing_at(lead_api, before)
        answer = lead_api.call("PUT", path, {"status": after})
        if before == after:
            assert answer.ok()["result"] == "noop"
        elif after in STEPS[before] or (before in ("closed", "rejected") and after == "in_progress"):
            answer.ok()
            assert lead_api.call("GET", path).ok()["status"] == after
        else:
            assert answer.status == 400, answer.text
            assert lead_api.call("GET", path).ok()["status"] == before

    @pytest.mark.parametrize("before", ["closed", "rejected"])
    def test_reopening_needs_its_permission(self, lead_api: Api, api: Api, before: str) -> None:
        path = standing_at(lead_api, before)
        failed(api.call("PUT", path, {"status": "in_progress"}), 403, "permission_denied")
        assert lead_api.call("GET", path).ok()["status"] == before

    @pytest.mark.parametrize("verdict", ["true_positive", "benign", "false_positive", "duplicate", "undetermined"])
    def test_a_verdict_goes_with_a_terminal_status(self, lead_api: Api, verdict: str) -> None:
        make(lead_api, "mine")
        assert "resolution" in refused(lead_api.call("PUT", "incidents/mine", {"resolution": verdict}))
        closing = {"status": "closed", "resolution": verdict, "resolution_note": "seen"}
        lead_api.call("PUT", "incidents/mine", closing).ok()
        found = lead_api.call("GET", "incidents/mine").ok()
        assert {name: found[name] for name in closing} == closing

    def test_duplicate_of_holds_an_id(self, lead_api: Api) -> None:
        make(lead_api, "first")
        make(lead_api, "mine")
        closing = {"status": "closed", "resolution": "duplicate", "duplicate_of": "first"}
        lead_api.call("PUT", "incidents/mine", closing).ok()
        assert lead_api.call("GET", "incidents/mine").ok()["duplicate_of"] == "first"
        assert "duplicate_of" in refused(lead_api.call("PUT", "incidents/mine", {"duplicate_of": 5}))

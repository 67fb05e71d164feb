"""CONTRACT, Listing: a test a sentence, each refusal too."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from imweb.accounts.models import ApiToken, User
from imweb.incidents.documents import iso
from tests import stored
from tests.api_client import Answer, Api

PATH = "incidents_full_types"
ALWAYS = {"start_time": None, "end_time": None}


def ids(body: Any) -> list[str]:
    return [doc["_meta"]["id"] for doc in body["docs"]]


def found(api: Api, **parameters: Any) -> list[str]:
    """The ids that a listing without time limits gives, sorted."""
    return sorted(ids(api.call("GET", PATH, {**ALWAYS, "size": 1_000, **parameters}).ok()))


def refused(answer: Answer, kind: str = "validation_error") -> dict[str, str]:
    """The faults of a 400 by field."""
    assert (answer.status, answer.error["type"]) == (400, kind), answer.text
    return {detail["field"]: detail["reason"] for detail in answer.error["details"]}


class TestSeed:
    """The customer's own example runs unchanged."""

    BODY = """{
"pit": "%s",
"from": 0,
"size": 25,
"search_query": "{\\"match_all\\":{}}",
"additional_fields": [],
"end_time": "now",
"start_time": "now-1d",
"with_total_docs" : true,
"is_show_aggs" : true
}"""

    @pytest.fixture
    def token(self, indices: None, analyst: User, transactional_db: None) -> str:
        return ApiToken.issue(analyst, "script")[1]

    def curl(self, url: str, token: str, *arguments: str) -> Any:
        curl = shutil.which("curl")
        assert curl, "curl is needed (apt-get install curl)"
        command = [curl, "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {token}", *arguments, url]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_its_example_body_with_get_by_curl(self, token: str, live_server: Any, slash: str) -> None:
        now = int(time.time() * 1000)
        stored.incidents({f"i{n:02}": {"@timestamp": iso(now - n * 60_000)} for n in range(30)})
        stored.group("g1", {"old": {"@timestamp": iso(now - 90_000_000)}}, **{"@timestamp": iso(now - 500)})
        pit = self.curl(f"{live_server.url}/_im/incidents/pit{slash}", token)["pit_id"]
        arguments = ["-X", "GET", "-H", "Content-Type: application/json", "-d", self.BODY % pit]
        body = self.curl(f"{live_server.url}/_im/incidents_full_types{slash}", token, *arguments)
        assert list(body) == ["docs", "total_docs", "pit", "next", "took"]
        assert ids(body) == ["i00", "g1", *(f"i{n:02}" for n in range(1, 24))]
        assert body["total_docs"] == 31
        assert body["pit"] == pit
        released = self.curl(
            f"{live_server.url}/_im/incidents/pit{slash}",
            token,
            *["-X", "DELETE", "-H", "Content-Type: application/json", "-d", json.dumps({"id": pit})],
        )
        assert released["released"] is True

    def test_its_example_of_field_filters_by_curl(self, token: str, live_server: Any) -> None:
        now = int(time.time() * 1000)
        stored.incidents(
            {
                "five": {"@timestamp": iso(now - 60_000), "test_field": 5},
                "six": {"@timestamp": iso(now - 60_000), "test_field": 6},
                "old": {"@timestamp": iso(now - 4_000_000), "test_field": 5},
            }
        )
        for path in ("incidents", "incidents/"):
            body = self.curl(f"{live_server.url}/_im/{path}?start_time=now-1h&end_time=now&test_field=5", token)
            assert ids(body) == ["five"]

    def test_its_example_of_additional_fields(self, lead_api: Api) -> None:
        fields = {"select_field": "test", "text_field": "testing", "multiselect_field": ["t2", "t9"]}
        stored.incidents({"match": fields, "other": {**fields, "select_field": "Test"}})
        given = [
            {"name": "select_field", "type": "select", "value": "test"},
            {"name": "text_field", "type": "text", "value": "test*"},
            {"name": "multiselect_field", "type": "multiselect", "value": ["t1", "t2"]},
        ]
        assert found(lead_api, additional_fields=given) == ["match"]


class TestShape:
    """Parameters left out have the seed's defaults, and the answer the contract's shape."""

    def test_left_out_it_is_the_last_day_newest_first_25_of_both_kinds(self, api: Api) -> None:
        now = int(time.time() * 1000)
        stored.incidents({f"i{n:02}": {"@timestamp": iso(now - 3_600_000 * n)} for n in range(30)})
        stored.group("g1", {}, **{"@timestamp": iso(now - 1_000)})
        body = api.call("GET", PATH).ok()
        assert ids(body) == ["i00", "g1", *(f"i{n:02}" for n in range(1, 24))]
        assert list(body) == ["docs", "pit", "next", "took"]
        assert body["pit"] is None
        assert isinstance(body["took"], int)

    def test_a_document_is_its_source_plus_meta(self, api: Api) -> None:
        stored.incidents({"i1": {"title": "Certutil", "rule": {"id": "r1", "name": "Rule"}, "event": {"a": {"b": 1}}}})
        (doc,) = api.call("GET", PATH, ALWAYS).ok()["docs"]
        meta = doc.pop("_meta")
        assert set(meta) == {"id", "type", "index", "rev", "created_at", "updated_at", "updated_by"}
        assert (meta["id"], meta["type"], meta["rev"], meta["updated_by"]) == ("i1", "incident", 1, "test")
        assert doc == {
            "@timestamp": stored.at(0),
            "title": "Certutil",
            "severity": "medium",
            "status": "new",
            "workflow_id": "default",
            "rule": {"id": "r1", "name": "Rule"},
            "event": {"a": {"b": 1}},
        }

    def test_the_id_of_an_aggregation_result_is_its_incident_aggregation_result_id(self, api: Api) -> None:
        stored.group("a1", {})
        (doc,) = api.call("GET", PATH, ALWAYS).ok()["docs"]
        assert doc["_meta"]["id"] == doc["incident_aggregation_result_id"] == "a1"
        assert doc["_meta"]["type"] == "aggregation"

    def test_total_docs_only_with_with_total_docs_and_exact(self, api: Api) -> None:
        stored.incidents({f"i{n}": {} for n in range(10_050)})
        assert "total_docs" not in api.call("GET", PATH, ALWAYS).ok()
        assert api.call("GET", PATH, {**ALWAYS, "with_total_docs": True}).ok()["total_docs"] == 10_050

    def test_post_answers_as_get_does(self, api: Api) -> None:
        stored.incidents({f"i{n}": {"@timestamp": stored.at(n)} for n in range(3)})
        body = {**ALWAYS, "size": 2, "with_total_docs": True}
        got, posted = api.call("GET", PATH, body).ok(), api.call("POST", PATH, body).ok()
        assert {**got, "took": 0} == {**posted, "took": 0}

    def test_without_a_pit_the_answer_is_from_the_current_version_of_the_index(self, api: Api) -> None:
        stored.incidents({"i1": {}})
        assert found(api) == ["i1"]
        stored.incidents({"i2": {}})
        assert found(api) == ["i1", "i2"]

    def test_is_show_aggs_false_returns_only_incidents(self, api: Api) -> None:
        stored.group("g1", {"i1": {}})
        assert found(api) == ["g1", "i1"]
        assert found(api, is_show_aggs=True) == ["g1", "i1"]
        assert found(api, is_show_aggs=False) == ["i1"]


class TestPlace:
    """`from`, `size`, `next`: any offset, exactly."""

    @pytest.fixture(autouse=True)
    def many(self, indices: None) -> None:
        # Sixty in one millisecond beside forty of their own.
        stored.incidents({f"i{n:03}": {"@timestamp": stored.at(max(0, n - 60))} for n in range(100)})

    def order(self, api: Api, **more: Any) -> list[str]:
        return ids(api.call("GET", PATH, {**ALWAYS, "size": 1_000, **more}).ok())

    @pytest.mark.parametrize("size", [0, 1, 25, 10_000])
    def test_size_0_to_10000(self, api: Api, size: int) -> None:
        assert ids(api.call("GET", PATH, {**ALWAYS, "size": size}).ok()) == self.order(api)[:size]

    @pytest.mark.parametrize("size", [-1, 10_001, 10**9, 2**70, 1e9, 2.5, "25", None, True, [25]])
    def test_another_size_is_400(self, api: Api, size: Any) -> None:
        faults = refused(api.call("GET", PATH, {"size": size}))
        assert faults["size"] in ("0 or more", "10000 or less", "a whole number")

    @pytest.mark.parametrize("offset", [0, 1, 59, 60, 99, 100, 10_000, 2**40])
    @pytest.mark.parametrize("with_pit", [True, False])
    def test_from_reaches_any_depth_with_and_without_a_pit(self, api: Api, offset: int, with_pit: bool) -> None:
        pit = api.call("GET", "incidents/pit").ok()["id"] if with_pit else None
        body = {**ALWAYS, "from": offset, "size": 7, "pit": pit}
        assert ids(api.call("GET", PATH, body).ok()) == self.order(api)[offset : offset + 7]

    @pytest.mark.parametrize("offset", [-1, 1.5, "0", True, 2**53 + 1])
    def test_another_from_is_400(self, api: Api, offset: Any) -> None:
        assert list(refused(api.call("GET", PATH, {"from": offset}))) == ["from"]

    @pytest.mark.parametrize("name", ["search_after", "next"])
    def test_next_walks_each_document_exactly_once_and_ends_with_null(self, api: Api, name: str) -> None:
        pit = api.call("GET", "incidents/pit").ok()["id"]
        walked: list[str] = []
        cursor = None
        while True:
            body = {**ALWAYS, "pit": pit, "size": 30, **({name: cursor} if cursor else {})}
            page = api.call("GET", PATH, body).ok()
            walked += ids(page)
            cursor = page["next"]
            if cursor is None:
                break
        assert walked == self.order(api)

    @pytest.mark.parametrize("cursor", ["x", "WzFd", "e30", "null", "AAAA" * 100])
    def test_a_cursor_that_is_none_is_400(self, api: Api, cursor: str) -> None:
        assert refused(api.call("GET", PATH, {"search_after": cursor})) == {
            "search_after": "the 'next' of an earlier answer, unchanged; this is none"
        }

    @pytest.mark.parametrize("path", [PATH, "incidents", "aggregations/results"])
    def test_it_is_named_as_it_was_sent(self, api: Api, path: str) -> None:
        assert refused(api.call("GET", f"{path}?next=x")) == {
            "next": "the 'next' of an earlier answer, unchanged; this is none"
        }

    def test_a_cursor_of_another_order_is_400(self, api: Api) -> None:
        cursor = api.call("GET", PATH, {**ALWAYS, "size": 1}).ok()["next"]
        faults = refused(api.call("GET", PATH, {**ALWAYS, "search_after": cursor, "sort": [{"severity": "desc"}]}))
        assert "belongs to the order @timestamp:desc" in faults["search_after"]

    def test_a_cursor_together_with_from_is_400(self, api: Api) -> None:
        cursor = api.call("GET", PATH, {**ALWAYS, "size": 1}).ok()["next"]
        faults = refused(api.call("GET", PATH, {**ALWAYS, "search_after": cursor, "from": 5}))
        assert faults == {"from": "0 or left out when 'search_after' is given"}

    def test_two_different_cursors_are_400(self, api: Api) -> None:
        for path in (PATH, "incidents"):
            faults = refused(api.call("GET", path, {"search_after": "a", "next": "b"}))
            assert faults["next"] == "given together with another 'search_after'; send one of them"


class TestSort:
    """`sort`: allow-listed fields; severity by rank; newest first by default; a unique last key."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        levels = ["low", "critical", "medium", "high", "informational", "odd", None]
        documents: dict[str, dict[str, Any]] = {}
        for number, level in enumerate(levels):
            documents[f"i{number}"] = {"@timestamp": stored.at(number), "severity": level, "reviewer": f"r{number % 2}"}
        documents = {name: {k: v for k, v in fields.items() if v is not None} for name, fields in documents.items()}
        stored.put("incident", documents)

    def order(self, api: Api, sort: Any) -> list[str]:
        return ids(api.call("GET", PATH, {**ALWAYS, "sort": sort}).ok())

    def test_newest_first_by_default(self, api: Api) -> None:
        assert self.order(api, None) == ["i6", "i5", "i4", "i3", "i2", "i1", "i0"]

    def test_severity_sorts_by_rank_then_unknown_then_missing(self, api: Api) -> None:
        assert self.order(api, [{"severity": "desc"}]) == ["i1", "i3", "i2", "i0", "i4", "i5", "i6"]

    def test_severity_ascending(self, api: Api) -> None:
        assert self.order(api, [{"severity": "asc"}])[:5] == ["i4", "i0", "i2", "i3", "i1"]

    @pytest.mark.parametrize("sort", [[{"@timestamp": "asc"}], [{"@timestamp": {"order": "asc"}}]])
    def test_both_spellings_of_a_direction(self, api: Api, sort: Any) -> None:
        assert self.order(api, sort) == ["i0", "i1", "i2", "i3", "i4", "i5", "i6"]

    def test_behind_another_field_comes_time(self, api: Api) -> None:
        assert self.order(api, [{"reviewer": "asc"}]) == ["i6", "i4", "i2", "i0", "i5", "i3", "i1"]
        assert self.order(api, [{"reviewer": "asc"}, {"@timestamp": "asc"}])[:4] == ["i0", "i2", "i4", "i6"]

    def test_a_unique_last_key_is_always_appended(self, api: Api) -> None:
        """The same id as incident and as aggregation result, at the same moment: both, in the same order each time."""
        stored.group("i6", {}, **{"@timestamp": stored.at(6)})
        twice = [
            (doc["_meta"]["type"], doc["_meta"]["id"])
            for offset in (0, 1)
            for doc in api.call("GET", PATH, {**ALWAYS, "size": 1, "from": offset}).ok()["docs"]
        ]
        assert twice == [("aggregation", "i6"), ("incident", "i6")]

    @pytest.mark.parametrize("name", ["severity", "status", "reviewer", "title", "rule.name", "source"])
    def test_the_sortable_fields(self, api: Api, name: str) -> None:
        assert len(self.order(api, [{name: "desc"}])) == 7

    @pytest.mark.parametrize(
        ("sort", "field", "reason"),
        [
            ([{"mitre": "asc"}], "sort[0]", "'mitre' may hold several values; choose another field"),
            ([{"description": "asc"}], "sort[0]", "'description' cannot be sorted by; choose another field"),
            ([{"severiti": "asc"}], "sort[0]", "'severiti' is no field; did you mean 'severity'?"),
            ([{"_id": "asc"}], "sort[0]", "'_id' is no field"),
            ([{"key": "asc"}], "sort[0]", "'key' is no field"),
            ([{"_script": "asc"}], "sort[0]", "'_script' is no field"),
            ([{}], "sort[0]", 'one field and its direction, for example {"severity": "desc"}'),
            (
                [{"severity": "asc", "status": "asc"}],
                "sort[0]",
                'one field and its direction, for example {"severity": "desc"}',
            ),
            ([{"severity": "asc"}, {"status": "asc"}], "sort", "one field, and behind it only @timestamp"),
            ([{"severity": "asc"}] * 3, "sort", "at most 2 entries"),
            ("severity", "sort", "a list"),
            ({"severity": "asc"}, "sort", "a list"),
        ],
    )
    def test_another_sort_is_400(self, api: Api, sort: Any, field: str, reason: str) -> None:
        faults = refused(api.call("GET", PATH, {"sort": sort}))
        assert faults[field].startswith(reason)

    @pytest.mark.parametrize(
        "direction", ["up", 1, None, {"order": "up"}, {"mode": "asc"}, {"order": "asc", "nested": {}}]
    )
    def test_another_direction_is_400(self, api: Api, direction: Any) -> None:
        faults = refused(api.call("GET", PATH, {"sort": [{"severity": direction}]}))
        assert all(field.startswith("sort[0].severity") for field in faults)


class TestTimes:
    """`start_time`, `end_time`, `time_zone`."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents({f"i{n}": {"@timestamp": stored.at(n)} for n in range(5)})

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (stored.NOW + 1_000, stored.NOW + 3_000),
            (str(stored.NOW + 1_000), str(stored.NOW + 3_000)),
            (stored.at(1), stored.at(3)),
            ("2025-11-23T13:13:21+01:00", "2025-11-23T13:13:23+01:00"),
            ("2025-11-23T12:13:20Z||+1s", "2025-11-23T12:13:20Z||+3s"),
        ],
    )
    def test_epoch_milliseconds_iso_8601_and_date_math_both_ends_included(self, api: Api, start: Any, end: Any) -> None:
        assert found(api, start_time=start, end_time=end) == ["i1", "i2", "i3"]

    def test_a_local_time_and_rounding_follow_time_zone(self, api: Api) -> None:
        window = {"start_time": "2025-11-23T13:13:21", "end_time": "2025-11-23T13:13:22"}
        assert found(api, **window) == []
        assert found(api, **window, time_zone="Europe/Warsaw") == ["i1", "i2"]
        day = {"start_time": "2025-11-24T00:00:00Z||/d", "end_time": "2025-11-24T00:00:00Z||/d"}
        assert found(api, **day) == []
        assert len(found(api, **day, time_zone="America/Los_Angeles")) == 5

    def test_the_default_zone_is_the_users(self, api: Api, analyst: User) -> None:
        User.objects.filter(pk=analyst.pk).update(time_zone="Europe/Warsaw")
        assert found(api, start_time="2025-11-23T13:13:21", end_time="2025-11-23T13:13:22") == ["i1", "i2"]

    def test_null_is_no_limit(self, api: Api) -> None:
        assert len(found(api, start_time=None, end_time=None)) == 5
        assert found(api, start_time=stored.at(3), end_time=None) == ["i3", "i4"]

    @pytest.mark.parametrize(
        "value", ["yesterday", "", "now-", "now-1x", "2025-13-01", "2025-11-23T25:00:00Z", "10**9"]
    )
    def test_what_is_no_time_is_400(self, api: Api, value: str) -> None:
        assert list(refused(api.call("GET", PATH, {"start_time": value, "end_time": value}))) == [
            "start_time",
            "end_time",
        ]

    @pytest.mark.parametrize("value", [1.5, True, [], {}])
    def test_a_wrong_type_is_400(self, api: Api, value: Any) -> None:
        assert all(field.startswith("start_time") for field in refused(api.call("GET", PATH, {"start_time": value})))

    def test_start_after_end_is_400(self, api: Api) -> None:
        faults = refused(api.call("GET", PATH, {"start_time": "now", "end_time": "now-1h"}))
        assert "start_time" in faults

    @pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "x" * 64])
    def test_what_is_no_time_zone_is_400(self, api: Api, zone: str) -> None:
        assert list(refused(api.call("GET", PATH, {"time_zone": zone}))) == ["time_zone"]


class TestAdditionalFields:
    """`additional_fields[]`: {name, type, value}, exclude."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents(
            {
                "a": {"risk": 5, "source": "EDR", "team": "Blue", "tags": ["x", "y"]},
                "b": {"risk": 5.7, "source": "edr-2", "team": "blue", "tags": ["y"]},
                "c": {"risk": 10, "source": "Proxy", "team": "red*", "tags": ["z"]},
                "d": {},
            }
        )

    def by(self, api: Api, name: str, kind: str, value: Any, **more: Any) -> list[str]:
        return found(api, additional_fields=[{"name": name, "type": kind, "value": value, **more}])

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (5, "a"),
            (5.7, "b"),
            ("5", "a"),
            (">=5", "abc"),
            (">5", "bc"),
            ("<=5", "a"),
            ("<10", "ab"),
            ("5..10", "abc"),
            ("5.5..", "bc"),
            ("..5.7", "ab"),
            ("-1..1", ""),
            (5.0, "a"),
        ],
    )
    def test_number_exact_or_a_range(self, api: Api, value: Any, expected: str) -> None:
        assert self.by(api, "risk", "number", value) == list(expected)

    @pytest.mark.parametrize(
        "value", ["five", "", "..", "10..5", True, None, [5], {}, ">=", "5...7", "1e400", "=5", "NaN"]
    )
    def test_what_is_no_number_is_400(self, api: Api, value: Any) -> None:
        given = [{"name": "risk", "type": "number", "value": value}]
        assert list(refused(api.call("GET", PATH, {"additional_fields": given}))) == ["additional_fields[0].value"]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("edr", "a"),
            ("EDR", "a"),
            ("edr*", "ab"),
            ("*DR*", "ab"),
            ("e?r", "a"),
            ("prox?", "c"),
            ("dr", ""),
            ("*", "abc"),
        ],
    )
    def test_text_is_the_whole_value_case_insensitive_with_wildcards(self, api: Api, value: str, expected: str) -> None:
        assert self.by(api, "source", "text", value) == list(expected)

    def test_select_is_exact(self, api: Api) -> None:
        assert self.by(api, "team", "select", "blue") == ["b"]
        assert self.by(api, "team", "select", "Blue") == ["a"]
        assert self.by(api, "team", "select", "red*") == ["c"]
        assert self.by(api, "team", "select", "re*") == []

    def test_multiselect_is_any_of_the_array(self, api: Api) -> None:
        assert self.by(api, "tags", "multiselect", ["x", "z"]) == ["a", "c"]
        assert self.by(api, "tags", "multiselect", ["y"]) == ["a", "b"]

    def test_exclude_leaves_out_what_matches_also_where_the_field_is_missing(self, api: Api) -> None:
        assert self.by(api, "tags", "multiselect", ["x", "z"], exclude=True) == ["b", "d"]
        assert self.by(api, "risk", "number", ">=5", exclude=True) == ["d"]
        assert self.by(api, "source", "text", "e*", exclude=True) == ["c", "d"]
        assert self.by(api, "team", "select", "Blue", exclude=True) == ["b", "c", "d"]

    def test_several_must_all_match(self, api: Api) -> None:
        given = [
            {"name": "risk", "type": "number", "value": ">=5"},
            {"name": "tags", "type": "multiselect", "value": ["y"]},
            {"name": "source", "type": "text", "value": "edr", "exclude": True},
        ]
        assert found(api, additional_fields=given) == ["b"]

    @pytest.mark.parametrize(
        ("entry", "field", "reason"),
        [
            (
                {"name": "risk", "type": "text", "value": "5"},
                ".type",
                "'risk' holds number values and takes no filter of type text",
            ),
            ({"name": "team", "type": "number", "value": 5}, ".type", "'team' holds keyword values"),
            ({"name": "@timestamp", "type": "text", "value": "x"}, ".type", "'@timestamp' holds date values"),
            ({"name": "risc", "type": "number", "value": 5}, ".name", "'risc' is no field; did you mean 'risk'?"),
            ({"name": "key", "type": "text", "value": "*"}, ".name", "'key' is no field"),
            ({"name": "event.x", "type": "text", "value": "*"}, ".name", "'event.x' is no field"),
            (
                {"name": "risk", "type": "integer", "value": 5},
                ".type",
                "one of 'number', 'text', 'select' or 'multiselect'",
            ),
            ({"name": "risk", "value": 5}, ".type", "is required"),
            ({"type": "number", "value": 5}, ".name", "is required"),
            ({"name": "risk", "type": "number"}, ".value", "is required"),
            ({"name": "", "type": "number", "value": 5}, ".name", "not empty"),
            ({"name": "risk", "type": "number", "value": 5, "exclude": "yes"}, ".exclude", "true or false"),
            ({"name": "risk", "type": "number", "value": 5, "excludes": True}, ".excludes", "unknown parameter"),
            ({"name": "team", "type": "select", "value": 5}, ".value", "a text"),
            ({"name": "team", "type": "select", "value": ["blue"]}, ".value", "a text"),
            ({"name": "team", "type": "select", "value": "x" * 1_025}, ".value", "at most 1024 characters"),
            ({"name": "tags", "type": "multiselect", "value": "x"}, ".value", "a list of one or more texts"),
            ({"name": "tags", "type": "multiselect", "value": []}, ".value", "a list of one or more texts"),
            ({"name": "tags", "type": "multiselect", "value": [1]}, ".value[0]", "a text"),
            ({"name": "tags", "type": "multiselect", "value": ["x"] * 1_001}, ".value", "at most 1000 values"),
            ("risk", "", "an object"),
        ],
    )
    def test_a_wrong_entry_is_400_and_names_its_place(self, api: Api, entry: Any, field: str, reason: str) -> None:
        good = {"name": "risk", "type": "number", "value": 5}
        faults = refused(api.call("GET", PATH, {"additional_fields": [good, entry]}))
        assert faults[f"additional_fields[1]{field}"].startswith(reason)

    @pytest.mark.parametrize("value", ["risk", {"name": "risk"}, 5])
    def test_what_is_no_list_is_400(self, api: Api, value: Any) -> None:
        assert refused(api.call("GET", PATH, {"additional_fields": value})) == {"additional_fields": "a list"}

    def test_more_than_a_hundred_are_400(self, api: Api) -> None:
        given = [{"name": "risk", "type": "number", "value": 5}] * 101
        assert refused(api.call("GET", PATH, {"additional_fields": given})) == {
            "additional_fields": "at most 100 entries"
        }


class TestSearchQuery:
    """`search_query`: a JSON string holding one clause; an object is accepted too; checked before it is sent."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents({"a": {"title": "Certutil downloads"}, "b": {"title": "Other", "severity": "high"}})

    def test_a_json_string_or_an_object(self, api: Api) -> None:
        clause = {"bool": {"must": [{"match": {"title": "certutil"}}]}}
        assert found(api, search_query=json.dumps(clause)) == ["a"]
        assert found(api, search_query=clause) == ["a"]
        assert api.call("GET", f"{PATH}?start_time=0&search_query=" + json.dumps({"term": {"severity": "high"}})).ok()

    @pytest.mark.parametrize("value", [None, "", '{"match_all":{}}', {"match_all": {}}])
    def test_nothing_and_match_all_match_all(self, api: Api, value: Any) -> None:
        assert found(api, search_query=value) == ["a", "b"]

    @pytest.mark.parametrize("value", ["{", "certutil", "[]", "null", "5", '"x"'])
    def test_what_is_no_clause_is_400(self, api: Api, value: str) -> None:
        assert refused(api.call("GET", PATH, {"search_query": value}))["search_query"].startswith("a JSON text holding")

    @pytest.mark.parametrize("value", [5, True, ["x"]])
    def test_a_wrong_type_is_400(self, api: Api, value: Any) -> None:
        assert all(f.startswith("search_query") for f in refused(api.call("GET", PATH, {"search_query": value})))

    @pytest.mark.parametrize(
        "clause",
        [
            {"script": {"script": "true"}},
            {"bool": {"filter": [{"bool": {"must_not": {"script": {"script": {"source": "true"}}}}}]}},
            {"function_score": {"script_score": {"script": "1"}}},
            {"terms": {"title": {"index": "other", "id": "1", "path": "x"}}},
            {"more_like_this": {"like": [{"_index": "other", "_id": "1"}]}},
            {"geo_shape": {"x": {"indexed_shape": {"index": "other", "id": "1"}}}},
            {"percolate": {"field": "query", "document": {}}},
            {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}},
            {"has_child": {"type": "x", "query": {"match_all": {}}}},
            {"nonsense": {}},
            {"bool": {"must": [{"match_all": {}}], "wrong": []}},
            {"match_all": {}, "term": {"severity": "high"}},
            {},
        ],
    )
    def test_what_is_not_allowed_is_400_query_rejected_with_the_path(self, api: Api, clause: Any) -> None:
        faults = refused(api.call("GET", PATH, {**ALWAYS, "search_query": clause}), "query_rejected")
        assert all(field.startswith("search_query") for field in faults)
        assert faults

    def test_what_opensearch_rejects_comes_back_as_400_with_its_reason(self, api: Api) -> None:
        answer = api.call("GET", PATH, {**ALWAYS, "search_query": {"range": {"@timestamp": {"gte": "tomorrow-ish"}}}})
        assert (answer.status, answer.error["type"]) == (400, "query_rejected")
        assert answer.error["reason"]


class TestQueryString:
    """`query_string`: the search-bar text."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents(
            {
                "a": {"title": "Certutil downloads", "severity": "high", "reviewer": "anna"},
                "b": {"title": "Certutil", "severity": "low"},
                "c": {"title": "Other", "severity": "high"},
            }
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("certutil", "ab"),
            ("severity:high", "ac"),
            ("severity:high and not reviewer:*", "c"),
            ("severity:(high or low) and certutil", "ab"),
            ('title:"certutil downloads"', "a"),
            ("", "abc"),
            ("  ", "abc"),
        ],
    )
    def test_it_filters(self, api: Api, text: str, expected: str) -> None:
        assert found(api, query_string=text) == list(expected)

    @pytest.mark.parametrize("text", ["severity:", "(certutil", "and", 'title:"x', "severity:high and"])
    def test_what_cannot_be_read_is_400_with_the_position(self, api: Api, text: str) -> None:
        answer = api.call("GET", PATH, {"query_string": text})
        assert list(refused(answer)) == ["query_string"]
        detail = answer.error["details"][0]
        assert isinstance(detail["position"], int)

    def test_an_unknown_field_is_400_with_the_nearest_name(self, api: Api) -> None:
        assert "severity" in refused(api.call("GET", PATH, {"query_string": "severiti:high"}))["query_string"]

    def test_together_with_search_query_both_must_match(self, api: Api) -> None:
        assert found(api, query_string="certutil", search_query={"term": {"severity": "high"}}) == ["a"]


class TestCollapseGrouped:
    """`collapse_grouped`: leave out incidents that belong to an aggregation result which the whole query matches."""

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.group("g1", {"a": {}, "b": {"severity": "high"}}, severity="high")
        stored.group("g2", {"c": {}}, severity="low")
        stored.incidents({"d": {"severity": "high"}})

    def test_default_false_returns_both(self, api: Api) -> None:
        assert found(api) == ["a", "b", "c", "d", "g1", "g2"]

    def test_true_leaves_them_out(self, api: Api) -> None:
        assert found(api, collapse_grouped=True) == ["d", "g1", "g2"]

    def test_the_whole_query_counts_not_only_this_page(self, api: Api) -> None:
        body = {**ALWAYS, "collapse_grouped": True, "size": 1, "with_total_docs": True}
        first = api.call("GET", PATH, body).ok()
        assert first["total_docs"] == 3
        pages = [ids(api.call("GET", PATH, {**body, "from": n}).ok()) for n in range(4)]
        assert sorted(name for page in pages for name in page) == ["d", "g1", "g2"]

    def test_a_group_that_the_query_does_not_match_hides_nobody(self, api: Api) -> None:
        assert found(api, collapse_grouped=True, search_query={"term": {"severity": "medium"}}) == ["a", "c"]
        assert found(api, collapse_grouped=True, search_query={"term": {"severity": "high"}}) == ["d", "g1"]


class TestFieldFilters:
    """`GET /_im/incidents?start_time&end_time&field=value…`."""

    PATH = "incidents"

    @pytest.fixture(autouse=True)
    def some(self, indices: None) -> None:
        stored.incidents(
            {
                "a": {
                    "severity": "high",
                    "test_field": 5,
                    "ok": True,
                    "rule": {"name": "R 1"},
                    "@timestamp": stored.at(3),
                },
                "b": {"severity": "low", "test_field": 5.5, "ok": False, "@timestamp": stored.at(2)},
                "c": {"severity": "medium", "mitre": ["T1059", "TA0002"], "@timestamp": stored.at(1)},
            }
        )
        stored.group("g1", {}, severity="high")

    def by(self, api: Api, query: str) -> list[str]:
        return ids(api.call("GET", f"{self.PATH}?{query}").ok())

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", "abc"),
            ("severity=high", "a"),
            ("severity=high&severity=low", "ab"),
            ("test_field=5", "a"),
            ("test_field=5.0", "a"),
            ("test_field=5.5", "b"),
            ("ok=true", "a"),
            ("rule.name=R%201", "a"),
            ("mitre=T1059", "c"),
            ("severity=high&test_field=5.5", ""),
            ("severity=none", ""),
        ],
    )
    def test_every_other_parameter_is_a_field_filter_and_a_repeated_one_means_any_of(
        self, api: Api, query: str, expected: str
    ) -> None:
        assert self.by(api, query) == list(expected)

    def test_incidents_only(self, api: Api) -> None:
        types = {doc["_meta"]["type"] for doc in api.call("GET", self.PATH).ok()["docs"]}
        assert types == {"incident"}

    def test_without_times_there_is_no_time_limit(self, api: Api) -> None:
        assert len(self.by(api, "")) == 3
        assert self.by(api, f"start_time={stored.NOW + 2_000}") == ["a", "b"]

    def test_the_same_shape(self, api: Api) -> None:
        body = api.call("GET", f"{self.PATH}?with_total_docs=true&size=2").ok()
        assert list(body) == ["docs", "total_docs", "pit", "next", "took"]
        assert body["total_docs"] == 3

    def test_default_size_1000_and_next_to_go_on(self, api: Api) -> None:
        stored.incidents({f"m{n:04}": {"@timestamp": stored.at(-n)} for n in range(1_100)})
        first = api.call("GET", self.PATH).ok()
        assert len(first["docs"]) == 1_000
        second = api.call("GET", f"{self.PATH}?search_after={first['next']}").ok()
        assert len(second["docs"]) == 103
        assert second["next"] is None
        assert not set(ids(first)) & set(ids(second))

    def test_pit_from_size_sort(self, api: Api) -> None:
        pit = api.call("GET", "incidents/pit").ok()["id"]
        stored.incidents({"later": {}})
        assert self.by(api, f"pit={pit}&sort=severity:asc&from=1&size=1") == ["c"]
        assert self.by(api, f"pit={pit}&sort=@timestamp:asc") == ["c", "b", "a"]

    def test_a_body_with_get_works_too(self, api: Api) -> None:
        body = {"severity": ["high", "low"], "ok": True, "test_field": 5}
        assert ids(api.call("GET", self.PATH, body).ok()) == ["a"]
        assert ids(api.call("GET", f"{self.PATH}?severity=medium", {"severity": "high", "size": 1}).ok()) == ["a"]

    @pytest.mark.parametrize(
        ("query", "field", "reason"),
        [
            ("severiti=high", "severiti", "'severiti' is no field; did you mean 'severity'?"),
            ("test_field=five", "test_field", "a number"),
            ("ok=yes", "ok", "true or false"),
            ("@timestamp=now-1d", "@timestamp", "an absolute time; use start_time and end_time for relative ones"),
            ("key=incident/a", "key", "'key' is no field"),
            ("size=x", "size", "a whole number"),
            ("from=-1", "from", "0 or more"),
            ("sort=mitre:asc", "sort[0]", "'mitre' may hold several values; choose another field"),
            ("size=1&size=2", "size", "given more than once with different values"),
            ("start_time=never", "start_time", ""),
        ],
    )
    def test_a_fault_is_400_naming_the_parameter(self, api: Api, query: str, field: str, reason: str) -> None:
        assert refused(api.call("GET", f"{self.PATH}?{query}"))[field].startswith(reason)

    def test_a_time_is_of_the_time_zone(self, api: Api) -> None:
        """As wherever a time is given."""
        moment = api.call("GET", f"{self.PATH}?size=1").ok()["docs"][0]["@timestamp"]
        local = datetime.fromisoformat(moment).astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
        asked = f"{self.PATH}?@timestamp={local.isoformat(timespec='milliseconds')}"
        assert ids(api.call("GET", asked).ok()) == []
        assert len(ids(api.call("GET", f"{asked}&time_zone=Asia/Tokyo").ok())) == 1

    def test_a_filter_of_no_value_is_400_and_not_no_filter(self, api: Api) -> None:
        assert refused(api.call("GET", self.PATH, {"severity": []})) == {"severity": "one value or more"}

    def test_a_short_name_of_the_search_bar_is_400_with_the_full_one(self, api: Api) -> None:
        faults = refused(api.call("GET", f"{self.PATH}?host=a"))
        assert faults == {"host": "'host' is no field; did you mean 'entities.host'?"}

    def test_a_sort_in_the_body_is_the_one_of_other_lists(self, api: Api) -> None:
        in_body = api.call("GET", self.PATH, {"sort": [{"severity": "desc"}]}).ok()
        assert ids(in_body) == ids(api.call("GET", f"{self.PATH}?sort=severity:desc").ok())
        assert refused(api.call("GET", self.PATH, {"sort": [{"severity": "up"}]}))

    def test_a_parameter_in_body_and_query_string_with_different_values_is_400(self, api: Api) -> None:
        faults = refused(api.call("GET", f"{self.PATH}?size=1", {"size": 2}))
        assert faults == {"size": "given in the body and in the query string with different values"}

    @pytest.mark.parametrize("value", [None, {"a": 1}, [[1]]])
    def test_a_filter_that_is_no_value_is_400(self, api: Api, value: Any) -> None:
        faults = refused(api.call("GET", self.PATH, {"severity": value}))
        assert faults == {"severity": "a text, a number, true or false, or a list of them"}


class TestFaults:
    """A parameter given twice is a 400; all faults of one request are reported together."""

    @pytest.mark.parametrize(
        ("method", "path", "content", "key"),
        [
            ("GET", PATH, b'{"size": 1, "size": 2}', "size"),
            ("POST", PATH, b'{"search_query": {"term": {"severity": "high", "severity": "low"}}}', "severity"),
            ("POST", f"{PATH}/stats/severity", b'{"start_time": "now-1d", "start_time": null}', "start_time"),
            ("GET", "incidents", b'{"severity": "high", "severity": "low"}', "severity"),
            ("DELETE", "incidents/pit", b'{"id": "a", "id": "b"}', "id"),
        ],
    )
    def test_a_key_twice_with_different_values_is_400(
        self, api: Api, method: str, path: str, content: bytes, key: str
    ) -> None:
        assert refused(api.send(method, path, content)) == {
            key: f'holds the key "{key}" more than once with different values'
        }

    def test_twice_with_the_same_value_is_once(self, api: Api) -> None:
        assert api.send("GET", PATH, b'{"size": 0, "size": 0}').ok()["docs"] == []
        assert api.call("GET", f"{PATH}?size=0&size=0", {"size": 0}).ok()["docs"] == []

    EARLY: ClassVar[dict[str, Any]] = {"size": -1, "foo": 1}
    LATE: ClassVar[dict[str, Any]] = {
        "pit": "x",
        "search_after": "y",
        "start_time": "2026-02-01",
        "end_time": "2026-01-01",
    }

    @pytest.mark.parametrize("more", [{}, EARLY], ids=["late alone", "with early ones"])
    @pytest.mark.parametrize("path", [PATH, f"{PATH}/stats/severity", "incidents"])
    def test_all_of_a_request_are_reported_together(self, api: Api, path: str, more: dict[str, Any]) -> None:
        """What is wrong with a value, and what only the data, the clock or the point in time tell."""
        sent = {**self.LATE, **more}
        if path.endswith("severity"):
            # The place on a list changes nothing here.
            del sent["search_after"]
        faults = refused(api.call("POST" if path.endswith("severity") else "GET", path, sent))
        assert faults.keys() == sent.keys() - {"end_time"}

    def test_a_refused_clause_among_them(self, api: Api) -> None:
        sent = {"search_query": {"script": {}}, "pit": "x"}
        assert refused(api.call("GET", PATH, sent)).keys() == {"search_query.script", "pit"}

    def test_the_kind_of_a_pit_among_them(self, api: Api) -> None:
        pit = api.call("GET", "incidents/pit?is_show_aggs=false").ok()["id"]
        faults = refused(api.call("GET", PATH, {"pit": pit, "is_show_aggs": True, "search_after": "x", "from": -1}))
        assert faults.keys() == {"is_show_aggs", "search_after", "from"}

    def test_one_fault_is_told_once(self, api: Api) -> None:
        answer = api.call("GET", PATH, {"pit": "x", "start_time": "2026-02-01", "end_time": "2026-01-01"})
        assert [detail["field"] for detail in answer.error["details"]] == ["pit", "start_time"]
        answer = api.call("GET", PATH, {"time_zone": "Mars/Base", "start_time": "never", "sort": [{"mitre": "asc"}]})
        assert sorted(detail["field"] for detail in answer.error["details"]) == ["sort[0]", "start_time", "time_zone"]

"""CONTRACT, Statistics: a test a sentence."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from imweb.incidents.documents import iso
from tests import stored
from tests.api_client import Answer, Api

PATH = "incidents_full_types/stats/severity"
ALWAYS = {"start_time": None, "end_time": None}


def refused(answer: Answer, kind: str = "validation_error") -> dict[str, str]:
    """The faults of a 400 by field."""
    assert (answer.status, answer.error["type"]) == (400, kind), answer.text
    return {detail["field"]: detail["reason"] for detail in answer.error["details"]}


@pytest.fixture(autouse=True)
def some(indices: None) -> None:
    levels = ["critical", "critical", "high", "low", "odd"]
    stored.incidents(
        {f"i{n}": {"severity": level, "@timestamp": stored.at(n * 3_600)} for n, level in enumerate(levels)}
    )
    stored.put("incident", {"none": {"@timestamp": stored.at(0), "title": "No severity"}})
    stored.group("g1", {}, severity="critical")


def test_every_configured_level_stands_there_zeros_too_then_any_unknown_value(api: Api) -> None:
    body = api.call("POST", PATH, ALWAYS).ok()
    assert list(body) == ["total_docs", "severity", "took"]
    assert [(row["key"], row["count"], row["incidents"], row["aggregations"]) for row in body["severity"]] == [
        ("critical", 3, 2, 1),
        ("high", 1, 1, 0),
        ("medium", 0, 0, 0),
        ("low", 1, 1, 0),
        ("informational", 0, 0, 0),
        ("odd", 1, 1, 0),
        ("", 1, 1, 0),
    ]
    for row in body["severity"]:
        assert list(row) == ["key", "label", "color", "count", "incidents", "aggregations"]
        assert row["label"]
        assert row["color"].startswith("#")
    assert isinstance(body["took"], int)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"search_query": {"term": {"severity": "critical"}}},
        {"is_show_aggs": False},
        {"start_time": stored.at(3_000)},
        {"end_time": stored.at(3_000)},
        {"additional_fields": [{"name": "severity", "type": "multiselect", "value": ["high", "odd"]}]},
        {"additional_fields": [{"name": "severity", "type": "text", "value": "c*", "exclude": True}]},
        {"collapse_grouped": True},
    ],
)
@pytest.mark.parametrize("with_pit", [True, False])
def test_the_sum_of_counts_equals_total_docs_equals_the_lists_total(
    api: Api, filters: dict[str, Any], with_pit: bool
) -> None:
    given = {**ALWAYS, **filters}
    if with_pit:
        given["pit"] = api.call("GET", "incidents/pit").ok()["id"]
        stored.incidents({"later": {"severity": "critical"}})
    body = api.call("POST", PATH, {**given, "interval": "1h"}).ok()
    listed = api.call("GET", "incidents_full_types", {**given, "with_total_docs": True, "size": 100}).ok()
    assert sum(row["count"] for row in body["severity"]) == body["total_docs"] == listed["total_docs"]
    assert len(listed["docs"]) == body["total_docs"]
    assert sum(count for bar in body["histogram"] for count in bar["counts"].values()) == body["total_docs"]
    for row in body["severity"]:
        assert row["count"] == row["incidents"] + row["aggregations"]


def test_histogram_only_with_interval(api: Api) -> None:
    assert "histogram" not in api.call("POST", PATH, ALWAYS).ok()
    bars = api.call("POST", PATH, {**ALWAYS, "interval": "1h"}).ok()["histogram"]
    counted = {bar["time"]: bar["counts"] for bar in bars if bar["counts"]}
    assert counted == {
        "2025-11-23T12:00:00.000Z": {"critical": 2, "": 1},
        "2025-11-23T13:00:00.000Z": {"critical": 1},
        "2025-11-23T14:00:00.000Z": {"high": 1},
        "2025-11-23T15:00:00.000Z": {"low": 1},
        "2025-11-23T16:00:00.000Z": {"odd": 1},
    }


def test_bars_of_a_day_begin_at_midnight_of_the_time_zone(api: Api) -> None:
    body = api.call("POST", PATH, {**ALWAYS, "interval": "1d", "time_zone": "Asia/Kathmandu"}).ok()
    assert [bar["time"] for bar in body["histogram"] if bar["counts"]] == ["2025-11-23T00:00:00.000+05:45"]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Asia/Kolkata"])
@pytest.mark.parametrize("interval", ["1h", "3h", "12h"])
def test_the_bars_cover_the_window_without_gaps_quiet_ends_too(api: Api, zone: str, interval: str) -> None:
    # Nothing happened in the first and the last hours; some lie just before a bar of a zone that is off by minutes.
    start, end = stored.at(-15 * 3_600 - 600), stored.at(31 * 3_600 + 600)
    asked = {"start_time": start, "end_time": end, "interval": interval, "time_zone": zone}
    bars = [datetime.fromisoformat(bar["time"]) for bar in api.call("POST", PATH, asked).ok()["histogram"]]
    width = timedelta(hours=int(interval[:-1]))
    assert {after - before for before, after in pairwise(bars)} == {width}
    assert bars[0] <= datetime.fromisoformat(start) < bars[0] + width
    assert bars[-1] <= datetime.fromisoformat(end) < bars[-1] + width
    quiet = {**asked, "search_query": {"term": {"severity": "medium"}}}
    assert [datetime.fromisoformat(bar["time"]) for bar in api.call("POST", PATH, quiet).ok()["histogram"]] == bars


def test_interval_auto_chooses_a_width_that_can_be_read(api: Api) -> None:
    body = api.call("POST", PATH, {**ALWAYS, "interval": "auto"}).ok()
    assert 4 <= len(body["histogram"]) <= 400
    assert body["interval"] in ("1m", "5m", "10m", "15m", "30m", "1h")


def test_left_out_it_is_the_last_day(api: Api) -> None:
    stored.incidents({"now": {"@timestamp": iso(int(time.time() * 1000) - 1_000), "severity": "low"}})
    assert api.call("POST", PATH).ok()["total_docs"] == 1
    assert api.call("POST", PATH, {}).ok()["total_docs"] == 1


def test_the_lists_own_parameters_are_taken_and_change_nothing(api: Api) -> None:
    plain = api.call("POST", PATH, ALWAYS).ok()
    more = {"from": 3, "size": 1, "with_total_docs": False, "sort": [{"severity": "asc"}]}
    assert {**api.call("POST", PATH, {**ALWAYS, **more}).ok(), "took": 0} == {**plain, "took": 0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"interval": "2h"}, "interval"),
        ({"interval": "1s; drop"}, "interval"),
        ({"interval": 5}, "interval"),
        ({"intervall": "1h"}, "intervall"),
        ({"size": -1}, "size"),
        ({"from": "x"}, "from"),
        ({"sort": [{"mitre": "asc"}]}, "sort[0]"),
        ({"pit": 5}, "pit"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"start_time": "now", "end_time": "now-1d"}, "start_time"),
        ({"additional_fields": [{"name": "nothing", "type": "text", "value": "x"}]}, "additional_fields[0].name"),
    ],
)
def test_a_fault_is_400_naming_the_parameter(api: Api, body: dict[str, Any], field: str) -> None:
    assert field in refused(api.call("POST", PATH, body))


def test_too_many_bars_are_400_and_not_the_end_of_the_cluster(api: Api) -> None:
    answer = api.call("POST", PATH, {"start_time": "2000-01-01", "end_time": "2025-12-01", "interval": "1s"})
    assert "interval" in refused(answer)

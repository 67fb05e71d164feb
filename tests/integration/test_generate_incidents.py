"""`manage.py generate_incidents` on the real server: nothing refused, nothing twice, and what it says is true."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from imweb.env import BASE_DIR
from imweb.incidents.models import AggregationNumber, CustomField
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import Node

PRESSURE = "indexing_pressure.memory.limit"
END = "2026-11-20T00:00:00Z"
pytestmark = pytest.mark.django_db


def run(number: int, **options: Any) -> str:
    out = io.StringIO()
    call_command("generate_incidents", number, stdout=out, stderr=io.StringIO(), **({"end": END} | options))
    return out.getvalue()


def counts() -> list[int]:
    return [
        gateway().count({"match_all": {}}, index=alias)
        for alias in (schema.incidents_alias(), schema.aggregations_alias(), schema.history_alias())
    ]


def test_it_writes_what_it_says_and_a_second_run_adds_nothing(indices: None) -> None:
    out = run(2_000, seed=3)
    made = counts()
    assert made[0] == 2_000
    assert out.startswith(f"2,000 incidents, {made[1]:,} groups and {made[2]:,} history entries in ")
    again = run(2_000, seed=3)
    assert again.startswith("0 incidents, 0 groups and 0 history entries in ")
    assert f"{sum(made):,} documents existed already" in again
    assert counts() == made


def test_groups_have_the_numbers_that_collapsing_looks_for(indices: None) -> None:
    run(2_000, seed=4)
    groups = gateway().search({"size": 1_000, "query": {"match_all": {}}}, index=schema.aggregations_alias())
    assert groups["hits"]["hits"]
    for hit in groups["hits"]["hits"]:
        number = hit["_source"]["group_number"]
        assert AggregationNumber.objects.get(pk=number).result_id == hit["_id"]
        members = gateway().count({"term": {"group_numbers": number}}, index=schema.incidents_alias())
        assert members == hit["_source"]["incidents_count"]


def test_its_custom_fields_can_be_filtered_by(indices: None) -> None:
    run(300)
    assert {"site", "asset_tags", "risk_score", "ticket"} <= set(CustomField.objects.values_list("name", flat=True))
    found = gateway().count({"range": {"risk_score": {"gte": 70}}}, index=schema.incidents_alias())
    assert 0 < found < 300


@pytest.mark.parametrize(
    ("number", "options", "reason"),
    [
        (0, {}, "the number of incidents lies between 1 and 50,000,000, not 0"),
        (1, {"days": 0}, "the number of days lies between"),
        (1, {"end": "soon"}, "--end"),
        (1, {"processes": 0}, "--processes lies between 1 and 32, not 0"),
    ],
)
def test_what_makes_no_sense_is_refused(indices: None, number: int, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run(number, **options)
    assert counts() == [0, 0, 0]


@pytest.mark.slow
def test_a_node_that_is_too_busy_gets_everything_in_the_end(opensearch_server: Any, tmp_path: Path) -> None:
    # Two requests in flight are more than this node takes at once.
    node = Node(folder=tmp_path / "node", cluster=tmp_path.name, heap="512m", settings={PRESSURE: "5mb"})
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "imweb.settings",
        "OPENSEARCH_URL": node.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'busy.sqlite3'}",
    }
    try:
        node.launch().wait()
        for command in (["migrate", "-v0"], ["bootstrap"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=BASE_DIR, env=env, check=True)
        command = [sys.executable, "manage.py", "generate_incidents", "12000", "--processes", "2", "--days", "2"]
        done = subprocess.run(command, cwd=BASE_DIR, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("12,000 incidents, ")
        (stats,) = node.get("/_nodes/stats/indexing_pressure")["nodes"].values()
        assert stats["indexing_pressure"]["memory"]["total"]["coordinating_rejections"] > 0
        assert node.get(f"/{schema.incidents_alias()}/_count")["count"] == 12_000
    finally:
        node.stop()

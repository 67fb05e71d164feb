"""The generator: the same for the same plan, and every document as the index and the editing expect it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from imweb.demo.fields import FIELDS
from imweb.demo.generator import Plan, Targets, Writer
from imweb.incidents import mappings
from imweb.incidents.documents import fingerprint_of, id_fault
from imweb.incidents.fields import Registry
from imweb.incidents.mitre import lookup
from imweb.incidents.models import CustomField
from imweb.incidents.times import parse_instant

Json = dict[str, Any]
SIZE = 1_000
END_MS = 1_763_900_000_000
TARGETS = Targets("incidents", "aggregations", "history")


def numbered(ids: Sequence[str]) -> Mapping[str, int]:
    return {one: number for number, one in enumerate(ids, 1)}


def written(size: int = SIZE, seed: int = 7, days: int = 14) -> Iterator[bytes]:
    writer = Writer(Plan.of(size, seed, days, END_MS), TARGETS, numbered)
    for block in writer.blocks():
        for body in writer.bodies(block):
            yield body.data


@cache
def documents() -> dict[str, dict[str, Json]]:
    """Everything of one run, by index and id."""
    found: dict[str, dict[str, Json]] = {"incidents": {}, "aggregations": {}, "history": {}}
    for data in written():
        lines = data.split(b"\n")
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            target = json.loads(action)["create"]
            assert target["_id"] not in found[target["_index"]]
            found[target["_index"]][target["_id"]] = json.loads(source)
    return found


def both() -> Iterator[tuple[str, str, Json]]:
    for kind, index in (("incident", "incidents"), ("aggregation", "aggregations")):
        for doc_id, source in documents()[index].items():
            yield kind, doc_id, source


def test_the_same_plan_writes_the_same_bytes() -> None:
    assert list(written(100)) == list(written(100))


@pytest.mark.parametrize("other", [{"seed": 8}, {"size": 101}, {"days": 15}])
def test_another_plan_writes_other_documents(other: dict[str, int]) -> None:
    assert set(written(**({"size": 100} | other))).isdisjoint(written(100))


def test_a_block_alone_is_the_block_of_the_whole_run() -> None:
    writer = Writer(Plan.of(100, 7, 14, END_MS), TARGETS, numbered)
    alone = [body.data for body in writer.bodies(writer.blocks()[-1])]
    assert alone == list(written(100))[-len(alone) :]


def test_there_are_as_many_incidents_as_asked_for_in_the_time_asked_for() -> None:
    incidents = documents()["incidents"]
    assert len(incidents) == SIZE
    times = [at(source["@timestamp"]) for source in incidents.values()]
    assert min(times) >= END_MS - 14 * 86_400_000
    assert max(times) <= END_MS


@pytest.mark.parametrize(("size", "days"), [(0, 1), (50_000_001, 1), (1, 0), (1, 3_651)])
def test_a_plan_out_of_range_is_refused(size: int, days: int) -> None:
    with pytest.raises(ValueError, match="lies between"):
        Plan.of(size, 1, days, END_MS)


def test_every_field_is_mapped() -> None:
    known = Registry.build([CustomField(**values).field for values in FIELDS])
    body = mappings.document_body(known, shards=1, replicas=0)["mappings"]
    history = mappings.history_body(shards=1, replicas=0)["mappings"]
    for _kind, doc_id, source in both():
        check(source, body["properties"], doc_id)
    for entry_id, entry in documents()["history"].items():
        check(entry, history["properties"], entry_id)


def check(source: Json, properties: Json, path: str) -> None:
    """Fail where a strict mapping would refuse the document, or take a value for something else."""
    for name, value in source.items():
        assert name in properties, f"{path}.{name} is not mapped"
        mapping = properties[name]
        if mapping.get("enabled") is False or value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            where = f"{path}.{name}: {one!r}"
            match mapping.get("type", "object"):
                case "object":
                    check(one, mapping["properties"], f"{path}.{name}")
                case "keyword" | "text" | "match_only_text":
                    assert isinstance(one, str), where
                case "date":
                    assert at(one) <= END_MS, where
                case "boolean":
                    assert isinstance(one, bool), where
                case "double":
                    assert isinstance(one, int | float), where
                    assert not isinstance(one, bool), where
                case "long" | "integer":
                    assert type(one) is int, where
                case other:
                    pytest.fail(f"{where}: no check for {other}")


def test_the_bookkeeping_is_what_editing_would_have_left() -> None:
    entries: dict[str, list[Json]] = {}
    for change, entry in documents()["history"].items():
        assert entry["change"] == change
        entries.setdefault(entry["key"], []).append(entry)
    for kind, doc_id, source in both():
        assert id_fault(doc_id) is None
        assert doc_id[0] == kind[0]
        assert source["key"] == f"{kind}/{doc_id}"
        assert source["fingerprint"] == fingerprint_of(source)
        assert (source["pending"], source["has_pending"], source["deleted"]) == ([], False, False)
        own = sorted(entries.pop(source["key"], []), key=lambda entry: entry["rev"])
        edits = [entry for entry in own if entry["type"] == "edit"]
        assert [entry["rev"] for entry in edits] == list(range(2, source["rev"] + 1))
        assert [at(entry["time"]) for entry in own] == sorted(at(entry["time"]) for entry in own)
        assert source["updated_at"] == (own[-1]["time"] if own else source["created_at"])
        for entry in edits:
            for edited in entry["edited"]:
                name = edited["fieldName"]
                if source["touched"][name]["change"] == entry["change"]:
                    assert source[name] == edited["newValue"]
                    assert source["touched"][name]["old"] == edited["oldValue"]
                    assert source["touched"][name]["rev"] == entry["rev"]
    assert not entries


def test_statuses_follow_the_default_workflow() -> None:
    steps = {
        ("new", "in_progress"),
        ("new", "closed"),
        ("new", "rejected"),
        ("in_progress", "verification"),
        ("in_progress", "closed"),
        ("in_progress", "rejected"),
        ("verification", "closed"),
        ("verification", "rejected"),
    }
    seen = {
        (edited["oldValue"], edited["newValue"])
        for entry in documents()["history"].values()
        for edited in entry.get("edited", [])
        if edited["fieldName"] == "status"
    }
    assert seen
    assert seen <= steps
    for _kind, _doc_id, source in both():
        assert ("closed_at" in source) == (source["status"] in ("closed", "rejected"))
        assert ("responded_at" in source) == (source["status"] != "new")


def test_groups_and_their_incidents_know_each_other() -> None:
    members: dict[str, list[Json]] = {}
    for source in documents()["incidents"].values():
        for result_id in source.get("incident_aggregation_result_id", []):
            members.setdefault(result_id, []).append(source)
    groups = documents()["aggregations"]
    assert groups
    assert set(members) == set(groups)
    for result_id, group in groups.items():
        own = members[result_id]
        assert group["incident_aggregation_result_id"] == result_id
        assert group["incidents_count"] == len(own) >= 3
        assert group["first_seen"] == min(one["@timestamp"] for one in own)
        assert group["@timestamp"] == max(one["@timestamp"] for one in own)
        assert {tuple(one["group_numbers"]) for one in own} == {(group["group_number"],)}
        assert {tuple(one["incident_aggregation_id"]) for one in own} == {(group["incident_aggregation_id"],)}
        assert group["status"] in {one["status"] for one in own}


def test_the_data_look_like_a_security_team_s() -> None:
    incidents = list(documents()["incidents"].values())
    rules = Counter(source["rule"]["name"] for source in incidents)
    hosts = Counter(source["entities"].get("host", "") for source in incidents)
    # A power law: a few rules and hosts make much of the noise, many are rare.
    assert sum(count for _name, count in rules.most_common(10)) > SIZE / 3
    assert sum(1 for count in rules.values() if count <= SIZE // 200) > len(rules) / 3
    assert hosts.most_common(1)[0][1] > 5 * SIZE / len(hosts)
    by_hour = Counter(at(source["@timestamp"]) // 3_600_000 % 24 for source in incidents)
    assert sum(by_hour[hour] for hour in range(8, 16)) > 2 * sum(by_hour[hour] for hour in (22, 23, 0, 1, 2, 3, 4, 5))
    assert {source["severity"] for source in incidents} == {"informational", "low", "medium", "high", "critical"}
    assert {"closed", "new"} <= {source["status"] for source in incidents}
    assert not lookup({tag for source in incidents for tag in source["mitre"]}).unknown


def at(text: str) -> int:
    from datetime import UTC

    return parse_instant(text, now_ms=0, tz=UTC)

"""Ground for tests of grouping: five rules, incidents for them, and what plain Python says they belong to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from imweb.configuration import store
from imweb.demo.importing import parse
from imweb.grouping.rules import FUNCTIONS, RULES
from imweb.incidents.documents import iso, new_source
from imweb.incidents.fields import Kind, dynamic_field
from imweb.incidents.registry import ensure_mapped
from imweb.opensearch import gateway, schema
from tests import stored

Json = dict[str, Any]
Groups = dict[tuple[Any, ...], frozenset[str]]
HOUR, DAY = 3_600_000, 86_400_000
RANKS = ["informational", "low", "medium", "high", "critical"]
DETECTIONS = Path(__file__).parents[3] / "shared/data/detections.ndjson"


@dataclass(frozen=True)
class Five:
    """A rule as it is saved, and its filter once more as a function of a document."""

    data: Json
    matches: Callable[[Json], bool]


def _rule(name: str, comparison: list[str], matches: Callable[[Json], bool], **data: Any) -> Five:
    return Five(
        {"name": name, "title": name.capitalize(), "comparison": comparison, "look_back": 3_660, **data}, matches
    )


FIVE = [
    _rule(
        "bad-host",
        ["entities.host"],
        lambda doc: doc["severity"] in ("high", "critical"),
        filter="severity:>=high",
        window={"kind": "fixed", "minutes": 60},
        minimum=2,
        and_go_on=True,
        functions=[{"name": "rules", "function": "distinct", "field": "rule.id"}],
        group_title="{incidents_count} on {comparison.host} by {function.rules} rules",
    ),
    _rule(
        "host-and-day",
        ["entities.host"],
        lambda doc: doc["severity"] != "low",
        filter="not severity:low",
        window={"kind": "fixed", "minutes": 1_440},
        minimum=2,
        and_go_on=True,
        functions=[{"name": "users", "function": "distinct", "field": "entities.user"}],
        additional=["source"],
    ),
    _rule(
        "user-and-rule",
        ["entities.user", "rule.id"],
        lambda doc: bool(doc["entities"].get("user")) and doc["severity"] != "high",
        filter="user:* and not severity:high",
        minimum=3,
        window={"kind": "open", "minutes": 600},
    ),
    _rule(
        "same-rule",
        ["rule.id"],
        lambda doc: doc["source"] != "proxy",
        filter="not source:proxy",
        minimum=4,
        functions=[{"name": what, "function": what, "field": "score"} for what in FUNCTIONS]
        + [
            {"name": "began", "function": "min", "field": "@timestamp"},
            {"name": "opening", "function": "first", "field": "severity"},
            {"name": "closing", "function": "last", "field": "severity"},
        ],
        additional=["entities.user", "severity"],
    ),
    _rule("rest", ["source", "severity"], lambda doc: True, minimum=1),
]


def save_five() -> None:
    """Save the five rules in their order."""
    ensure_mapped([dynamic_field("score", Kind.NUMBER)])
    for item in FIVE:
        store.save(RULES, item.data, by="test")


def generated(count: int, seed: int = 7) -> dict[str, Json]:
    """Return incidents by id: some hosts, users and rules over three days, many without a user."""
    draw = random.Random(seed)
    found = {}
    for number in range(count):
        entities: Json = {"host": draw.sample([f"H{n}" for n in range(9)], draw.choice((1, 1, 1, 2)))}
        if draw.random() < 0.4:
            entities["user"] = f"u{draw.randrange(12)}"
        if draw.random() < 0.1:
            entities.pop("host")
        found[f"i{seed}-{number}"] = {
            "@timestamp": stored.at(draw.randrange(3 * 86_400)),
            "title": "Something",
            "severity": draw.choice(["low", "low", "medium", "high", "critical"]),
            "status": "new",
            "workflow_id": "default",
            "source": draw.choice(["edr", "proxy"]),
            "rule": {"id": f"r{draw.randrange(40)}", "name": "R"},
            "entities": entities,
        }
        if draw.random() < 0.8:
            found[f"i{seed}-{number}"]["score"] = draw.randrange(100)
    return found


def detected() -> dict[str, Json]:
    """Return the incidents of real detections by id, none where that file does not stand beside this repository."""
    if not DETECTIONS.exists():
        return {}
    found = [parse(line) for line in DETECTIONS.read_bytes().splitlines()]
    more = {"workflow_id": "default"}
    return {
        one.id: {**one.body, **more, "@timestamp": iso(one.time_ms), "score": len(one.body["title"])} for one in found
    }


def write(documents: Mapping[str, Json], order: Iterable[str] | None = None) -> None:
    """Store incidents by `create`, as they come; one that is there already stays as it is."""
    lines: list[Json] = []
    for doc_id in order or documents:
        source = new_source("incident", doc_id, documents[doc_id], user="test", now_ms=stored.NOW)
        lines += [{"create": {"_index": schema.incidents_alias(), "_id": doc_id}}, source]
    for item in gateway().bulk(lines):
        assert item["create"]["status"] in (201, 409), item


def expected(documents: Mapping[str, Json]) -> Groups:
    """Work out in plain Python which groups the five rules make of incidents."""
    found: dict[tuple[Any, ...], set[str]] = {}
    for doc_id, doc in documents.items():
        for item in FIVE:
            values = [_values(doc, path) for path in item.data["comparison"]]
            if not item.matches(doc) or not all(values):
                continue
            found.setdefault((item.data["name"], *values, _span(item.data, doc)), set()).add(doc_id)
            if not item.data.get("and_go_on"):
                break
    smallest = {item.data["name"]: item.data.get("minimum", 2) for item in FIVE}
    return {key: frozenset(ids) for key, ids in found.items() if len(ids) >= smallest[key[0]]}


def actual() -> Groups:
    """Read the groups as they stand, and check that every place that tells of them tells the same."""
    gateway().refresh(schema.document_aliases())
    rules = {item.data["name"]: item.data for item in FIVE}
    groups = {hit["_id"]: hit["_source"] for hit in _all(schema.aggregations_alias())}
    members: dict[str, set[str]] = {one: set() for one in groups}
    docs = {}
    for hit in _all(schema.incidents_alias()):
        source = docs[hit["_id"]] = hit["_source"]
        own = source.get("incident_aggregation_result_id", [])
        assert len(own) == len(set(own)) == len(source.get("incident_aggregation_id", [])), "one group of a grouping"
        assert sorted(groups[one]["group_number"] for one in own) == sorted(source.get("group_numbers", []))
        assert source["rev"] == 1 + len(own), "each joining is one change"
        assert not source.get("pending"), "its history is copied"
        for one in own:
            members[one].add(hit["_id"])
    found: Groups = {}
    for one, source in groups.items():
        rule = rules[source["incident_aggregation_id"]]
        values = [_values(source["comparison_fields"], path, flat=True) for path in rule["comparison"]]
        ids = members[one]
        assert ids, source
        assert source["incidents_count"] == len(ids)
        assert "op" not in source
        times = sorted(_ms(docs[doc_id]) for doc_id in ids)
        assert (_ms(source), _ms({"@timestamp": source["first_seen"]})) == (times[-1], times[0])
        _check_figures(rule, source, [docs[doc_id] for doc_id in ids])
        key = (rule["name"], *values, _span(rule, docs[next(iter(ids))]))
        assert key not in found, "a group is made once"
        found[key] = frozenset(ids)
    return found


def _check_figures(rule: Json, group: Json, members: list[Json]) -> None:
    """Check what a group says of its incidents against what Python works out."""
    wanted = {one["name"]: _worked_out(one, members) for one in rule.get("functions", ())}
    # Moments are compared as such, whatever their form.
    got = {name: _ms({"@timestamp": v}) if name == "began" else v for name, v in group["function_fields"].items()}
    assert got == wanted
    copied = {path: frozenset(v for doc in members for v in _values(doc, path)) for path in rule.get("additional", ())}
    assert {path: _values(group["additional_fields"], path, flat=True) for path in copied} == copied
    worst = max((doc["severity"] for doc in members if doc.get("severity")), key=RANKS.index, default=None)
    assert group.get("severity") == worst
    if "group_title" in rule:
        hosts = sorted(_values(group["comparison_fields"], "entities.host", flat=True))
        shown = ", ".join([*hosts[:3], *(["…"] if len(hosts) > 3 else [])])
        assert group["title"] == f"{len(members)} on {shown} by {wanted['rules']} rules"
    else:
        assert group["title"] == rule["title"]


def _worked_out(function: Json, members: list[Json]) -> Any:
    path, what = function["field"], function["function"]
    having = [doc for doc in members if _values(doc, path)]
    values = [value for doc in having for value in _values(doc, path)]
    if what == "min" and path == "@timestamp":
        return min(map(_ms, members))
    early = sorted(having, key=lambda doc: (_ms(doc), doc["key"]))
    late = sorted(having, key=lambda doc: (-_ms(doc), doc["key"]))
    return {
        "count": lambda: len(having),
        "distinct": lambda: len(set(values)),
        "sum": lambda: sum(values),
        "min": lambda: min(values, default=None),
        "max": lambda: max(values, default=None),
        "first": lambda: early[0][path] if early else None,
        "last": lambda: late[0][path] if late else None,
    }[what]()


def _all(alias: str) -> list[Json]:
    hits: list[Json] = []
    body: Json = {"size": 5_000, "query": {"match_all": {}}, "sort": [{"key": "asc"}]}
    while True:
        page = gateway().search(body, index=alias)["hits"]["hits"]
        hits += page
        if len(page) < 5_000:
            return hits
        body["search_after"] = page[-1]["sort"]


def _values(doc: Any, path: str, *, flat: bool = False) -> frozenset[Any]:
    value = doc.get(path) if flat else doc
    for part in () if flat else path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return frozenset(v for v in (value if isinstance(value, list) else [value]) if v not in (None, ""))


def _span(rule: Json, doc: Json) -> int | None:
    window = rule.get("window", {"kind": "open"})
    return None if window["kind"] == "open" else _ms(doc) // (window["minutes"] * 60_000)


def _ms(doc: Json) -> int:
    return int(datetime.fromisoformat(doc["@timestamp"]).timestamp() * 1000)

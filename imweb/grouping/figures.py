"""What a group says about its incidents, worked out from them anew: never incremented, so that a repeat is harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imweb.grouping.rules import Function, GroupingRule
from imweb.incidents.documents import iso
from imweb.incidents.fields import ENTITIES, FieldDef, Kind, Registry
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
MEMBERS = "incident_aggregation_result_id"
# The union of what its incidents carry is bounded, so that a group of a million is no larger than one of fifty.
MOST_VALUES = 50
UNION = ("rule.id", "rule.name", "source", "mitre", *(f"entities.{entity}" for entity in ENTITIES))
# Levels of severity that a group counts; there are a handful.
_LEVELS = 100
# OpenSearch allows 65,535 buckets an answer.
_MOST_BUCKETS = 60_000
_PAGE = 10_000


@dataclass(slots=True)
class Figures:
    """One group's figures; times in ISO 8601, `severities` counts by level."""

    count: int
    first_seen: str = ""
    last_seen: str = ""
    severities: dict[str, int] = field(default_factory=dict)
    union: dict[str, list[Any]] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    additional: dict[str, list[Any]] = field(default_factory=dict)

    def fields(self) -> Json:
        """Return the figures as fields of the aggregation result."""
        body: Json = {"incidents_count": self.count, "function_fields": self.functions}
        # Without incidents there is no time: what stood there stays.
        if self.count and self.last_seen:
            body |= {"@timestamp": self.last_seen, "first_seen": self.first_seen}
        for path, values in self.union.items():
            if values:
                put(body, path, values[0] if len(values) == 1 and path != "mitre" else values)
        return body


def figures(rule: GroupingRule, ids: Sequence[str], registry: Registry) -> dict[str, Figures]:
    """Return the figures of groups from what is searchable now; a group without incidents has a count of 0."""
    found: dict[str, Figures] = {}
    most = len(UNION) + len(rule.additional)
    at_once = _MOST_BUCKETS // (most * MOST_VALUES + _LEVELS + len(rule.functions) + 1)
    parts = [list(ids[start : start + at_once]) for start in range(0, len(ids), at_once)]
    subs = _subs(rule, registry)
    answers = gateway().msearch([_body(part, subs) for part in parts], index=schema.incidents_alias()) if parts else []
    for part, answer in zip(parts, answers, strict=True):
        found |= {one: Figures(0) for one in part}
        for bucket in answer["aggregations"]["groups"]["buckets"]:
            found[bucket["key"]] = _read(rule, bucket)
    for function in rule.functions:
        if function.function == "distinct":
            for one, number in _distinct(ids, registry, function).items():
                found[one].functions[function.name] = number
    return found


def _members(ids: Sequence[str]) -> Json:
    return {"bool": {"filter": [{"terms": {MEMBERS: list(ids)}}], "must_not": [{"term": {"deleted": True}}]}}


def _body(wanted: list[str], subs: Json) -> Json:
    aggs = {
        # By map: ordinals of every group there is would be built anew after each refresh.
        "groups": {
            "terms": {"field": MEMBERS, "include": wanted, "size": len(wanted), "execution_hint": "map"},
            "aggs": subs,
        }
    }
    return {"size": 0, "track_total_hits": False, "query": _members(wanted), "aggs": aggs}


def _subs(rule: GroupingRule, registry: Registry) -> Json:
    subs: Json = {
        "low": {"min": {"field": "@timestamp"}},
        "high": {"max": {"field": "@timestamp"}},
        "severity": {"terms": {"field": "severity", "size": _LEVELS}},
    }
    for path in dict.fromkeys((*UNION, *rule.additional)):
        known = registry.get(path)
        if known is not None:
            terms: Json = {"field": known.exact, "size": MOST_VALUES}
            if known.kind in (Kind.KEYWORD, Kind.TEXT):
                terms["execution_hint"] = "map"
            subs[f"u:{path}"] = {"terms": terms}
    for function in rule.functions:
        known = registry.get(function.field)
        if known is None:
            continue
        name = f"f:{function.name}"
        match function.function:
            case "count":
                subs[name] = {"filter": {"exists": {"field": known.name}}}
            case "min" | "max" | "sum":
                subs[name] = {function.function: {"field": known.exact}}
            case "first" | "last":
                order = "asc" if function.function == "first" else "desc"
                hits = {"size": 1, "_source": [known.name], "sort": [{"@timestamp": order}, {"key": "asc"}]}
                subs[name] = {"filter": {"exists": {"field": known.name}}, "aggs": {"hit": {"top_hits": hits}}}
    return subs


def _read(rule: GroupingRule, bucket: Mapping[str, Any]) -> Figures:
    def values(path: str) -> list[Any]:
        part = bucket.get(f"u:{path}")
        return [item.get("key_as_string", item["key"]) for item in part["buckets"]] if part else []

    functions: Json = {}
    for function in rule.functions:
        part = bucket.get(f"f:{function.name}")
        if part is None:
            functions[function.name] = 0 if function.function == "distinct" else None
        elif function.function == "count":
            functions[function.name] = part["doc_count"]
        elif function.function in ("first", "last"):
            hits = part["hit"]["hits"]["hits"]
            functions[function.name] = _at(hits[0]["_source"], function.field) if hits else None
        else:
            functions[function.name] = part.get("value_as_string", part["value"])
    return Figures(
        count=int(bucket["doc_count"]),
        first_seen=_moment(bucket["low"]),
        last_seen=_moment(bucket["high"]),
        severities={str(item["key"]): int(item["doc_count"]) for item in bucket["severity"]["buckets"]},
        union={path: values(path) for path in UNION},
        functions=functions,
        additional={path: values(path) for path in rule.additional},
    )


def _moment(part: Mapping[str, Any]) -> str:
    """Return the moment of a `min` or `max` over times, empty when no document has one."""
    return "" if part["value"] is None else iso(int(part["value"]))


def _distinct(wanted: Sequence[str], registry: Registry, function: Function) -> dict[str, int]:
    """Count different values exactly: `cardinality` would only estimate them."""
    known = registry.get(function.field)
    counts = dict.fromkeys(wanted, 0)
    if known is None:
        return counts
    sources = [{"group": {"terms": {"field": MEMBERS}}}, {"value": {"terms": {"field": known.exact}}}]
    composite: Json = {"size": _PAGE, "sources": sources}
    query = _members(wanted)
    while True:
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"pairs": {"composite": composite}}}
        pairs = gateway().search(body, index=schema.incidents_alias())["aggregations"]["pairs"]
        for bucket in pairs["buckets"]:
            # An incident of several groups yields pairs of the others too.
            if bucket["key"]["group"] in counts:
                counts[bucket["key"]["group"]] += 1
        if len(pairs["buckets"]) < _PAGE:
            return counts
        composite["after"] = pairs["after_key"]


def unusable(rule: GroupingRule, registry: Registry) -> list[tuple[str, str]]:
    """Return (field, reason) for each field of a rule that is unknown, or of no use where it stands."""
    found = []
    for path in rule.comparison:
        found += _fault(registry, "comparison", path, {Kind.KEYWORD, Kind.NUMBER, Kind.BOOLEAN, Kind.TEXT})
    for path in rule.additional:
        found += _fault(registry, "additional", path, {Kind.KEYWORD, Kind.NUMBER, Kind.BOOLEAN})
    for function in rule.functions:
        kinds = {Kind.NUMBER, Kind.DATE} if function.function in ("min", "max") else set(Kind)
        kinds = {Kind.NUMBER} if function.function == "sum" else kinds
        found += _fault(registry, f"functions.{function.name}", function.field, kinds)
    return found


def _fault(registry: Registry, where: str, path: str, kinds: set[Kind]) -> list[tuple[str, str]]:
    known: FieldDef | None = registry.get(path)
    if known is None:
        near = registry.nearest(path)
        return [(where, f"there is no field '{path}'" + (f"; did you mean '{near}'?" if near else ""))]
    if known.kind not in kinds:
        return [(where, f"'{path}' holds {known.kind} values, which cannot be used here")]
    return []


def put(body: Json, path: str, value: Any) -> None:
    """Set a value at a dotted path."""
    head, _, rest = path.partition(".")
    if rest:
        put(body.setdefault(head, {}), rest, value)
    else:
        body[head] = value


def _at(source: Mapping[str, Any], path: str) -> Any:
    found: Any = source
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found

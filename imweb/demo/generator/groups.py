"""Which sightings of one hour belong together, and the aggregation result that stands for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .rules import LEVEL_SHARE, NAMESPACE
from .scenes import HOSTLESS, Sighting

Json = dict[str, Any]
MINIMUM = 3
MOST_VALUES = 50
RANKS = {level: rank for rank, level in enumerate(reversed(LEVEL_SHARE))}
# The groupings a first user would set up; each collects within the hours of the clock.
GROUPINGS = {
    "same-user": ("Same user, 1 h", ("entities.user",)),
    "same-mail": ("Same sender domain, 1 h", ("rule.id", "entities.domain")),
    "same-address": ("Same address outside, 1 h", ("rule.id", "entities.source_ip")),
    "same-rule-host": ("Same rule and host, 1 h", ("rule.id", "entities.host")),
}


@dataclass(frozen=True, slots=True)
class Group:
    """A group of one hour: the numbers of its sightings within the block."""

    id: str
    grouping: str
    members: tuple[int, ...]


def group(run: str, hour: int, sightings: list[Sighting]) -> list[Group]:
    """Return the groups of an hour; a sighting is in one at most, and fewer than three make none."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, sighting in enumerate(sightings):
        if key := _key(sighting):
            found.setdefault(key, []).append(number)
    return [
        Group(f"a{uuid.uuid5(NAMESPACE, f'{run}/{hour}/{chr(31).join(key)}')}", key[0], tuple(members))
        for key, members in found.items()
        if len(members) >= MINIMUM
    ]


def _key(sighting: Sighting) -> tuple[str, ...] | None:
    kind = sighting.cause.kind if sighting.cause else ""
    if kind == "campaign":
        return ("same-user", sighting.user)
    if kind == "wave":
        return ("same-mail", sighting.rule.id, sighting.domain)
    if kind == "scan" and sighting.host.kind in ("dmz", "linux"):
        return ("same-address", sighting.rule.id, sighting.outside)
    if sighting.rule.kind in HOSTLESS:
        return None
    return ("same-rule-host", sighting.rule.id, sighting.host.name)


def worst(levels: Iterable[str]) -> str:
    """Return the highest severity of several."""
    return max(levels, key=lambda level: RANKS[level])


def result_of(found: Group, members: list[Json]) -> Json:
    """Return what an aggregation result says about its incidents (their bodies, oldest first)."""
    name, compared = GROUPINGS[found.grouping]
    severity = worst(member["severity"] for member in members)
    loudest = next(member for member in members if member["severity"] == severity)
    entities: Json = {}
    for member in members:
        for entity, value in member["entities"].items():
            _collect(entities.setdefault(entity, {}), value)
    rules: dict[str, str] = {member["rule"]["id"]: member["rule"]["name"] for member in members}
    hosts, users = len(entities.get("host", ())), len(entities.get("user", ()))
    last = members[-1]
    return {
        "@timestamp": last["@timestamp"],
        "title": loudest["title"],
        "description": f"{len(members)} incidents within an hour: {name.partition(',')[0].lower()}.",
        "severity": severity,
        "workflow_id": "default",
        "rule": {"id": _plain(rules), "name": _plain(dict.fromkeys(rules.values()))},
        "source": _plain(dict.fromkeys(member["source"] for member in members)),
        "mitre": list(dict.fromkeys(tag for member in members for tag in member["mitre"]))[:MOST_VALUES],
        "entities": {entity: _plain(values) for entity, values in entities.items()},
        "incident_aggregation_id": found.grouping,
        "incident_aggregation_result_id": found.id,
        "incidents_count": len(members),
        "first_seen": members[0]["@timestamp"],
        "comparison_fields": {path: _at(loudest, path) for path in compared},
        "function_fields": {"hosts": hosts, "users": users, "rules": len(rules)},
        "additional_fields": {"grouping": name},
        "site": last["site"],
        "asset_tags": list(dict.fromkeys(tag for member in members for tag in member["asset_tags"])),
        "risk_score": max(member["risk_score"] for member in members),
    }


def _collect(values: dict[str, None], value: str | list[str]) -> None:
    for one in [value] if isinstance(value, str) else value:
        if len(values) >= MOST_VALUES:
            return
        values[one] = None


def _plain(values: Mapping[str, Any]) -> str | list[str]:
    listed = list(values)
    return listed[0] if len(listed) == 1 else listed[:MOST_VALUES]


def _at(body: Json, path: str) -> Any:
    head, _, rest = path.partition(".")
    value = body.get(head)
    return _at(value, rest) if rest and isinstance(value, dict) else value

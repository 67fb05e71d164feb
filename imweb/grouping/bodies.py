"""What is written of a group: its first body, and its fields once its figures are known; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imweb.grouping.claims import Claim, Seen
from imweb.grouping.figures import Figures, put
from imweb.grouping.keys import Key, fill, tokens_of
from imweb.grouping.rules import GroupingRule
from imweb.incidents.documents import fingerprint_of, iso

Json = dict[str, Any]
MAX_TITLE, MAX_DESCRIPTION = 300, 4_000


def first_body(claim: Claim, members: Sequence[Seen], ranks: Mapping[str, int]) -> Json:
    """Return the body of a group that is made now, from what is known of its incidents already."""
    rule = claim.rule
    times = [one.time_ms for one in members]
    counts = Figures(len(members), iso(min(times)), iso(max(times)), {one.severity: 1 for one in members})
    body: Json = {
        "@timestamp": counts.last_seen,
        "first_seen": counts.first_seen,
        "incident_aggregation_id": rule.name,
        "incidents_count": len(members),
        "comparison_fields": compared(rule, claim.key),
        **words(rule, claim.key, counts),
    }
    if severity := severity_of(rule, counts.severities, ranks):
        body["severity"] = severity
    if rule.reviewer:
        body["reviewer"] = rule.reviewer
    if claim.partition:
        body["partition"] = [path for path, _values in claim.partition]
        for path, values in claim.partition:
            if values:
                put(body, path, values[0] if len(values) == 1 else list(values))
    workflows = {one.workflow for one in members}
    if len(workflows) == 1 and (workflow := next(iter(workflows))):
        # A change that is spread to the incidents must be a step of their own workflow.
        body["workflow_id"] = workflow
    return body


def described(rule: GroupingRule, source: Json, figures: Figures, ranks: Mapping[str, int]) -> Json:
    """Return a stored group with its figures; what somebody has set by hand stays as he set it."""
    new = {**source, **figures.fields()}
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(source.get(name), dict) and name in ("rule", "entities"):
            new[name] = {**source[name], **value}
    new["additional_fields"] = {path: _plain(values) for path, values in figures.additional.items() if values}
    by_hand = {name for name, mark in (source.get("touched") or {}).items() if not mark.get("follows")}
    computed = words(rule, key_in(rule, source), figures)
    if severity := severity_of(rule, figures.severities, ranks):
        computed["severity"] = severity
    new |= {name: value for name, value in computed.items() if name not in by_hand}
    if mark := fingerprint_of(new):
        new["fingerprint"] = mark
    return new


def words(rule: GroupingRule, key: Key, figures: Figures) -> Json:
    """Return title and description with their tokens filled in."""
    tokens = tokens_of(
        rule,
        key,
        {item.name: figures.functions.get(item.name) for item in rule.functions},
        count=figures.count,
        first_seen=figures.first_seen,
        last_seen=figures.last_seen,
    )
    found = {"title": fill(rule.group_title, tokens, MAX_TITLE)}
    if rule.group_description:
        found["description"] = fill(rule.group_description, tokens, MAX_DESCRIPTION)
    return found


def severity_of(rule: GroupingRule, counts: Mapping[str, int], ranks: Mapping[str, int]) -> str:
    """Return a rule's own level, else the worst of the incidents'; empty when none of them is a level."""
    if rule.severity != "highest":
        return rule.severity if rule.severity in ranks else ""
    known = [name for name in counts if name in ranks]
    return max(known, key=lambda name: ranks[name], default="")


def compared(rule: GroupingRule, key: Key) -> Json:
    """Return what the incidents of a group have in common, by field."""
    return {path: _plain(list(values)) for path, values in zip(rule.comparison, key, strict=True)}


def key_in(rule: GroupingRule, source: Mapping[str, Any]) -> Key:
    """Return the key that a stored group was made by; a rule that compares otherwise now finds nothing there."""
    held = source.get("comparison_fields") or {}
    return tuple(
        tuple(found) if isinstance(found := held.get(path, []), list) else (found,) for path in rule.comparison
    )


def _plain(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values

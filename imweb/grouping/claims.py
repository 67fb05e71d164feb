"""Which groups an incident belongs to, by the incident and the rules alone; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imweb.grouping.keys import Key, Partition, base_id, key_of, partition_of, span_of
from imweb.grouping.rules import GroupingRule
from imweb.incidents.editing.joining import GROUPING, RESULT, texts

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a new group takes from an incident before its figures are worked out, and where it is a member already.

    `groups` are pairs of a grouping and a result; an incident of several groups names each with each.
    """

    id: str
    time_ms: int
    severity: str
    workflow: str
    groups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One incident of one group: `base` names the group without its generation."""

    rule: GroupingRule
    base: str
    key: Key
    partition: Partition
    seen: Seen


def seen_of(doc_id: str, source: Mapping[str, Any], time_ms: int) -> Seen:
    """Return what is taken from an incident as it was read."""
    groups = tuple((grouping, result) for grouping in texts(source, GROUPING) for result in texts(source, RESULT))
    return Seen(doc_id, time_ms, str(source.get("severity", "")), str(source.get("workflow_id", "")), groups)


def claims_of(
    rules: Sequence[GroupingRule],
    matched: Collection[str],
    source: Mapping[str, Any],
    seen: Seen,
    access: Sequence[str],
) -> list[Claim]:
    """Return the groups that an incident is to join; `rules` are all in order, `matched` those it matches."""
    held = set(texts(source, GROUPING))
    settled = any(rule.name in held and not rule.and_go_on for rule in rules)
    found = []
    for rule in rules:
        if rule.name in held:
            if rule.and_go_on:
                continue
            break
        if rule.name not in matched or (settled and not rule.and_go_on):
            continue
        key = key_of(rule.comparison, source)
        if key is None:
            continue
        partition = partition_of(access, source)
        found.append(Claim(rule, base_id(rule, key, partition, span_of(rule, seen.time_ms)), key, partition, seen))
        if not rule.and_go_on:
            break
    return found

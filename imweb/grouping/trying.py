"""Trying a rule: which groups the last day would have made with it among the others; nothing is written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imweb.configuration.store import Item, items
from imweb.errors import ValidationFailed
from imweb.grouping.bodies import severity_of, words
from imweb.grouping.claims import Claim
from imweb.grouping.figures import Figures
from imweb.grouping.keys import values_of
from imweb.grouping.ready import Ready, make_ready
from imweb.grouping.rules import RULES, Function, GroupingRule
from imweb.grouping.service import check
from imweb.incidents.clauses import date_range
from imweb.incidents.documents import iso
from imweb.incidents.dsl import NOT_DELETED
from imweb.incidents.editing.holding import now_ms
from imweb.incidents.registry import registry
from imweb.incidents.severities import severities
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
DAY_MS = 86_400_000
MOST_INCIDENTS = 50_000
MOST_GROUPS = 50
_PAGE = 2_000
_MEMBERS = 5


@dataclass(frozen=True, slots=True)
class TriedGroup:
    """A group that would have been made; `incidents` are the ids of the first few of its `count`."""

    title: str
    description: str
    severity: str
    count: int
    first_seen: str
    last_seen: str
    compared: Mapping[str, tuple[Any, ...]]
    incidents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rule would have done with the incidents of a day.

    `matched` incidents match its filter, `claimed` of them are not an earlier rule's and have all fields, `alone` of
    these find too little company. The largest of the `made` groups are in `groups`. `complete` is False when the day
    has more incidents than are looked at; the newest are.
    """

    matched: int
    claimed: int
    alone: int
    made: int
    groups: tuple[TriedGroup, ...]
    complete: bool
    took: int


@dataclass(slots=True)
class _Gathered:
    claim: Claim
    members: list[str] = field(default_factory=list)
    count: int = 0
    low: int = 0
    high: int = 0
    severities: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)


def try_it(rule: GroupingRule, *, until_ms: int | None = None) -> Trial:
    """Return which groups a rule would have made of the last day; raises `ValidationFailed` as saving it would."""
    if faults := check(rule):
        raise ValidationFailed.of(faults)
    started = time.perf_counter()
    rule = rule.model_copy(update={"enabled": True})
    ready = make_ready(_with(rule), registry())
    found: dict[str, _Gathered] = {}
    matched = claimed = 0
    end = now_ms() if until_ms is None else until_ms
    for hit in _hits(ready, rule, end):
        matched += 1
        for claim in ready.claims(hit, blank=True):
            if claim.rule.name == rule.name:
                claimed += 1
                _gather(found.setdefault(claim.base, _Gathered(claim)), claim, hit["_source"])
    made = sorted((one for one in found.values() if one.count >= rule.minimum), key=lambda one: -one.count)
    ranks = {level.name: level.rank for level in severities()}
    return Trial(
        matched=matched,
        claimed=claimed,
        alone=claimed - sum(one.count for one in made),
        made=len(made),
        groups=tuple(_tried(rule, one, ranks) for one in made[:MOST_GROUPS]),
        complete=matched < MOST_INCIDENTS,
        took=round((time.perf_counter() - started) * 1000),
    )


def _with(rule: GroupingRule) -> list[Item[GroupingRule]]:
    """Return the rules as they stand with this one in its place, a new one last, however far they look back."""
    standing = [item.value for item in items(RULES, fresh=True)]
    if any(one.name == rule.name for one in standing):
        return [Item(rule if one.name == rule.name else one, 0) for one in standing]
    return [Item(one, 0) for one in (*standing, rule)]


def _hits(ready: Ready, rule: GroupingRule, end_ms: int) -> Iterator[Json]:
    search = ready.search(size=_PAGE, fresh=False)
    paths = {item.field for item in rule.functions}
    window = date_range("@timestamp", {"gte": end_ms - DAY_MS, "lte": end_ms})
    body: Json = {
        "size": _PAGE,
        "query": {"bool": {"filter": [window, ready.clauses[rule.name], search["clause"]], "must_not": [NOT_DELETED]}},
        "sort": [{"@timestamp": "desc"}, {"key": "asc"}],
        "_source": sorted({*search["_source"], *paths}),
        "docvalue_fields": search["docvalue_fields"],
        "track_total_hits": False,
    }
    seen = 0
    while seen < MOST_INCIDENTS:
        hits = gateway().search(body, index=schema.incidents_alias())["hits"]["hits"]
        yield from hits
        seen += len(hits)
        if len(hits) < _PAGE:
            return
        body["search_after"] = hits[-1]["sort"]


def _gather(one: _Gathered, claim: Claim, source: Json) -> None:
    at = claim.seen.time_ms
    one.low, one.high = (min(one.low, at), max(one.high, at)) if one.count else (at, at)
    one.count += 1
    one.severities[claim.seen.severity] += 1
    if len(one.members) < _MEMBERS:
        one.members.append(claim.seen.id)
    for function in claim.rule.functions:
        values = values_of(source, function.field)
        for value in values[:1] if function.function == "count" else values:
            one.values.setdefault(function.name, []).append((at, value))


def _tried(rule: GroupingRule, one: _Gathered, ranks: Mapping[str, int]) -> TriedGroup:
    functions = {item.name: _worked_out(item, one.values.get(item.name, [])) for item in rule.functions}
    figures = Figures(one.count, iso(one.low), iso(one.high), dict(one.severities), functions=functions)
    said = words(rule, one.claim.key, figures)
    return TriedGroup(
        said["title"],
        said.get("description", ""),
        severity_of(rule, figures.severities, ranks),
        one.count,
        figures.first_seen,
        figures.last_seen,
        dict(zip(rule.comparison, one.claim.key, strict=True)),
        tuple(one.members),
    )


def _worked_out(function: Function, values: list[tuple[int, Any]]) -> Any:
    """Return a function's value over (time, value) pairs, None when there are none."""
    match function.function:
        case "count":
            return len(values)
        case "distinct":
            return len({str(value) for _at, value in values})
        case "first" | "last" if values:
            pick = min if function.function == "first" else max
            return pick(values, key=lambda pair: pair[0])[1]
        case "min" if values:
            return min(value for _at, value in values)
        case "max" if values:
            return max(value for _at, value in values)
        case "sum" if values:
            return sum(value for _at, value in values)
    return None

"""The rules in force, made ready for searches: one search tells of each incident which rules it matches."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from imweb.configuration.store import Item, items
from imweb.errors import ImError
from imweb.grouping.claims import Claim, claims_of, seen_of
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents import access
from imweb.incidents.clauses import date_range
from imweb.incidents.editing.holding import now_ms
from imweb.incidents.editing.joining import GROUPING, RESULT
from imweb.incidents.fields import Registry
from imweb.incidents.params import text_clause
from imweb.incidents.registry import registry

Json = dict[str, Any]
log = logging.getLogger(__name__)
_ALWAYS = ("severity", "workflow_id", GROUPING, RESULT)


@dataclass(frozen=True, slots=True)
class Ready:
    """All rules in order, the clauses of those that can be used, and the access fields that part their groups."""

    rules: tuple[GroupingRule, ...]
    clauses: Mapping[str, Json]
    access: tuple[str, ...]
    registry: Registry

    @property
    def exclusive(self) -> list[str]:
        """Return the names of the rules that keep an incident to themselves."""
        return [rule.name for rule in self.rules if not rule.and_go_on]

    def search(self, *, size: int, fresh: bool) -> Json:
        """Return the parts of a search for incidents that any rule matches; `fresh`: that it might still claim."""
        named = []
        for rule in self.rules:
            if rule.name in self.clauses:
                taken = [rule.name] if rule.and_go_on else self.exclusive
                without = [{"terms": {GROUPING: taken}}] if fresh else []
                named.append({"bool": {"filter": [self.clauses[rule.name]], "must_not": without, "_name": rule.name}})
        paths = {path for rule in self.rules for path in rule.comparison}
        return {
            "size": size,
            "clause": {"bool": {"should": named, "minimum_should_match": 1}},
            "_source": sorted({*_ALWAYS, *paths, *self.access}),
            "docvalue_fields": [{"field": "@timestamp", "format": "epoch_millis"}],
        }

    def claims(self, hit: Mapping[str, Any], *, blank: bool = False) -> list[Claim]:
        """Return what the rules claim of a hit of such a search; `blank`: as if it were in no group yet."""
        source = hit["_source"]
        if blank:
            source = {name: value for name, value in source.items() if name != GROUPING}
        times = hit.get("fields", {}).get("@timestamp") or [0]
        seen = seen_of(hit["_id"], source, int(times[0]))
        return claims_of(self.rules, frozenset(hit.get("matched_queries", ())), source, seen, self.access)


def clause_of(rule: GroupingRule, known: Registry, at_ms: int) -> Json:
    """Return the clause of a rule's filter; raises `ValidationFailed` naming what is wrong with it."""
    return text_clause(rule.filter, known, now_ms=at_ms, tz=UTC) or {"match_all": {}}


def make_ready(standing: Sequence[Item[GroupingRule]], known: Registry) -> Ready:
    """Return rules made ready; one whose filter cannot be read any more claims nothing, and the log says so."""
    clauses: dict[str, Json] = {}
    for item in standing:
        rule = item.value
        if not rule.enabled:
            continue
        try:
            clause = clause_of(rule, known, now_ms())
        except ImError as error:
            log.warning("the grouping rule %s cannot be used: %s", rule.name, error.reason)
            continue
        if item.updated_at is not None:
            since = item.updated_at - timedelta(days=rule.look_back)
            clause = {"bool": {"filter": [clause, date_range("created_at", {"gte": int(since.timestamp() * 1000)})]}}
        clauses[rule.name] = clause
    return Ready(tuple(item.value for item in standing), clauses, access.access_fields(), known)


def load() -> Ready:
    """Read the rules as they stand."""
    return make_ready(items(RULES, fresh=True), registry(fresh=True))


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield slices of a sequence; an SQLite statement takes a limited number of values."""
    for start in range(0, len(items), size):
        yield items[start : start + size]

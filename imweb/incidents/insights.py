"""What a list shows beside its rows: how many there are and are new, what was decided on the same before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from imweb.accounts.actor import Actor
from imweb.incidents import access, clauses, dsl
from imweb.incidents.documents import Document, iso
from imweb.incidents.dsl import IS_AGGREGATION, NOT_DELETED
from imweb.incidents.params import Filters
from imweb.incidents.resultset import result_set
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
DAY_MS = 86_400_000
SEEN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Earlier:
    """How often the same rule fired on the same host, or by the same user, in the last 30 days; what was decided."""

    count: int
    resolutions: dict[str, int]
    by: Literal["host", "user"] = "host"

    @property
    def verdict(self) -> tuple[str, int] | None:
        """Return the most frequent decision and its number."""
        return max(self.resolutions.items(), key=lambda item: item[1]) if self.resolutions else None


@dataclass(frozen=True, slots=True)
class Counts:
    """The rows of a list, and the incidents for which they stand."""

    rows: int
    incidents: int


MAX_COUNTED = 256
_counted: dict[bytes, Counts] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """The counts by severity in the window of the same length just before."""

    counts: dict[str, int]
    span_ms: int


def new_since(actor: Actor, filters: Filters, since_ms: int) -> int:
    """Return how many documents under these filters were created after a moment, counted in the live indices."""
    with result_set(actor, replace(filters, end_time=None, collapse_grouped=False), None, snapshot=False) as found:
        return found.reader.count(dsl.date_range("created_at", {"gt": since_ms}))


def seen_before(actor: Actor, docs: Sequence[Document], now_ms: int) -> dict[str, list[Earlier]]:
    """Return, by document key, what is known of the same rule in the 30 days before now: on the host, by the user."""
    # One that ends so names no host: all of the rule's, wherever they were, are not "the same".
    incidents = [doc for doc in docs if doc.kind == "incident"]
    marks = sorted({doc.fingerprint for doc in incidents if doc.fingerprint and doc.fingerprint[-1] != "|"})
    pairs: dict[_Pair | None, str] = {pair: f"u{number}" for number, pair in enumerate(_user_pairs(actor, docs))}
    if not marks and not pairs:
        return {}
    start = now_ms - SEEN_DAYS * DAY_MS
    same = [_pair_clause(pair) for pair in pairs if pair]
    if marks:
        same.append({"terms": {"fingerprint": marks}})
    query = {
        "bool": {
            "filter": [clauses.any_of(same), *dsl.time_clause(start, None), *access.clauses(actor)],
            "must_not": [NOT_DELETED],
        }
    }
    inside: Json = (
        {} if "resolution" in actor.hidden else {"resolutions": {"terms": {"field": "resolution", "size": 10}}}
    )
    aggs: Json = {}
    if marks:
        terms = {"field": "fingerprint", "size": len(marks), "include": marks}
        aggs["marks"] = {"terms": terms, "aggs": inside}
    if pairs:
        named = {name: _pair_clause(pair) for pair, name in pairs.items() if pair}
        aggs["pairs"] = {"filters": {"filters": named}, "aggs": inside}
    answer = gateway().search({"size": 0, "query": query, "aggs": aggs}, index=schema.incidents_alias())["aggregations"]
    by_mark = {bucket["key"]: bucket for bucket in answer["marks"]["buckets"]} if marks else {}
    by_pair = answer["pairs"]["buckets"] if pairs else {}
    found: dict[str, list[Earlier]] = {}
    for doc in docs:
        if doc.kind != "incident":
            continue
        within = str(doc.source.get("@timestamp", "")) >= iso(start)
        pair = _user_pair(doc)
        known = []
        if bucket := by_mark.get(doc.fingerprint):
            known.append(_earlier(bucket, "host", doc, within))
        if pair in pairs:
            known.append(_earlier(by_pair[pairs[pair]], "user", doc, within))
        if present := [item for item in known if item.count > 0]:
            found[doc.key] = present
    return found


def _earlier(bucket: Json, by: Literal["host", "user"], doc: Document, within: bool) -> Earlier:
    """Return what a bucket says of the others than the document itself."""
    parts = bucket.get("resolutions", {}).get("buckets", ())
    resolutions = {str(part["key"]): int(part["doc_count"]) for part in parts}
    own = doc.source.get("resolution")
    if within and own in resolutions:
        resolutions[own] -= 1
    others = int(bucket["doc_count"]) - (1 if within else 0)
    return Earlier(others, {name: count for name, count in resolutions.items() if count}, by)


# Of a document: the rule's field, its value, the user.
_Pair = tuple[str, str, str]


def _user_pairs(actor: Actor, docs: Sequence[Document]) -> list[_Pair]:
    if "entities.user" in actor.hidden:
        return []
    return sorted({pair for doc in docs if doc.kind == "incident" and (pair := _user_pair(doc))})


def _user_pair(doc: Document) -> _Pair | None:
    user = _first((doc.source.get("entities") or {}).get("user"))
    rule = doc.source.get("rule") or {}
    for name in ("id", "name"):
        if user and (value := _first(rule.get(name))):
            return f"rule.{name}", value, user
    return None


def _pair_clause(pair: _Pair) -> Json:
    path, rule, user = pair
    return {"bool": {"filter": [{"term": {path: rule}}, {"term": {"entities.user": user}}]}}


def _first(value: Any) -> str:
    return str((value[0] if value else "") if isinstance(value, list) else value or "")


def change_before(actor: Actor, filters: Filters, pit: str | None) -> Change | None:
    """Return the severity counts of the window just before this one; None when the window has no beginning or end."""
    with result_set(actor, filters, pit, snapshot=False) as found:
        start, end = found.clauses.start_ms, found.clauses.end_ms
    if start is None or end is None:
        return None
    span = end - start + 1
    earlier = replace(filters, start_time=start - span, end_time=start - 1)
    with result_set(actor, earlier, pit, snapshot=False) as found:
        answer = found.reader.aggregate({"severity": {"terms": {"field": "severity", "size": 100}}})
    counts = {str(bucket["key"]): int(bucket["doc_count"]) for bucket in answer["severity"]["buckets"]}
    return Change(counts, span)


def rows_before(actor: Actor, filters: Filters, pit: str | None, at_ms: int, *, newest_first: bool = True) -> int:
    """Return how many rows stand before a moment in the order of time: the offset to begin at to see it first."""
    with result_set(actor, filters, pit, snapshot=False) as found:
        return found.reader.count(dsl.date_range("@timestamp", {("gt" if newest_first else "lt"): at_ms}))


def counts(actor: Actor, filters: Filters, pit: str | None) -> Counts:
    """Return how many rows there are, and for how many incidents they stand: single ones, and the groups' members.

    A point in time never changes, so what was counted there once is not counted again for its other pages.
    """
    with result_set(actor, filters, pit, snapshot=False) as found:
        query = found.clauses.query()
        mark = _mark(found.reader.pit, query)
        if mark and (known := _counted.get(mark)):
            return known
        aggs = {"groups": {"filter": IS_AGGREGATION, "aggs": {"members": {"sum": {"field": "incidents_count"}}}}}
        answer = found.reader.search({"size": 0, "query": query, "aggs": aggs, "track_total_hits": True})
    groups = answer["aggregations"]["groups"]
    total = int(answer["hits"]["total"]["value"])
    counted = Counts(total, total - int(groups["doc_count"]) + int(groups["members"]["value"]))
    if mark:
        # Two threads that meet here write the same; the oldest goes first.
        _counted[mark] = counted
        while len(_counted) > MAX_COUNTED:
            _counted.pop(next(iter(_counted)), None)
    return counted


def _mark(raw_pit: str | None, query: Json) -> bytes:
    if not raw_pit:
        return b""
    return hashlib.blake2b(f"{raw_pit} {json.dumps(query, sort_keys=True)}".encode(), digest_size=20).digest()


def related(actor: Actor, doc: Document, now_ms: int) -> dict[str, int]:
    """Return how many other incidents of the last 30 days share this one's host, user, rule or group."""
    wanted: dict[str, Json] = {}
    entities = doc.source.get("entities") or {}
    for name in ("host", "user"):
        if value := entities.get(name):
            wanted[name] = {"terms": {f"entities.{name}": value if isinstance(value, list) else [value]}}
    if rule := (doc.source.get("rule") or {}).get("name"):
        wanted["rule"] = {"term": {"rule.name": rule}}
    if groups := doc.source.get("incident_aggregation_result_id"):
        wanted["group"] = {
            "terms": {"incident_aggregation_result_id": groups if isinstance(groups, list) else [groups]}
        }
    if not wanted:
        return {}
    query = {
        "bool": {
            "filter": [*dsl.time_clause(now_ms - SEEN_DAYS * DAY_MS, None), *access.clauses(actor)],
            "must_not": [NOT_DELETED, {"term": {"key": doc.key}}],
        }
    }
    aggs = {name: {"filter": clause} for name, clause in wanted.items()}
    answer = gateway().search({"size": 0, "query": query, "aggs": aggs}, index=schema.incidents_alias())
    return {name: int(answer["aggregations"][name]["doc_count"]) for name in wanted}

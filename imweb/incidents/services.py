"""Reading incidents and aggregation results: the one way for both faces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import NotFound, ValidationFailed
from imweb.incidents import access, dsl
from imweb.incidents.documents import DocKind, Document, document
from imweb.incidents.dsl import IS_AGGREGATION
from imweb.incidents.paging import order_for
from imweb.incidents.paging.by_time import DIRECT
from imweb.incidents.params import ListQuery, StatisticsQuery, unknown
from imweb.incidents.results import Bucket, Page, SeverityCount, SeverityStatistics, documents
from imweb.incidents.resultset import API_EXCLUDES, ResultSet, result_set
from imweb.incidents.severities import severities
from imweb.incidents.times import to_iso
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
_MAX_SEVERITIES = 1_000


def get_document(actor: Actor, kind: DocKind, doc_id: str) -> Document:
    """Return one document in real time, with its raw event (`NotFound`, also for one that the actor may not see)."""
    actor.require(permissions.VIEW)
    found = _shown(actor, gateway().get(schema.alias_of(kind), doc_id))
    if found is None:
        name = {"incident": _("incident"), "aggregation": _("aggregation result")}[kind]
        raise NotFound(_("There is no %(kind)s with this id.") % {"kind": name})
    return found


def group_titles(actor: Actor, ids: Sequence[str]) -> dict[str, str]:
    """Return the titles of groups in real time, in one round trip; one that the actor may not see has none."""
    actor.require(permissions.VIEW)
    alias = schema.alias_of("aggregation")
    found = [_shown(actor, stored) for stored in gateway().mget([(alias, doc_id) for doc_id in ids])]
    return {doc.id: str(title) for doc in found if doc and (title := doc.source.get("title"))}


def _shown(actor: Actor, stored: Stored | None) -> Document | None:
    """Return a stored document as the actor may see it, None where he may not."""
    # A deleted one stands until its history is copied.
    if stored is None or stored.source.get("deleted") or not access.visible(actor, stored.source):
        return None
    return access.shown(actor, document(stored.index, stored.id, stored.source))


def list_documents(actor: Actor, query: ListQuery, *, excludes: tuple[str, ...] = API_EXCLUDES) -> Page:
    """Return one page; raises what `result_set` raises, and `ValidationFailed` for order and cursor."""
    return _page(actor, query, excludes=excludes)


def aggregation_results(actor: Actor, query: ListQuery, *, aggregation_id: str | None = None) -> Page:
    """Return aggregation results, all of them or one aggregation's."""
    clauses = [IS_AGGREGATION]
    if aggregation_id is not None:
        clauses.append({"term": {"incident_aggregation_id": aggregation_id}})
    return _page(actor, query, *clauses)


def group_members(actor: Actor, result_id: str, query: ListQuery, *, excludes: tuple[str, ...] = API_EXCLUDES) -> Page:
    """Return the incidents of one aggregation result, paged like any list."""
    member = {"term": {"incident_aggregation_result_id": result_id}}
    return _page(actor, query, member, without=(IS_AGGREGATION,), excludes=excludes)


def as_now(actor: Actor, page: Page) -> Page:
    """Return a page with the same rows in the same order, their contents read in real time; what is gone stays."""
    stored = gateway().mget([(doc.index, doc.id) for doc in page.docs]) if page.docs else []
    docs = [
        # An id may have been deleted and given to an incident that the actor may not see.
        access.shown(actor, document(new.index, new.id, new.source))
        if new and not new.source.get("deleted") and access.visible(actor, new.source)
        else doc
        for doc, new in zip(page.docs, stored, strict=True)
    ]
    return replace(page, docs=docs)


def _page(
    actor: Actor,
    query: ListQuery,
    *clauses: Json,
    without: tuple[Json, ...] = (),
    excludes: tuple[str, ...] = API_EXCLUDES,
) -> Page:
    started = time.perf_counter()
    if query.sort.field in actor.hidden:
        raise ValidationFailed.field("sort", unknown(query.sort.field, access.registry_of(actor)))
    # One search alone is consistent in itself; whatever takes several is read in a point in time.
    several = (
        query.with_total or query.offset > DIRECT or query.sort.field != "@timestamp" or query.filters.collapse_grouped
    )
    with result_set(actor, query.filters, query.pit, snapshot=several, excludes=excludes) as found:
        reader = found.reader.narrowed(*clauses, without=without)
        order = order_for(query.sort, found.registry, [level.name for level in severities()])
        part = (
            order.after(reader, query.cursor, query.size)
            if query.cursor
            else order.at(reader, query.offset, query.size)
        )
        total = reader.count() if query.with_total else None
        took = round((time.perf_counter() - started) * 1000)
        docs = [access.shown(actor, doc) for doc in documents(part.hits)]
        return Page(docs, total, part.next, query.pit, took, found.now_ms)


def severity_statistics(actor: Actor, query: StatisticsQuery) -> SeverityStatistics:
    """Return counts by severity, and their histogram when an interval is asked for; both of the same search."""
    started = time.perf_counter()
    with result_set(actor, query.filters, query.pit, snapshot=query.interval is not None) as found:
        return _statistics(found, query.interval, started)


def _statistics(found: ResultSet, interval: str | None, started: float) -> SeverityStatistics:
    groups = {"aggregations": {"filter": IS_AGGREGATION}}
    leveled, unleveled = dict(groups), dict(groups)
    start, end = found.clauses.start_ms, found.clauses.end_ms
    if interval is not None:
        if start is None or end is None:
            start, end = _span(found, start, end)
        if start is not None and end is not None:
            if interval == "auto":
                interval = dsl.auto_interval(start, end)
            part = (interval, start, end, found.filters.tz, found.filters.zone)
            # One of them names every bucket of the window; the others need only their own.
            unleveled["time"] = dsl.histogram(*part)
            leveled["time"] = dsl.histogram(*part, empty=False)
    aggs: Json = {
        "severity": {"terms": {"field": "severity", "size": _MAX_SEVERITIES}, "aggs": leveled},
        "none": {"missing": {"field": "severity"}, "aggs": unleveled},
    }
    answer = found.reader.search({"size": 0, "query": found.clauses.query(), "aggs": aggs, "track_total_hits": True})
    counts = _counts(answer["aggregations"])
    buckets = None
    if interval is not None:
        buckets = _buckets(answer["aggregations"], found) if "time" in unleveled else []
    total = int(answer["hits"]["total"]["value"])
    took = round((time.perf_counter() - started) * 1000)
    return SeverityStatistics(total, counts, took, interval, buckets, start, end)


def _span(found: ResultSet, start: int | None, end: int | None) -> tuple[int | None, int | None]:
    aggs = found.reader.aggregate({"low": {"min": {"field": "@timestamp"}}, "high": {"max": {"field": "@timestamp"}}})
    low, high = aggs["low"]["value"], aggs["high"]["value"]
    if low is None:
        return None, None
    return (int(low) if start is None else start), (int(high) if end is None else end)


def _counts(aggregations: Json) -> list[SeverityCount]:
    buckets = {str(bucket["key"]): bucket for bucket in aggregations["severity"]["buckets"]}
    found = []
    for level in severities():
        bucket = buckets.pop(level.name, None)
        found.append(_count(bucket, level.name, level.label, level.color, level.color_dark, known=True))
    for name, bucket in sorted(buckets.items()):
        found.append(_count(bucket, name, name, "#7d8796", "#7f8b9a", known=False))
    if aggregations["none"]["doc_count"]:
        found.append(_count(aggregations["none"], "", "No severity", "#7d8796", "#7f8b9a", known=False))
    return found


def _count(bucket: Json | None, key: str, label: str, color: str, dark: str, *, known: bool) -> SeverityCount:
    count = bucket["doc_count"] if bucket else 0
    groups = bucket["aggregations"]["doc_count"] if bucket else 0
    return SeverityCount(key, label, color, dark, count, count - groups, groups, known)


def _buckets(aggregations: Json, found: ResultSet) -> list[Bucket]:
    parts = [(str(level["key"]), level) for level in aggregations["severity"]["buckets"]]
    counts: dict[int, dict[str, int]] = {int(item["key"]): {} for item in aggregations["none"]["time"]["buckets"]}
    for name, part in (*parts, ("", aggregations["none"])):
        for item in part["time"]["buckets"]:
            if item["doc_count"]:
                counts.setdefault(int(item["key"]), {})[name] = int(item["doc_count"])
    return [Bucket(at_ms, to_iso(at_ms, found.filters.tz), counts[at_ms]) for at_ms in sorted(counts)]

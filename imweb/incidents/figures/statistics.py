"""The statistics of a set of incidents, all of them of one point in time, so that they agree with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import QueryRejected, SearchTimeout
from imweb.incidents import dsl, mitre
from imweb.incidents.fields import Registry
from imweb.incidents.figures.durations import Durations, durations
from imweb.incidents.figures.tops import Top, tops
from imweb.incidents.paging import Reader
from imweb.incidents.params import Filters
from imweb.incidents.resultset import result_set
from imweb.incidents.severities import severities
from imweb.workflows import all_statuses

Json = dict[str, Any]
FEW = ("severity", "status", "resolution")
MANY = ("rule.name", "reviewer", "source", "entities.host", "entities.user", "mitre")
OVER = ("severity", "status", "reviewer", "rule.name", "source")
MOST, SERIES, ALL = 10, 8, 1_000
HOUR_MS = 3_600_000
# How old an open incident is, in hours, as the edges of the backlog's rows.
AGES = (1, 4, 24, 72, 168, 720)


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of the chart: a value, or with None what has another value (`others`) or none."""

    value: str | None
    counts: Sequence[int]
    others: bool = False


@dataclass(frozen=True, slots=True)
class OverTime:
    """Incidents by a field over time; bucket n begins at `starts[n]` and ends before the next, in milliseconds."""

    field: str
    interval: str
    starts: Sequence[int]
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Age:
    """Open incidents from `start_ms` to `end_ms`, both in it, None without bound; `counts` by severity, "" is none."""

    start_ms: int | None
    end_ms: int | None
    total: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Everything that is open, whatever its time; `nobody` has no reviewer, None where reviewers are hidden."""

    total: int
    nobody: int | None
    ages: Sequence[Age]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of the incidents in a window; `durations` are None where `why_not` is "scripts" or "time"."""

    now_ms: int
    total: int
    start_ms: int | None
    end_ms: int | None
    tops: Mapping[str, Top]
    over: OverTime | None
    backlog: Backlog | None
    durations: Durations | None
    why_not: str
    registry: Registry


def statistics(actor: Actor, filters: Filters, over: str = "severity") -> Statistics:
    """Return the statistics of the incidents under the filters; groups are left out, their members stand for them.

    The backlog keeps all filters but the time. Raises what `result_set` raises.
    """
    anytime = replace(filters, with_aggregations=False, collapse_grouped=False, start_time=None, end_time=None)
    with result_set(actor, anytime, None, snapshot=True) as found:
        start, end = dsl.time_bounds(filters, found.now_ms)
        reader = found.reader.narrowed(*dsl.time_clause(start, end))
        total, start, end = _extent(reader, start, end)
        known = [item for name in (*FEW, *MANY) if (item := found.registry.get(name))]
        counted = _tops(reader, known)
        took, why_not = _durations(reader, found.registry)
        return Statistics(
            now_ms=found.now_ms,
            total=total,
            start_ms=start,
            end_ms=end,
            tops=counted,
            over=_over(reader, filters, counted.get(over), start, end),
            backlog=_backlog(found.reader, found.now_ms, found.registry),
            durations=took,
            why_not=why_not,
            registry=found.registry,
        )


def _extent(reader: Reader, start: int | None, end: int | None) -> tuple[int, int | None, int | None]:
    """Return the number of incidents and their window; an open end is where the first or last of them lies."""
    aggs = {"low": {"min": {"field": "@timestamp"}}, "high": {"max": {"field": "@timestamp"}}}
    answer = reader.search({"size": 0, "query": reader.clauses.query(), "aggs": aggs, "track_total_hits": True})
    low, high = (answer["aggregations"][name]["value"] for name in ("low", "high"))
    start = int(low) if start is None and low is not None else start
    end = int(high) if end is None and high is not None else end
    return int(answer["hits"]["total"]["value"]), start, end


def _tops(reader: Reader, known: Sequence[Any]) -> dict[str, Top]:
    tactics = {"mitre": [column.tactic.id for column in mitre.matrix()]}
    few = tops(reader, [item for item in known if item.name in FEW], ALL)
    many = [item for item in known if item.name in MANY]
    decided = ["rule.name"] if any(item.name == "resolution" for item in known) else []
    return few | tops(reader, many, MOST, include=tactics, with_verdicts=decided)


def _over(reader: Reader, filters: Filters, top: Top | None, start: int | None, end: int | None) -> OverTime | None:
    if top is None or start is None or end is None:
        return None
    interval = dsl.auto_interval(start, end)
    path = top.field.exact
    names = _ordered(top)
    exists = {"exists": {"field": path}}
    wanted: dict[str, Json] = {f"v{number}": {"term": {path: name}} for number, name in enumerate(names)}
    wanted["others"] = {"bool": {"filter": [exists], "must_not": [{"terms": {path: names}}]}}
    wanted["missing"] = dsl.missing(top.field)
    time = dsl.histogram(interval, start, end, filters.tz, filters.zone)
    answer = reader.aggregate({"by": {"filters": {"filters": wanted}, "aggs": {"time": time}}})["by"]["buckets"]
    counted = {
        name: {int(bucket["key"]): int(bucket["doc_count"]) for bucket in part["time"]["buckets"]}
        for name, part in answer.items()
    }
    times = sorted(counted["missing"])
    rows = {name: [counts.get(at, 0) for at in times] for name, counts in counted.items()}
    series = [Series(name, rows[f"v{number}"]) for number, name in enumerate(names)]
    beside = [Series(None, rows["others"], others=True), Series(None, rows["missing"])]
    series += [item for item in beside if any(item.counts)]
    return OverTime(top.field.name, interval, times, series)


def _ordered(top: Top) -> list[str]:
    """Return the values that have a colour: severities the worst first, statuses as in their workflows."""
    names = top.names()
    order: list[str] = []
    if top.field.name == "severity":
        order = [level.name for level in severities()]
    elif top.field.name == "status":
        order = [status.name for status in all_statuses()]
    known = [name for name in order if name in names]
    return (known + [name for name in names if name not in known])[: max(SERIES, len(known))]


def is_open() -> Json:
    """Return the clause of incidents whose status does not end the work."""
    terminal = [status.name for status in all_statuses() if status.terminal]
    return {"bool": {"must_not": [{"terms": {"status": terminal}}]}}


def _backlog(reader: Reader, now_ms: int, registry: Registry) -> Backlog | None:
    if registry.get("status") is None:
        return None
    edges = [now_ms - hours * HOUR_MS for hours in AGES]
    starts: list[int | None] = [*edges, None]
    ends: list[int | None] = [None, *(edge - 1 for edge in edges)]
    # What is hidden from somebody is not told by a figure either.
    levels: Json = {"severity": {"terms": {"field": "severity", "size": ALL}}} if registry.get("severity") else {}
    nobody: Json = {"nobody": {"missing": {"field": "reviewer"}}} if registry.get("reviewer") else {}
    windows = {
        f"a{number}": {"bool": {"filter": dsl.time_clause(start, end)}}
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    aggs = nobody | {"ages": {"filters": {"filters": windows}, "aggs": levels}}
    left = reader.narrowed(is_open())
    answer = left.search({"size": 0, "query": left.clauses.query(), "aggs": aggs, "track_total_hits": True})
    ages = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        bucket = answer["aggregations"]["ages"]["buckets"][f"a{number}"]
        ages.append(Age(start, end, int(bucket["doc_count"]), _by_level(bucket) if levels else {}))
    nobodys = answer["aggregations"].get("nobody")
    return Backlog(int(answer["hits"]["total"]["value"]), int(nobodys["doc_count"]) if nobodys else None, ages)


def _by_level(bucket: Json) -> dict[str, int]:
    counts = {str(part["key"]): int(part["doc_count"]) for part in bucket["severity"]["buckets"]}
    rest = int(bucket["doc_count"]) - sum(counts.values())
    return {**counts, **({"": rest} if rest else {})}


def _durations(reader: Reader, registry: Registry) -> tuple[Durations | None, str]:
    groups: dict[str, Json] = {}
    if registry.get("severity"):
        groups = {level.name: {"term": {"severity": level.name}} for level in severities()}
    try:
        return durations(reader, groups), ""
    except SearchTimeout:
        # A script over very many documents; everything else on the page is cheap.
        return None, "time"
    except QueryRejected as error:
        # A cluster may be told to run no scripts (`script.allowed_types`, `script.allowed_contexts`).
        if "cannot execute" not in error.reason:
            raise
        return None, "scripts"

"""The rows of the table that write: ten thousand lines by `bulkUpdate`, a hundred thousand members by `sync=true`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import data
from benchmarks.calls import encoded, timed
from benchmarks.ground import say
from benchmarks.report import Row
from imweb.demo.sending import deliver
from imweb.incidents.documents import new_source
from imweb.incidents.models import AggregationNumber
from imweb.opensearch import gateway, schema

if TYPE_CHECKING:
    from benchmarks.bench import Bench

Json = dict[str, Any]
LINES = 10_000
MEMBERS = 100_000
ROUNDS = 3
BULK = "/_im/incidents/bulkUpdate"
GROUPING, RESULT = "bench-sync", "a-bench-sync"
# Long before what the other rows look at.
OLD_MS = 1_700_000_000_000


def _served(bench: Bench, path: str) -> bool:
    paths = bench.ours.json("GET", "/_im/openapi.json")["paths"]
    found = any(path in known for known in paths)
    if not found:
        say(f"{path} is not served yet: left out")
    return found


def bulk(bench: Bench) -> list[Row]:
    """Ten thousand incidents, one field each, history included; raw is `_bulk` of the same partial documents."""
    if not _served(bench, "bulkUpdate"):
        return []
    lines = min(LINES, bench.options.size // 4)
    halves = [_ids(lines, "asc"), _ids(lines, "desc")]
    ours, raw = [], []
    for number in range(ROUNDS):
        change = {"reviewer": f"bench-{time.time_ns()}"}
        pairs = [encoded({"update": {"_id": doc_id}}) + b"\n" + encoded(change) for doc_id in halves[0]]
        body = b"\n".join(pairs) + b"\n"
        answers: list[bytes] = []
        ours.append(timed(lambda body=body, answers=answers: answers.append(bench.ours.send("POST", BULK, body))))  # type: ignore[misc]
        if b'"errors":true' in answers[0].replace(b" ", b""):
            raise SystemExit(f"bulkUpdate: {answers[0][:500]!r}")
        action = {"_index": schema.incidents_alias()}
        pairs = [
            encoded({"update": {**action, "_id": doc_id}}) + b"\n" + encoded({"doc": change}) for doc_id in halves[1]
        ]
        body = b"\n".join(pairs) + b"\n"
        raw.append(timed(lambda body=body: bench.raw.send("POST", "/_bulk", body)))  # type: ignore[misc]
        say(f"bulk {number + 1}: {ours[-1]:,.0f} ms, raw {raw[-1]:,.0f} ms")
    mine, theirs = sorted(ours)[ROUNDS // 2], sorted(raw)[ROUNDS // 2]
    return [
        Row(
            f"`bulkUpdate` of {lines:,}, history included",
            mine,
            theirs,
            "3 × raw `_bulk`",
            mine <= 3 * theirs,
            f"{mine / theirs:.2f} × raw",
            {"ours": ours, "raw": raw},
        )
    ]


def sync(bench: Bench) -> list[Row]:
    """A group's status field spread to its members, history included; raw is `_update_by_query` of the same change."""
    if not _served(bench, "aggregations/results/{"):
        return []
    members = min(MEMBERS, bench.options.size // 4)
    _ensure_group(members)
    path = f"/_im/aggregations/results/{GROUPING}/{RESULT}?sync=true"
    ours, raw, memory = [], [], Memory()
    memory.start()
    for number in range(2):
        change = {"reviewer": f"bench-{time.time_ns()}"}
        ours.append(timed(lambda change=change: _spread(bench, path, change)))  # type: ignore[misc]
        script = {"source": "ctx._source.reviewer = params.reviewer", "params": {"reviewer": f"raw-{number}"}}
        body = {"query": {"term": {"incident_aggregation_result_id": RESULT}}, "script": script}
        alias = schema.incidents_alias()
        raw.append(
            timed(
                lambda body=body, alias=alias: bench.raw.send(  # type: ignore[misc]
                    "POST", f"/{alias}/_update_by_query?conflicts=proceed", encoded(body)
                )
            )
        )
        say(f"sync {number + 1}: {ours[-1] / 1000:,.1f} s, raw {raw[-1] / 1000:,.1f} s")
    memory.over.set()
    memory.join()
    mine, theirs = min(ours), min(raw)
    return [
        Row(
            f"`sync=true` over {members:,} incidents, history included",
            mine,
            theirs,
            "2 × raw `_update_by_query`, flat memory",
            mine <= 2 * theirs,
            f"{mine / theirs:.2f} × raw; our processes grew by {memory.grown:.0f} MiB",
            {"ours": ours, "raw": raw, "memory_grown_mib": memory.grown},
        )
    ]


def _spread(bench: Bench, path: str, change: Json) -> None:
    answer = bench.ours.json("PUT", path, change)
    while task := answer.get("task"):
        time.sleep(0.2)
        state = bench.ours.json("GET", task)
        if state.get("state") in ("failed", "cancelled"):
            raise SystemExit(f"sync: {state}")
        if state.get("state") == "done" or state.get("completed"):
            return


class Memory(threading.Thread):
    """Watches how much memory the web server and the worker hold, all their processes together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.least = self.most = self._now()

    @property
    def grown(self) -> float:
        """MiB between the beginning and the most."""
        return self.most - self.least

    def run(self) -> None:
        """Look until told to end."""
        while not self.over.wait(0.5):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                if b"granian" in command or b"celery" in command:
                    total += int((folder / "statm").read_text().split()[1])
            except OSError:
                continue
        return total * 4096 / 1024 / 1024


def _ids(count: int, direction: str) -> list[str]:
    body = {
        "size": count,
        "query": {"range": {"@timestamp": {"gte": data.BEGIN}}},
        "sort": [{"@timestamp": direction}],
        "_source": False,
    }
    return [hit["_id"] for hit in gateway().search(body, index=schema.incidents_alias())["hits"]["hits"]]


def _ensure_group(members: int) -> None:
    term = {"term": {"incident_aggregation_result_id": RESULT}}
    if gateway().count(term, index=schema.incidents_alias()) >= members:
        return
    number = AggregationNumber.allocate(RESULT)
    stamp = data.stamp(OLD_MS)
    shared = {"@timestamp": stamp, "severity": "low", "status": "new", "workflow_id": "default"}
    group = shared | {
        "title": "Benchmark",
        "incident_aggregation_id": GROUPING,
        "incident_aggregation_result_id": RESULT,
        "incidents_count": members,
        "first_seen": stamp,
        "group_number": number,
    }
    _store(schema.aggregations_alias(), [(RESULT, new_source("aggregation", RESULT, group, user="b", now_ms=OLD_MS))])
    for first in range(0, members, 2_500):
        batch = []
        for one in range(first, min(first + 2_500, members)):
            doc_id = f"i-bench-sync-{one}"
            body = shared | {
                "title": f"Benchmark {one}",
                "incident_aggregation_id": [GROUPING],
                "incident_aggregation_result_id": [RESULT],
                "group_numbers": [number],
                "rule": {"id": "bench", "name": "Benchmark"},
                "entities": {"host": f"host-{one % 997}"},
                "event": {"message": "x" * 400, "number": one},
            }
            batch.append((doc_id, new_source("incident", doc_id, body, user="b", now_ms=OLD_MS)))
        _store(schema.incidents_alias(), batch)
    gateway().refresh(schema.document_aliases())


def _store(index: str, documents: list[tuple[str, Json]]) -> None:
    lines = [
        encoded({"index": {"_index": index, "_id": doc_id}}) + b"\n" + encoded(source) for doc_id, source in documents
    ]
    failed = [answer for answer in deliver(b"\n".join(lines)) if answer["status"] >= 300]
    if failed:
        raise SystemExit(f"the benchmark's group: {failed[:2]}")

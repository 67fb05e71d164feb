"""The row of the grouping engine: every incident through three rules, in a process of its own that is watched.

`python -m benchmarks.grouping N` is that process: it fills indices of its own, groups, and prints what it took as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.ground import FOLDER, say
from benchmarks.report import Row

if TYPE_CHECKING:
    from benchmarks.bench import Bench

Json = dict[str, Any]
# What a run may hold at its end beyond what it held after its first tenth.
FLAT_MIB = 64
RULES: list[Json] = [
    {
        "name": "bench-host-hour",
        "title": "Same host, 1 h",
        "comparison": ["entities.host"],
        "window": {"kind": "fixed", "minutes": 60},
        "functions": [{"name": "users", "function": "distinct", "field": "entities.user"}],
        "and_go_on": True,
    },
    {
        "name": "bench-user-day",
        "title": "Same user, 1 d",
        "filter": "severity:>=medium",
        "comparison": ["entities.user"],
        "window": {"kind": "fixed", "minutes": 1_440},
        "minimum": 3,
    },
    {
        "name": "bench-rule-host",
        "title": "Same rule and host",
        "comparison": ["rule.id", "entities.host"],
        "window": {"kind": "open", "minutes": 1_440},
    },
]


def grouping(bench: Bench) -> list[Row]:
    """Every incident through three rules, one of which lets the others have them too."""
    size = bench.options.size
    environment = os.environ | {
        "IM_INDEX_PREFIX": f"imbench-{size}-grouping",
        "DATABASE_URL": f"sqlite:///{FOLDER / 'grouping.sqlite3'}",
    }
    command = [sys.executable, "-m", "benchmarks.grouping", str(size)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: Json = json.loads(done.stdout.splitlines()[-1])
    grown = result["resident_end_mib"] - result["resident_tenth_mib"]
    return [
        Row(
            f"grouping {size:,} incidents by three rules, history included",
            result["seconds"] * 1000,
            None,
            "flat memory",
            grown <= FLAT_MIB,
            f"{size / result['seconds']:,.0f} incidents/s, {result['joined']:,} joinings, {result['groups']:,} groups;"
            f" {result['resident_tenth_mib']:.0f} MiB after a tenth, {result['resident_end_mib']:.0f} at the end,"
            f" {result['resident_most_mib']:.0f} at most",
            result,
        )
    ]


class _Watch(threading.Thread):
    """Looks at how much memory this process holds, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: list[float] = [resident()]

    def run(self) -> None:
        """Look until told to end."""
        while not self.over.wait(0.2):
            self.seen.append(resident())


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _measure(size: int) -> Json:
    from benchmarks import data
    from imweb.configuration import store
    from imweb.grouping import engine, rules
    from imweb.opensearch import gateway, schema

    _drop()
    say(f"{size:,} incidents to group")
    data.ensure(size)
    before = gateway().count({"match_all": {}}, index=schema.aggregations_alias())
    for rule in RULES:
        store.save(rules.RULES, {**rule, "look_back": 3_660}, by="bench")
    watch = _Watch()
    watch.start()
    started = time.perf_counter()
    done = engine.run()
    seconds = time.perf_counter() - started
    watch.over.set()
    watch.join()
    gateway().refresh(schema.aggregations_alias())
    groups = gateway().count({"match_all": {}}, index=schema.aggregations_alias()) - before
    _drop()
    return {
        "seconds": seconds,
        "claimed": done.claimed,
        "joined": done.joined,
        "groups": groups,
        "resident_tenth_mib": watch.seen[len(watch.seen) // 10],
        "resident_end_mib": watch.seen[-1],
        "resident_most_mib": max(watch.seen),
    }


def _drop() -> None:
    from django.conf import settings

    from imweb.opensearch import gateway

    found = gateway().raw("GET", f"/_cat/indices/{settings.IM_INDEX_PREFIX}-*", params={"format": "json"})
    gateway().delete_indices([index["index"] for index in found])


def main() -> None:
    """Fill, group, print."""
    import django

    (FOLDER / "grouping.sqlite3").unlink(missing_ok=True)
    django.setup()
    sys.stdout.write(json.dumps(_measure(int(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()

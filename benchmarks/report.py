"""The result: rows with goals, the machine it was measured on, a table and JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground, folder
from imweb.env import BASE_DIR
from imweb.opensearch import gateway, schema


@dataclass
class Row:
    """One line of the table: what was measured in milliseconds, beside what, and whether the goal is met."""

    name: str
    ours: float | None
    beside: float | None
    goal: str
    met: bool | None
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _read("/proc/cpuinfo").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = next((line.split()[1] for line in _read("/proc/meminfo").splitlines() if line.startswith("MemTotal")), "0")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / 1024 / 1024, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "opensearch": gateway().info()["version"]["number"],
        "django": version("django"),
        "granian": version("granian"),
    }


def finish(rows: list[Row], ground: Ground, size: int) -> dict[str, Any]:
    """Return the whole result and write it to var/bench."""
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "incidents": size,
        "documents": {alias: gateway().count({"match_all": {}}, index=alias) for alias in schema.document_aliases()},
        "revision": _revision(),
        "machine": machine()
        | {"load_before": ground.load, "load_after": [round(value, 2) for value in os.getloadavg()]},
        "own_node": ground.own_node,
        "rows": [asdict(row) for row in rows],
    }
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = folder() / f"result-{size}-{stamp}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    result["path"] = str(path.relative_to(BASE_DIR))
    return result


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    where = result["machine"]
    print(f"\n{result['incidents']:,} incidents, {result['at']}, {result['revision']}")
    print(
        f"{where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB; OpenSearch {where['opensearch']},"
        f" Python {where['python']}; load {where['load_before'][0]} before, {where['load_after'][0]} after\n"
    )
    for line in table(result["rows"]):
        print(line)
    print(f"\n{result['path']}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as a Markdown table."""
    lines = ["| | ours | beside | goal | met |", "|---|--:|--:|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: "–"}[row["met"]]
        note = f"<br>{row['note']}" if row["note"] else ""
        lines.append(f"| {row['name']}{note} | {_ms(row['ours'])} | {_ms(row['beside'])} | {row['goal']} | {met} |")
    return lines


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.1f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=BASE_DIR, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "no revision"


def _read(path: str) -> str:
    return Path(path).read_text()

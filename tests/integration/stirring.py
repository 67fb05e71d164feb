"""A process beside the tests that keeps inserting and updating incidents: `python -m tests.integration.stirring`.

It works on the servers and indices that the environment names, one round a line of its standard input, and answers each
line once everything it wrote can be searched.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stirrer:
    """The parent's half: lets the other process do its rounds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.rounds = 0

    def round(self) -> None:
        """Return after the other process has inserted and updated some more."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "stirred", f"it ended: {self.process.wait(5)}"
        self.rounds += 1


@contextmanager
def stirring(env: dict[str, str]) -> Iterator[Stirrer]:
    """Run the other process for as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.stirring"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "imweb.settings"} | env,
    )
    try:
        yield Stirrer(process)
    finally:
        process.stdin and process.stdin.close()
        process.wait(20)
        process.stdout and process.stdout.close()


def main() -> None:
    """Insert incidents newer than all, and move others that are there in time and severity."""
    import django

    django.setup()
    from imweb.incidents.documents import iso, new_source
    from imweb.opensearch import gateway, schema

    rng = random.Random(5)
    alias = schema.incidents_alias()
    for number in itertools.count():
        if not sys.stdin.readline():
            return
        now_ms = time.time_ns() // 1_000_000
        lines: list[dict[str, Any]] = []
        for part in range(7):
            doc_id = f"i-stirred-{os.getpid()}-{number}-{part}"
            body = {"@timestamp": iso(now_ms - part), "title": "Stirred in", "severity": "low", "status": "new"}
            lines += [{"create": {"_index": alias, "_id": doc_id}}]
            lines += [new_source("incident", doc_id, body, user="stirrer", now_ms=now_ms)]
        query = {"bool": {"must_not": [{"match": {"title": "Stirred"}}]}}
        hits = gateway().search({"size": 1_000, "query": query, "_source": False}, index=alias)["hits"]["hits"]
        for hit in rng.sample(hits, min(5, len(hits))):
            changed = {"@timestamp": iso(now_ms - rng.randrange(86_000_000)), "severity": "critical", "rev": 2 + number}
            lines += [{"update": {"_index": alias, "_id": hit["_id"]}}, {"doc": changed}]
        failed = [item for item in gateway().bulk(lines, refresh="true") if next(iter(item.values()))["status"] >= 300]
        assert not failed, json.dumps(failed[:2])
        sys.stdout.write("stirred\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

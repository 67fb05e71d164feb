"""The documents that are measured: generated once, in our indices and in plain ones as a user has them today."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.management import call_command

from imweb.demo.filling import group_numbers
from imweb.demo.generator import Plan, Targets, Writer
from imweb.demo.progress import Progress
from imweb.demo.sending import pump
from imweb.incidents import mappings
from imweb.incidents.registry import registry
from imweb.incidents.times import to_iso
from imweb.opensearch import gateway, schema

SEED = 1
DAYS = 30
END = "2026-11-01T00:00:00Z"
END_MS = 1_793_491_200_000
BEGIN = "2026-10-02T00:00:00Z"


def plan(size: int) -> Plan:
    """Return the run of so many incidents."""
    return Plan.of(size, SEED, DAYS, END_MS)


def ensure(size: int) -> None:
    """Fill our indices unless they hold the run already."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("bootstrap")
    # A node that has just started reads a large index for a while before it answers.
    while gateway().health()["status"] == "red":
        time.sleep(0.5)
    held = gateway().count({"match_all": {}}, index=schema.incidents_alias())
    if held < size:
        call_command("generate_incidents", size, seed=SEED, days=DAYS, end=END)
        # The next start would otherwise read half a gigabyte of its log again.
        gateway().raw("POST", f"/{settings.IM_INDEX_PREFIX}*/_flush")
    gateway().refresh([*schema.document_aliases(), schema.history_alias()])


def plain_indices() -> list[str]:
    """Return the names of the indices without our order."""
    return [f"{settings.IM_INDEX_PREFIX}-plain-{kind}" for kind in ("incidents", "aggregations")]


def ensure_plain(size: int) -> None:
    """Fill indices of the same mappings, shards and documents, arriving alike, but no sort order."""
    body = mappings.document_body(registry(fresh=True), shards=1, replicas=0)
    for name in ("index.sort.field", "index.sort.order"):
        del body["settings"][name]
    for index in plain_indices():
        gateway().create_index(index, body)
    gateway().refresh(plain_indices())
    if gateway().count({"match_all": {}}, index=plain_indices()[0]) >= size:
        return
    progress = Progress(sys.stderr, size, "incidents into plain indices")
    for count, tally in pump(_bodies(Writer(plan(size), Targets(*plain_indices(), "history"), group_numbers))):
        if tally.failed:
            raise SystemExit(f"plain indices: {tally.reasons}")
        progress.add(count)
    progress.finish()
    gateway().refresh(plain_indices())


def _bodies(writer: Writer) -> Iterator[tuple[int, bytes]]:
    history = b'{"create":{"_index":"history"'
    for block in writer.blocks():
        for body in writer.bodies(block):
            lines = body.data.split(b"\n")
            pairs = zip(lines[::2], lines[1::2], strict=True)
            kept = [pair for pair in pairs if not pair[0].startswith(history)]
            yield body.incidents, b"\n".join(itertools.chain.from_iterable(kept))


def settle(seconds: float = 60) -> None:
    """Return when the indices have nothing left to merge, so that a merge is not what is measured."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stats = gateway().raw("GET", f"/{settings.IM_INDEX_PREFIX}*/_stats/merge")
        if not stats["_all"]["total"]["merges"]["current"]:
            return
        time.sleep(1)


def window() -> dict[str, str]:
    """Return the time range that holds all of it."""
    return {"start_time": BEGIN, "end_time": END}


def stamp(ms: int) -> str:
    """Return an instant in ISO 8601."""
    from datetime import UTC

    return to_iso(ms, UTC)

"""The grouping engine: it follows the incidents by sequence number and puts those that rules claim into groups.

Any number of processes may run it. One reads a shard at a time, and when it dies another takes over where it stood:
what was read twice is grouped once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imweb.configuration.store import values
from imweb.grouping import ready as rules_ready
from imweb.grouping import tail
from imweb.grouping.freshening import forget_waiting, freshen
from imweb.grouping.models import StaleGroup
from imweb.grouping.placing import place
from imweb.grouping.ready import Ready
from imweb.grouping.rules import RULES
from imweb.incidents.editing import batch
from imweb.incidents.editing.holding import ENGINE
from imweb.incidents.editing.joining import RESULT
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
READER = "grouping"
PAGE = 1_000
# Groups of incidents that others edited, in one stretch; composite pages of so many.
_EDITED = 1_000


@dataclass(slots=True)
class Progress:
    """What one run did: incidents that a rule claimed, joinings, groups whose figures were worked out."""

    claimed: int = 0
    joined: int = 0
    freshened: int = 0


def run(*, seconds: float | None = None) -> Progress:
    """Group what was written since the last run, until nothing is left, or for so many seconds."""
    deadline = None if seconds is None else time.monotonic() + seconds
    done = Progress()
    while deadline is None or time.monotonic() < deadline:
        claimed = 0
        # One after the other: what this process has not begun is another's to read.
        for one in tail.ahead(READER, schema.incidents_alias()):
            if (stretch := one.claim()) is None:
                continue
            claimed += 1
            try:
                _read(stretch, done)
            except BaseException:
                stretch.leave()
                raise
        if not claimed:
            break
    done.freshened += _freshen(lambda: deadline is None or time.monotonic() < deadline)
    forget_waiting(values(RULES))
    return done


def _read(stretch: tail.Stretch, done: Progress) -> None:
    ready = rules_ready.load()
    if not stretch.renew():
        return
    if ready.clauses:
        search = ready.search(size=PAGE, fresh=True)
        clause, size = search.pop("clause"), search.pop("size")
        deleted: Json = {"term": {"deleted": True}}
        with batch.Settling() as settle:
            for hits in stretch.pages([clause], [deleted], size=size, **search):
                claims = [claim for hit in hits for claim in ready.claims(hit)]
                done.claimed += len(claims)
                done.joined += place(claims, settle)
                if not stretch.renew():
                    return
    _note_edited(stretch, ready)
    done.freshened += _freshen(stretch.renew)
    stretch.done()


def _freshen(go_on: Callable[[], bool]) -> int:
    total = 0
    while go_on():
        looked = freshen(go_on)
        total += looked
        # What cannot be written just now is left to the next run.
        if not looked or not StaleGroup.objects.exists():
            break
    return total


def _note_edited(stretch: tail.Stretch, ready: Ready) -> None:
    """Have the groups of incidents that people changed worked out anew; our own joinings ask for that themselves."""
    names = {rule.name for rule in ready.rules}
    if not names:
        return
    sources = [{"rule": {"terms": {"field": "incident_aggregation_id"}}}, {"group": {"terms": {"field": RESULT}}}]
    composite: Json = {"size": _EDITED, "sources": sources}
    own: Json = {"term": {"updated_by": ENGINE.username}}
    query = {"bool": {"filter": [stretch.clause, {"exists": {"field": RESULT}}], "must_not": [own]}}
    while True:
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"pairs": {"composite": composite}}}
        answer = gateway().search(body, index=stretch.index, preference=stretch.preference)["aggregations"]["pairs"]
        pairs = [bucket["key"] for bucket in answer["buckets"] if bucket["key"]["rule"] in names]
        StaleGroup.objects.bulk_create(StaleGroup(result_id=pair["group"], rule=pair["rule"]) for pair in pairs)
        if len(answer["buckets"]) < _EDITED:
            return
        composite["after"] = answer["after_key"]

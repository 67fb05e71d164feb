"""Writing figures into groups: read the group, refresh, work the figures out, write if nobody came between.

The group is read before its figures are worked out, so that older figures never replace newer ones. The rows that ask
for it are written under the group's lock and leave when it is done and nobody has the lock; a process that dies leaves
them to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from imweb.configuration.store import values
from imweb.grouping import rows
from imweb.grouping.bodies import described
from imweb.grouping.figures import figures
from imweb.grouping.keys import result_id
from imweb.grouping.models import Generation, StaleGroup, Waiting
from imweb.grouping.ready import chunks
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents.editing import holding, locking
from imweb.incidents.editing.joining import GROUPING, RESULT, texts
from imweb.incidents.fields import Registry
from imweb.incidents.pits import note_write
from imweb.incidents.registry import registry
from imweb.incidents.severities import severities
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
log = logging.getLogger(__name__)
# Groups that are read, and their incidents made searchable, before their figures are worked out.
AT_ONCE = 500
# How late an incident of a fixed span may still make one that waits a group.
LATEST = timedelta(days=30)
_PAGE = 5_000
# Later generations that a closed group counts the incidents of.
_MOST_LATER = 100


def freshen(go_on: Callable[[], bool] = lambda: True, *, limit: int = 5_000) -> int:
    """Bring the figures of groups up to date, while told to go on; return how many of them are now."""
    _each_group()
    asked = list(StaleGroup.objects.order_by("pk")[:limit])
    if not asked:
        return 0
    finished = 0
    by_rule: dict[str, dict[str, list[int]]] = {}
    for row in asked:
        by_rule.setdefault(row.rule, {}).setdefault(row.result_id, []).append(row.pk)
    rules = {rule.name: rule for rule in values(RULES)}
    known = registry()
    for name, groups in by_rule.items():
        rule = rules.get(name)
        for ids in chunks(list(groups), AT_ONCE):
            if not go_on():
                break
            # The groups of a rule that was removed keep what they say.
            done = _some(rule, ids, known) if rule else ids
            finished += len(done)
            keys = [key for one in done for key in groups[one]]
            for part in chunks(keys, rows.AT_ONCE):
                StaleGroup.objects.filter(pk__in=part).delete()
    if finished:
        note_write(None)
    return finished


def ask_for_rule(name: str) -> None:
    """Have every group of a rule described anew: its words or functions changed."""
    StaleGroup.objects.create(result_id="", rule=name)


def on_deleted(*, source: Json, doc_id: str, **_signal: Any) -> None:
    """Have the groups of a deleted incident counted anew; one that waited for company waits no more."""
    Waiting.objects.filter(incident=doc_id).delete()
    rules = texts(source, GROUPING)
    StaleGroup.objects.bulk_create(
        StaleGroup(result_id=one, rule=rule) for one in texts(source, RESULT) for rule in rules
    )


def forget_waiting(rules: Sequence[GroupingRule]) -> None:
    """Drop who has waited in vain for so long that company would not count any more."""
    for rule in rules:
        patience = timedelta(minutes=rule.window.minutes)
        if rule.window.kind == "fixed":
            patience += LATEST
        Waiting.objects.filter(rule=rule.name, at__lt=timezone.now() - patience).delete()


def _each_group() -> None:
    """Put the groups of a rule in the place of a row that stands for all of them."""
    for row in StaleGroup.objects.filter(result_id=""):
        query = {"bool": {"filter": [{"term": {GROUPING: row.rule}}], "must_not": [{"term": {"deleted": True}}]}}
        body: Json = {"size": _PAGE, "query": query, "sort": [{"key": "asc"}], "_source": False}
        body["track_total_hits"] = False
        while True:
            hits = gateway().search(body, index=schema.aggregations_alias())["hits"]["hits"]
            StaleGroup.objects.bulk_create(
                (StaleGroup(result_id=hit["_id"], rule=row.rule) for hit in hits), batch_size=AT_ONCE
            )
            if len(hits) < _PAGE:
                break
            body["search_after"] = hits[-1]["sort"]
        row.delete()


def _some(rule: GroupingRule, ids: Sequence[str], known: Registry) -> list[str]:
    """Write the figures of some groups; return those that need no further look."""
    stored = gateway().mget([(schema.aggregations_alias(), one) for one in ids])
    locked = _unlocked(stored)
    gateway().refresh(schema.incidents_alias())
    found = figures(rule, ids, known)
    ranks = {level.name: level.rank for level in severities()}
    newest = _newest(stored)
    lines: list[Json] = []
    writes: list[str] = []
    done: list[str] = []
    for one, group in zip(ids, stored, strict=True):
        # An incident of several groups names each of its groupings beside each of its groups.
        if group is None or group.source.get("deleted") or rule.name not in texts(group.source, GROUPING):
            done.append(one)
            continue
        if one in locked:
            continue
        action = {"_index": group.index, "_id": one, "if_seq_no": group.seq_no, "if_primary_term": group.primary_term}
        if not found[one].count and _unused(group):
            lines.append({"delete": action})
            writes.append(one)
            continue
        new = described(rule, locking.without(group.source), found[one], ranks)
        _count_later(new, newest)
        if new == group.source:
            done.append(one)
            continue
        lines += [{"index": action}, new]
        writes.append(one)
    for one, item in zip(writes, gateway().bulk(lines), strict=True):
        answer = next(iter(item.values()))
        status = int(answer["status"])
        if status == 409 or status == 429 or status >= 500:
            continue
        if status not in (200, 201, 404):
            log.warning("the figures of group %s were refused: %s", one, answer.get("error"))
        done.append(one)
    return done


def _unused(group: Stored) -> bool:
    """Return whether a group was made but its incidents had been taken elsewhere by then: it never had a figure."""
    source = group.source
    return "function_fields" not in source and not source.get("has_pending")


def _unlocked(stored: Sequence[Stored | None]) -> set[str]:
    """Finish what dead processes began under a lock; return the groups that somebody alive has locked."""
    locked = set()
    for group in stored:
        op = locking.op_of(group.source) if group else None
        if group is None or op is None:
            continue
        if locking.expired(op, holding.now_ms()):
            holding.finish(group, holding.engine_context())
        else:
            locked.add(group.id)
    return locked


def _newest(stored: Sequence[Stored | None]) -> dict[str, int]:
    """Return the newest generation of each group that was followed by others."""
    bases = {str((group.source.get("generation") or {}).get("base", "")) for group in stored if group}
    return dict(Generation.objects.filter(base__in=bases).values_list("base", "number"))


def _count_later(new: Json, newest: Mapping[str, int]) -> None:
    """Say in a group that was followed by others how many incidents came since it was closed."""
    own = new.get("generation")
    if not isinstance(own, dict):
        return
    last = newest.get(own["base"], 0)
    first = int(own["number"]) + 1
    later = [result_id(own["base"], number) for number in range(first, min(last, first + _MOST_LATER) + 1)]
    if not later:
        return
    query = {"bool": {"filter": [{"terms": {RESULT: later}}], "must_not": [{"term": {"deleted": True}}]}}
    came = gateway().count(query, index=schema.incidents_alias())
    came += Waiting.objects.filter(result_id__in=later).count()
    new["generation"] = {**own, "next": later[0], "since_closing": came}

"""Putting incidents into their groups: the group is found, opened or waited for, then they join under its lock.

Whoever repeats this, beside others or after them, changes nothing: ids are worked out, a group is made by `create`,
an incident joins one group of a grouping, and what waits is written down before it is looked once more whether the
group is there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from django.utils import timezone

from imweb.errors import VersionConflict
from imweb.grouping.bodies import first_body
from imweb.grouping.claims import Claim, Seen
from imweb.grouping.keys import result_id
from imweb.grouping.models import Generation, StaleGroup, Waiting
from imweb.grouping.ready import chunks
from imweb.grouping.rules import GroupingRule
from imweb.incidents.documents import key_of
from imweb.incidents.editing import batch, holding, locking
from imweb.incidents.editing.joining import GROUPING, texts
from imweb.incidents.editing.rules import Rules
from imweb.incidents.editing.steps import Context, Step, change_id
from imweb.incidents.models import AggregationNumber
from imweb.incidents.severities import severities
from imweb.incidents.times import BadInstant, parse_instant
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
PATIENCE = 60.0  # seconds
# An SQLite statement takes a limited number of values.
AT_ONCE = 500
# Generations before the newest that keep counting what came after them.
_MOST_BEFORE = 20


@dataclass(slots=True)
class Place:
    """Where the claims of one group stand: its generation, and whether they were written down as waiting."""

    claims: dict[str, Claim]
    generation: int = 0
    waits: bool = False
    base: str = ""
    also: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Return the id of the group that is tried now."""
        return result_id(self.base, self.generation)

    @property
    def rule(self) -> GroupingRule:
        """Return the rule of the group."""
        return next(iter(self.claims.values())).rule

    @property
    def members(self) -> list[str]:
        """Return the ids of the incidents that are to join."""
        return list(dict.fromkeys([*self.claims, *self.also]))


def place(claims: Iterable[Claim]) -> int:
    """Put incidents into their groups; return how many joinings were made. Raises when a group stays locked."""
    places: dict[str, Place] = {}
    for claim in claims:
        held = places.setdefault(claim.base, Place({}, base=claim.base))
        held.claims[claim.seen.id] = claim
    for part in chunks(list(places), AT_ONCE):
        for row in Generation.objects.filter(base__in=part):
            places[row.base].generation = row.number
    run = _Run(holding.engine_context(), uuid.uuid4().hex)
    left = list(places.values())
    deadline = time.monotonic() + PATIENCE
    while left:
        busy = run.round(left)
        left = [one for one in left if one.claims]
        if left and busy == len(left):
            if time.monotonic() > deadline:
                raise VersionConflict(f"{busy} groups stay locked; their incidents join later.")
            time.sleep(0.05)
    return run.joined


@dataclass(slots=True)
class _Run:
    context: Context
    owner: str
    joined: int = 0

    def round(self, places: Sequence[Place]) -> int:
        """Go one step further with every place; return how many could not because of somebody's lock."""
        ids = [one.id for one in places]
        found = gateway().mget([(schema.aggregations_alias(), one) for one in ids])
        now = holding.now_ms()
        wanted: list[tuple[Place, Stored]] = []
        fresh: list[Place] = []
        busy = 0
        for one, stored in zip(places, found, strict=True):
            if stored is None or stored.source.get("deleted"):
                fresh.append(one)
            elif over(one.rule, stored.source, self.context.rules, now):
                self._next_generation(one)
            elif (op := locking.op_of(stored.source)) and not locking.expired(op, now):
                busy += 1
            else:
                holding.finish(stored, self.context)
                wanted.append((one, stored))
        self._join(wanted)
        self._open(fresh)
        return busy

    def _next_generation(self, one: Place) -> None:
        one.generation += 1
        one.waits = False
        row, made = Generation.objects.get_or_create(base=one.base, defaults={"number": one.generation})
        if not made and row.number < one.generation:
            Generation.objects.filter(base=one.base, number__lt=one.generation).update(number=one.generation)

    def _join(self, wanted: Sequence[tuple[Place, Stored]]) -> None:
        """Take the locks of groups that stand, with the names of all who join, and have them join."""
        rows = _waiting([one.id for one, _stored in wanted])
        for one, _stored in wanted:
            one.also = [row.incident for row in rows.get(one.id, ())]
        ops = [(stored, locking.joining_op(self.owner, holding.now_ms(), one.members)) for one, stored in wanted]
        taken = [
            (one, stored) for (one, _read), stored in zip(wanted, holding.take(ops), strict=True) if stored is not None
        ]
        self._admit(taken)
        for one, stored in taken:
            _forget([row.pk for row in rows.get(stored.id, ())])
            one.claims.clear()

    def _admit(self, held: Sequence[tuple[Place, Stored]]) -> None:
        if not held:
            return
        # Under the lock: who works figures out leaves a group alone that is locked, and its rows stand.
        _stale([one for one, _stored in held])
        wanted: dict[str, list[holding.Membership]] = {}
        for one, stored in held:
            for doc_id in one.members:
                wanted.setdefault(doc_id, []).append(holding.membership_of(stored))
        try:
            for fault in holding.join(wanted, self.context):
                raise fault
            self.joined += sum(len(groups) for groups in wanted.values())
        finally:
            holding.release(self.owner, [stored.id for _one, stored in held])

    def _open(self, fresh: Sequence[Place]) -> None:
        """Make the groups that are large enough; what is not waits, written down before it is looked once more."""
        alone = [one for one in fresh if not one.waits and len(one.claims) < one.rule.minimum]
        now = timezone.now()
        rows = [
            Waiting(result_id=one.id, rule=one.rule.name, incident=doc_id, at=now)
            for one in alone
            for doc_id in one.claims
        ]
        Waiting.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
        _stale([one for one in alone if one.generation])
        ready = [one for one in fresh if one.waits or len(one.claims) >= one.rule.minimum]
        for one in alone:
            one.waits = True
        waiting = _waiting([one.id for one in ready])
        others = self._company(ready, waiting)
        made = []
        for one in ready:
            company = others.get(one.id, [])
            if len(one.claims) + len(company) >= one.rule.minimum:
                made.append((one, company))
            else:
                one.claims.clear()
        self._make(made)

    def _company(self, places: Sequence[Place], waiting: Mapping[str, Sequence[Waiting]]) -> dict[str, list[Seen]]:
        """Return who waits for each group and is still there, alone and young enough for it."""
        wanted: list[tuple[Place, str]] = []
        for one in places:
            rows = waiting.get(one.id, ())
            if len(one.claims) + len({row.incident for row in rows} - one.claims.keys()) < one.rule.minimum:
                continue
            oldest = timezone.now() - timedelta(minutes=one.rule.window.minutes)
            wanted += [
                (one, row.incident)
                for row in rows
                if row.incident not in one.claims and (one.rule.window.kind == "fixed" or row.at >= oldest)
            ]
        found: dict[str, list[Seen]] = {}
        fields = ["@timestamp", "severity", "workflow_id", "deleted", GROUPING]
        for part in chunks(wanted, AT_ONCE):
            read = gateway().mget([(schema.incidents_alias(), doc_id) for _one, doc_id in part], source=fields)
            for (one, doc_id), stored in zip(part, read, strict=True):
                source = stored.source if stored else {"deleted": True}
                if not source.get("deleted") and one.rule.name not in texts(source, GROUPING):
                    found.setdefault(one.id, []).append(_seen(doc_id, source))
        return found

    def _make(self, made: Sequence[tuple[Place, list[Seen]]]) -> None:
        """Make groups, locked by us until their first incidents have joined; one that others make is found later."""
        if not made:
            return
        numbers = _numbers([one.id for one, _company in made])
        ranks = {level.name: level.rank for level in severities()}
        targets = []
        for one, company in made:
            claim = next(iter(one.claims.values()))
            members = [*(held.seen for held in one.claims.values()), *company]
            body = first_body(claim, members, ranks)
            one.also = [seen.id for seen in company]
            body |= {
                "incident_aggregation_result_id": one.id,
                "group_number": numbers[one.id],
                "generation": {"base": one.base, "number": one.generation},
                "op": locking.joining_op(self.owner, holding.now_ms(), one.members),
            }
            if one.generation:
                body["generation"]["previous"] = result_id(one.base, one.generation - 1)
            if body.get("workflow_id") not in self.context.rules.workflows:
                body.pop("workflow_id", None)
            step = Step("create", body, None, change_id(self.owner, 0, key_of("aggregation", one.id)))
            targets.append(batch.Target("aggregation", one.id, [step]))
        batch.write(targets, self.context)
        ours = []
        for (one, _company), target in zip(made, targets, strict=True):
            error = target.steps[0].error
            if error is None:
                ours.append(one)
            elif not isinstance(error, VersionConflict):
                raise error
        stored = gateway().mget([(schema.aggregations_alias(), one.id) for one in ours])
        held = [(o, s) for o, s in zip(ours, stored, strict=True) if s and locking.owner_of(s.source) == self.owner]
        self._admit(held)
        left = _waiting([found.id for _one, found in held])
        for one, found in held:
            rows, joined = left.get(found.id, []), set(one.members)
            _forget([row.pk for row in rows if row.incident in joined])
            # Who began to wait while the group was made joins in the next round, named in a lock as all are.
            if all(row.incident in joined for row in rows):
                one.claims.clear()


def over(rule: GroupingRule, source: Mapping[str, Any], rules: Rules, now_ms: int) -> bool:
    """Return whether a group takes no more incidents: it is closed, or older than its rule lets it grow."""
    if rules.workflow(source.get("workflow_id")).is_terminal(str(source.get("status"))):
        return True
    if rule.window.kind == "fixed":
        return False
    return now_ms - _ms(source.get("created_at"), now_ms) > rule.window.minutes * 60_000


def _stale(places: Sequence[Place]) -> None:
    """Have figures worked out anew: of groups, and of those before them, which count what came after they closed."""
    rows = (
        StaleGroup(result_id=result_id(one.base, number), rule=one.rule.name)
        for one in places
        for number in range(max(0, one.generation - _MOST_BEFORE), one.generation + 1)
    )
    StaleGroup.objects.bulk_create(rows, batch_size=AT_ONCE)


def _waiting(ids: Sequence[str]) -> dict[str, list[Waiting]]:
    found: dict[str, list[Waiting]] = {}
    for part in chunks(ids, AT_ONCE):
        for row in Waiting.objects.filter(result_id__in=part).order_by("pk"):
            found.setdefault(row.result_id, []).append(row)
    return found


def _forget(keys: Sequence[int]) -> None:
    for part in chunks(keys, AT_ONCE):
        Waiting.objects.filter(pk__in=part).delete()


def _numbers(ids: Sequence[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for part in chunks(ids, AT_ONCE):
        rows = AggregationNumber.objects
        rows.bulk_create([AggregationNumber(result_id=one) for one in part], ignore_conflicts=True)
        numbers.update(rows.filter(result_id__in=part).values_list("result_id", "pk"))
    return numbers


def _seen(doc_id: str, source: Mapping[str, Any]) -> Seen:
    time_ms = _ms(source.get("@timestamp"), 0)
    return Seen(doc_id, time_ms, str(source.get("severity", "")), str(source.get("workflow_id", "")))


def _ms(value: Any, otherwise: int) -> int:
    try:
        return parse_instant(value, now_ms=0, tz=UTC) if isinstance(value, str | int) else otherwise
    except BadInstant:
        return otherwise

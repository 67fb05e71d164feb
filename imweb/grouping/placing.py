"""Putting incidents into their groups: the group is found, opened or waited for, then they join under its lock.

Whoever repeats this, beside others or after them, changes nothing: ids are worked out, a group is made by `create`,
an incident joins one group of a grouping, and what waits is written down before it is looked once more whether the
group is there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from django.utils import timezone

from imweb.errors import VersionConflict
from imweb.grouping import rows
from imweb.grouping.bodies import first_body
from imweb.grouping.claims import Claim, Seen, seen_of
from imweb.grouping.keys import result_id
from imweb.grouping.models import Generation, Waiting
from imweb.grouping.ready import chunks
from imweb.grouping.rows import AT_ONCE
from imweb.grouping.rules import GroupingRule
from imweb.incidents import history
from imweb.incidents.documents import key_of
from imweb.incidents.editing import batch, holding, locking
from imweb.incidents.editing.joining import GROUPING, RESULT, texts
from imweb.incidents.editing.rules import Rules
from imweb.incidents.editing.steps import Context, Step, change_id
from imweb.incidents.severities import severities
from imweb.incidents.times import BadInstant, parse_instant
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
Settle = Callable[[list[Stored]], object]
PATIENCE = 60.0  # seconds


@dataclass(slots=True)
class Place:
    """Where the claims of one group stand: its generation, and whether they were written down as waiting."""

    claims: dict[str, Claim]
    generation: int = 0
    waits: bool = False
    base: str = ""
    also: list[str] = field(default_factory=list)
    # Groups, with their groupings, in which somebody is already who joins: an edit that came just before the joining
    # is not seen any more, since the joining is the last change then.
    others: set[tuple[str, str]] = field(default_factory=set)

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


Held = tuple[Place, Stored]


def place(claims: Iterable[Claim], settle: Settle | None = None) -> int:
    """Put incidents into their groups; return how many joinings were made. Raises when a group stays locked.

    Who calls this several times gives one `batch.Settling`, so that histories are copied meanwhile.
    """
    places: dict[str, Place] = {}
    for claim in claims:
        held = places.setdefault(claim.base, Place({}, base=claim.base))
        held.claims[claim.seen.id] = claim
        held.others.update(claim.seen.groups)
    for part in chunks(list(places), AT_ONCE):
        for row in Generation.objects.filter(base__in=part):
            places[row.base].generation = row.number
    run = _Run(holding.engine_context(), uuid.uuid4().hex, settle)
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
    settle: Settle | None
    joined: int = 0

    def round(self, places: Sequence[Place]) -> int:
        """Go one step further with every place; return how many could not because of somebody's lock."""
        ids = [one.id for one in places]
        found = gateway().mget([(schema.aggregations_alias(), one) for one in ids])
        now = holding.now_ms()
        wanted: list[Held] = []
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
        held: list[Held] = []
        try:
            held += self._take(wanted)
            held += self._open(fresh)
            # All at once: an incident that joins one group and opens another is written once.
            self._admit(held)
        finally:
            holding.release(self.owner, [stored for _one, stored in held])
        self._settled([one for one, _stored in held])
        return busy

    def _next_generation(self, one: Place) -> None:
        one.generation += 1
        one.waits = False
        row, made = Generation.objects.get_or_create(base=one.base, defaults={"number": one.generation})
        if not made and row.number < one.generation:
            Generation.objects.filter(base=one.base, number__lt=one.generation).update(number=one.generation)

    def _take(self, wanted: Sequence[Held]) -> list[Held]:
        """Take the locks of groups that stand, with the names of all who join; return those that were free."""
        waiting = rows.waiting([one.id for one, _stored in wanted])
        for one, _stored in wanted:
            one.also = [row.incident for row in waiting.get(one.id, ())]
        ops = [(stored, locking.joining_op(self.owner, holding.now_ms(), one.members)) for one, stored in wanted]
        return [
            (one, stored) for (one, _read), stored in zip(wanted, holding.take(ops), strict=True) if stored is not None
        ]

    def _admit(self, held: Sequence[Held]) -> None:
        if not held:
            return
        # Under the lock: who works figures out leaves a group alone that is locked, and its rows stand.
        rows.stale([(one.base, one.generation, one.rule.name) for one, _stored in held])
        rows.stale_groups({pair for one, _stored in held for pair in one.others})
        wanted: dict[str, list[holding.Membership]] = {}
        for one, stored in held:
            for doc_id in one.members:
                wanted.setdefault(doc_id, []).append(holding.membership_of(stored))
        for fault in holding.join(wanted, self.context, self.settle):
            raise fault
        self.joined += sum(len(groups) for groups in wanted.values())

    def _settled(self, places: Sequence[Place]) -> None:
        """Forget who waited and has joined; who began to wait meanwhile joins in the next round, named in a lock."""
        left = rows.waiting([one.id for one in places])
        gone = []
        for one in places:
            waiting, joined = left.get(one.id, []), set(one.members)
            gone += [row.pk for row in waiting if row.incident in joined]
            if all(row.incident in joined for row in waiting):
                one.claims.clear()
        rows.forget(gone)

    def _open(self, fresh: Sequence[Place]) -> list[Held]:
        """Make the groups that are large enough; what is not waits, written down before it is looked once more."""
        alone = [one for one in fresh if not one.waits and len(one.claims) < one.rule.minimum]
        now = timezone.now()
        new = [
            Waiting(result_id=one.id, rule=one.rule.name, incident=doc_id, at=now)
            for one in alone
            for doc_id in one.claims
        ]
        Waiting.objects.bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)
        rows.stale([(one.base, one.generation, one.rule.name) for one in alone if one.generation])
        ready = [one for one in fresh if one.waits or len(one.claims) >= one.rule.minimum]
        for one in alone:
            one.waits = True
        waiting = rows.waiting([one.id for one in ready])
        others = self._company(ready, waiting)
        made = []
        for one in ready:
            company = others.get(one.id, [])
            if len(one.claims) + len(company) >= one.rule.minimum:
                made.append((one, company))
            else:
                one.claims.clear()
        return self._make(made)

    def _company(self, places: Sequence[Place], waiting: Mapping[str, Sequence[rows.Waits]]) -> dict[str, list[Seen]]:
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
        fields = ["@timestamp", "severity", "workflow_id", "deleted", GROUPING, RESULT]
        for part in chunks(wanted, AT_ONCE):
            read = gateway().mget([(schema.incidents_alias(), doc_id) for _one, doc_id in part], source=fields)
            for (one, doc_id), stored in zip(part, read, strict=True):
                source = stored.source if stored else {"deleted": True}
                if not source.get("deleted") and one.rule.name not in texts(source, GROUPING):
                    found.setdefault(one.id, []).append(seen_of(doc_id, source, _ms(source.get("@timestamp"), 0)))
        return found

    def _make(self, made: Sequence[tuple[Place, list[Seen]]]) -> list[Held]:
        """Make groups, locked by us until their first incidents have joined; one that others make is found later."""
        if not made:
            return []
        numbers = rows.numbers([one.id for one, _company in made])
        ranks = {level.name: level.rank for level in severities()}
        targets = []
        for one, company in made:
            claim = next(iter(one.claims.values()))
            members = [*(held.seen for held in one.claims.values()), *company]
            body = first_body(claim, members, ranks)
            one.also = [seen.id for seen in company]
            one.others.update(pair for seen in company for pair in seen.groups)
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
        written: dict[str, Stored] = {}

        def keep(new: list[Stored]) -> None:
            # Letting go of the lock writes the group once more: what it carries leaves it then.
            written.update((stored.id, stored) for stored in history.relieved(new))

        batch.write(targets, self.context, keep)
        ours = []
        for (one, _company), target in zip(made, targets, strict=True):
            error = target.steps[0].error
            if error is None:
                ours.append(one)
            elif not isinstance(error, VersionConflict):
                raise error
        # Where the answer was lost, the group is looked for.
        lost = [one.id for one in ours if one.id not in written]
        for stored in gateway().mget([(schema.aggregations_alias(), one) for one in lost]):
            if stored and locking.owner_of(stored.source) == self.owner:
                written[stored.id] = stored
        return [(one, written[one.id]) for one in ours if one.id in written]


def over(rule: GroupingRule, source: Mapping[str, Any], rules: Rules, now_ms: int) -> bool:
    """Return whether a group takes no more incidents: it is closed, or older than its rule lets it grow."""
    if rules.workflow(source.get("workflow_id")).is_terminal(str(source.get("status"))):
        return True
    if rule.window.kind == "fixed":
        return False
    return now_ms - _ms(source.get("created_at"), now_ms) > rule.window.minutes * 60_000


def _ms(value: Any, otherwise: int) -> int:
    try:
        return parse_instant(value, now_ms=0, tz=UTC) if isinstance(value, str | int) else otherwise
    except BadInstant:
        return otherwise

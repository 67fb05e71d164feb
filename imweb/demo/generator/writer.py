"""One hour of the run, written out: aggregation results, incidents and the history of both as `_bulk` lines."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imweb.incidents.mitre import ids_from_tags

from .events import SHAPES
from .groups import Group, group, result_of
from .population import SITES, Population, populate
from .rhythm import Block, Rhythm, instant, rhythm
from .scenes import Sighting, Stage
from .times import iso
from .values import Filler, Scene, fillers, pick
from .work import DAY, Step, work

Json = dict[str, Any]
MAX_INCIDENTS = 50_000_000
MAX_DAYS = 3_650
# Big enough that a request costs little, small enough that several in flight do not fill the node's buffers.
BODY_LINES = 5_000
USER = "generator"
RAISED = {"informational": "low", "low": "medium", "medium": "high", "high": "critical", "critical": "critical"}
RISK = {"informational": 8, "low": 25, "medium": 48, "high": 70, "critical": 88}
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
Numbers = Callable[[Sequence[str]], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a run contains: the same plan writes the same documents, block by block."""

    size: int
    seed: int
    start_ms: int
    end_ms: int

    @classmethod
    def of(cls, size: int, seed: int, days: int, end_ms: int) -> Plan:
        """Return the plan of a run over the `days` before `end_ms`; raises `ValueError` out of range."""
        if not 1 <= size <= MAX_INCIDENTS:
            raise ValueError(f"the number of incidents lies between 1 and {MAX_INCIDENTS:,}, not {size:,}")
        if not 1 <= days <= MAX_DAYS:
            raise ValueError(f"the number of days lies between 1 and {MAX_DAYS:,}, not {days:,}")
        if end_ms < days * DAY:
            raise ValueError("the run would begin before 1970")
        return cls(size, seed, end_ms - days * DAY, end_ms)

    @property
    def name(self) -> str:
        """Return what every id of the run is derived from."""
        return f"{self.seed}:{self.size}:{self.start_ms}:{self.end_ms}"


@dataclass(frozen=True, slots=True)
class Targets:
    """The indices (or aliases) that the lines are addressed to."""

    incidents: str
    aggregations: str
    history: str


@dataclass(slots=True)
class Body:
    """A part of an hour, ready to be sent."""

    data: bytes
    incidents: int
    groups: int
    entries: int


class Writer:
    """Writes the blocks of one plan; every block by itself, in any order and in any process."""

    def __init__(self, plan: Plan, targets: Targets, numbers: Numbers) -> None:
        self.plan = plan
        self.targets = targets
        self.numbers = numbers
        self.population: Population = populate(plan.seed, plan.size)
        self.rhythm: Rhythm = rhythm(plan.seed, plan.size, plan.start_ms, plan.end_ms)
        self.stage = Stage(plan.seed, self.population, self.rhythm.bursts)
        self._fillers: dict[str, tuple[tuple[tuple[str, Filler], ...], ...]] = {}
        self._mitre: dict[str, list[str]] = {}
        for rule in self.stage.mix.rules:
            self._fillers[rule.id] = fillers(rule)
            self._mitre[rule.id] = ids_from_tags(list(rule.tags))

    def blocks(self) -> list[Block]:
        """Return the hours of the run that hold something, the oldest first."""
        return [block for block in self.rhythm.blocks if block.size]

    def bodies(self, block: Block) -> Iterator[Body]:
        """Yield one hour as `_bulk` bodies: groups first, then incidents, each followed by its history."""
        rng = random.Random(f"block:{self.plan.name}:{block.number}")
        sightings = self._sightings(rng, block)
        groups = group(self.plan.name, block.number, sightings)
        owner = {member: found for found in groups for member in found.members}
        numbers = self.numbers([found.id for found in groups]) if groups else {}
        kept: dict[str, list[Json]] = {found.id: [] for found in groups}
        done: dict[str, tuple[Step, ...]] = {}
        for found in groups:
            last = sightings[found.members[-1]]
            # The worst level among the members is not known yet; the rule's own is near enough for the queue.
            done[found.id] = work(rng, last.rule, last.rule.level, last.time_ms, self.plan.end_ms)
        lines: list[str] = []
        incidents = entries = made = 0
        for number, sighting in enumerate(sightings):
            own = owner.get(number)
            body = self.incident(rng, sighting, own)
            steps = (
                done[own.id] if own else work(rng, sighting.rule, body["severity"], sighting.time_ms, self.plan.end_ms)
            )
            doc_id = _uuid(rng, "i")
            lag = sighting.time_ms + 1_000 + int(rng.random() * 4_000)
            source = stored("incident", doc_id, body, steps, min(lag, self.plan.end_ms))
            if own:
                source["group_numbers"] = [numbers[own.id]]
                kept[own.id].append(body)
            lines += (f'{{"create":{{"_index":"{self.targets.incidents}","_id":"{doc_id}"}}}}', _encode(source))
            incidents += 1
            entries += self._history(lines, "incident", doc_id, steps)
            if own and number == own.members[-1]:
                entries += self._group(lines, own, kept.pop(own.id), done[own.id], numbers[own.id], sighting.time_ms)
                made += 1
            if len(lines) >= BODY_LINES:
                yield Body(_joined(lines), incidents, made, entries)
                lines, incidents, entries, made = [], 0, 0, 0
        if lines:
            yield Body(_joined(lines), incidents, made, entries)

    def incident(self, rng: random.Random, sighting: Sighting, own: Group | None) -> Json:
        """Return an incident's fields as they are when it comes in."""
        rule, host = sighting.rule, sighting.host
        outside = sighting.outside or pick(rng, self.population.outside)
        domain = sighting.domain or pick(rng, self.population.domains)
        scene = Scene(rng, self.population, rule, host, sighting.user, outside, domain)
        choices = self._fillers[rule.id]
        chosen = choices[sighting.activity if sighting.activity >= 0 else int(rng.random() * len(choices))]
        time = iso(sighting.time_ms)
        entities, event = SHAPES[rule.kind](scene, {name: filler(scene) for name, filler in chosen}, time)
        severity = rule.level
        if ("crown jewel" in host.tags or "management" in host.tags) and rng.random() < 0.15:
            severity = RAISED[severity]
        body: Json = {
            "@timestamp": time,
            "title": rule.title,
            "description": rule.description,
            "severity": severity,
            "status": "new",
            "workflow_id": "default",
            "rule": {"id": rule.id, "name": rule.title},
            "source": rule.source,
            "entities": entities,
            "mitre": self._mitre[rule.id],
            "event": event,
            "site": SITES[3] if rule.kind == "cloud" else host.site,
            "asset_tags": list(host.tags),
            "risk_score": _risk(rng, severity, host.tags),
        }
        if own:
            body["incident_aggregation_id"] = [own.grouping]
            body["incident_aggregation_result_id"] = [own.id]
        return body

    def _sightings(self, rng: random.Random, block: Block) -> list[Sighting]:
        stride = self.rhythm.total / self.plan.size
        low = block.slots[0].before
        high = block.slots[-1].before + block.slots[-1].weight
        found = []
        for number in range(block.first, block.last):
            position = min(max((number + rng.random()) * stride, low), high)
            found.append(self.stage.draw(rng, *instant(block.slots, position)))
        return found

    def _group(
        self, lines: list[str], own: Group, members: list[Json], steps: tuple[Step, ...], number: int, last_ms: int
    ) -> int:
        body = result_of(own, members)
        body["status"] = "new"
        came = min(last_ms + 2_000, self.plan.end_ms)
        source = stored("aggregation", own.id, body, steps, came)
        source["group_number"] = number
        lines += (f'{{"create":{{"_index":"{self.targets.aggregations}","_id":"{own.id}"}}}}', _encode(source))
        return self._history(lines, "aggregation", own.id, steps)

    def _history(self, lines: list[str], kind: str, doc_id: str, steps: tuple[Step, ...]) -> int:
        for rev, step in enumerate(steps, 2):
            change = change_id(doc_id, rev)
            entry: Json = {
                "time": iso(step.time_ms),
                "key": f"{kind}/{doc_id}",
                "objectId": doc_id,
                "objectType": kind,
                "type": "edit",
                "user": step.user,
                "rev": rev,
                "change": change,
                "edited": [{"fieldName": name, "oldValue": old, "newValue": new} for name, old, new in step.edited],
            }
            if step.comment:
                entry["comment"] = step.comment
            lines += (f'{{"create":{{"_index":"{self.targets.history}","_id":"{change}"}}}}', _encode(entry))
        return len(steps)


def stored(kind: str, doc_id: str, body: Json, steps: tuple[Step, ...], came_ms: int) -> Json:
    """Return a document as it lies in the index after the steps; the same as editing would have left it."""
    created = iso(came_ms)
    source: Json = {**body, "key": f"{kind}/{doc_id}", "rev": 1 + len(steps)}
    touched: Json = {}
    updated, by = created, USER
    for rev, step in enumerate(steps, 2):
        updated, by = iso(step.time_ms), step.user
        change = change_id(doc_id, rev)
        for name, old, new in step.edited:
            source[name] = new
            touched[name] = {"rev": rev, "change": change, "user": by, "time": updated, "old": old}
            if name == "status":
                source.setdefault("responded_at", updated)
                if new in ("closed", "rejected"):
                    source["closed_at"] = updated
        if step.comment:
            source["comment"] = step.comment
    source["touched"] = touched
    source["pending"] = []
    source["has_pending"] = False
    source["deleted"] = False
    source["created_at"] = created
    source["updated_at"] = updated
    source["updated_by"] = by
    rule_id, host = body["rule"]["id"], body["entities"].get("host", "")
    first_rule = rule_id if isinstance(rule_id, str) else rule_id[0]
    source["fingerprint"] = f"{first_rule}|{host if isinstance(host, str) else host[0]}"
    return source


def change_id(doc_id: str, rev: int) -> str:
    """Return the id of the change that made a revision, which is also its history entry's."""
    return f"{doc_id}.{rev}"


def _risk(rng: random.Random, severity: str, tags: tuple[str, ...]) -> float:
    score = RISK[severity] + rng.random() * 14 - 7 + (6 if "crown jewel" in tags else 0)
    return float(round(min(100.0, max(1.0, score))))


def _uuid(rng: random.Random, letter: str) -> str:
    text = f"{rng.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (4 << 76) | (2 << 62):032x}"
    return f"{letter}{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _joined(lines: list[str]) -> bytes:
    return "\n".join(lines).encode()

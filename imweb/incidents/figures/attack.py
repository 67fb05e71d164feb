"""How often each ATT&CK id stands in a set of incidents: on incidents, and on distinct hosts.

Every figure is exact: ids and hosts are walked with composite aggregations, never estimated with `cardinality`, and a
technique with sub-techniques counts an incident that names several of them once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from imweb.accounts.actor import Actor
from imweb.errors import ValidationFailed
from imweb.incidents import mitre
from imweb.incidents.figures.walking import walk
from imweb.incidents.paging import Reader
from imweb.incidents.params import Filters
from imweb.incidents.resultset import result_set

Json = dict[str, Any]
MAX_IDS = 20_000
MAX_PAIRS = 200_000
HOST = "entities.host"


@dataclass(frozen=True, slots=True)
class Count:
    """How many incidents name one of `ids`, as stored; `hosts` is None unless hosts were asked for."""

    ids: tuple[str, ...]
    incidents: int
    hosts: int | None = None


@dataclass(frozen=True, slots=True)
class AttackFigures:
    """The ATT&CK ids of a set; techniques and retired ones by their id, parents with what their sub-techniques have.

    `alone` are the parents without their sub-techniques. `cut` is true where there were more than `MAX_IDS` ids.
    """

    now_ms: int
    total: int
    tagged: int
    tactics: Mapping[str, Count] = field(default_factory=dict)
    techniques: Mapping[str, Count] = field(default_factory=dict)
    alone: Mapping[str, Count] = field(default_factory=dict)
    retired: Mapping[str, Count] = field(default_factory=dict)
    unknown: Sequence[Count] = ()
    cut: bool = False


def attack_figures(actor: Actor, filters: Filters, *, with_hosts: bool = False) -> AttackFigures:
    """Return the figures of the incidents under the filters; groups are left out, their members stand for them.

    Raises what `result_set` raises, and `ValidationFailed` when hosts are asked for and there are too many to count.
    """
    wanted = replace(filters, with_aggregations=False, collapse_grouped=False)
    with result_set(actor, wanted, None, snapshot=True) as found:
        if found.registry.get("mitre") is None:
            return AttackFigures(found.now_ms, found.reader.count(), 0)
        if with_hosts and found.registry.get(HOST) is None:
            raise ValidationFailed.field("by", _("incidents; hosts are hidden from your roles"))
        reader = found.reader
        body: Json = {"size": 0, "query": reader.clauses.query(), "track_total_hits": True}
        body["aggs"] = {"tagged": {"filter": {"exists": {"field": "mitre"}}}}
        answer = reader.search(body)
        total = int(answer["hits"]["total"]["value"])
        tagged = int(answer["aggregations"]["tagged"]["doc_count"])
        stored: dict[str, int] = {}
        for key, count in walk(reader, ("mitre",)):
            stored[key[0]] = count
            if len(stored) >= MAX_IDS:
                break
        hosts = _hosts(reader) if with_hosts else None
        places = _places(stored)
        several = {place: ids for place, ids in places.items() if len(ids) > 1}
        counts = {place: stored[ids[0]] for place, ids in places.items() if len(ids) == 1} | _any_of(reader, several)
    figures: dict[str, dict[str, Count]] = defaultdict(dict)
    for (kind, name), ids in places.items():
        seen = None if hosts is None else len(set().union(*(hosts.get(value, set()) for value in ids)))
        figures[kind][name] = Count(tuple(ids), counts[kind, name], seen)
    return AttackFigures(
        found.now_ms,
        total,
        tagged,
        figures["tactic"],
        figures["technique"],
        figures["alone"],
        figures["retired"],
        sorted(figures["unknown"].values(), key=lambda item: (-item.incidents, item.ids)),
        len(stored) >= MAX_IDS,
    )


def _places(stored: Mapping[str, int]) -> dict[tuple[str, str], list[str]]:
    """Return which stored values count where; letter case and tactics' names are how callers wrote the same thing."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for value in sorted(stored):
        if technique := mitre.technique(value):
            if technique.retired:
                found["retired", technique.id].append(value)
                continue
            found["technique", technique.id].append(value)
            if technique.parent:
                found["technique", technique.parent].append(value)
            else:
                found["alone", technique.id].append(value)
        elif tactic := mitre.tactic(value):
            found["tactic", tactic.id].append(value)
        else:
            found["unknown", value].append(value)
    return dict(found)


def _any_of(reader: Reader, places: Mapping[tuple[str, str], Sequence[str]]) -> dict[tuple[str, str], int]:
    """Return how many documents hold at least one of several ids, for each place."""
    if not places:
        return {}
    order = list(places)
    filters = {f"p{number}": {"terms": {"mitre": list(places[place])}} for number, place in enumerate(order)}
    buckets = reader.aggregate({"places": {"filters": {"filters": filters}}})["places"]["buckets"]
    return {place: int(buckets[f"p{number}"]["doc_count"]) for number, place in enumerate(order)}


def _hosts(reader: Reader) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for number, (key, _count) in enumerate(walk(reader, ("mitre", HOST))):
        if number >= MAX_PAIRS:
            raise ValidationFailed.field(
                "by",
                _("more than %(most)s pairs of technique and host; narrow the time range or count incidents")
                % {"most": f"{MAX_PAIRS:,}"},
            )
        found[key[0]].add(key[1])
    return found

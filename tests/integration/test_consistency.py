"""In one point in time everything agrees while others write: list, total, statistics, histogram, and plain Python.

Leaving out incidents whose group is in the list (`collapse_grouped`) is a join, and is exact in all of them as well.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.incidents import facets, pits, services
from imweb.incidents.documents import DocKind, iso, key_of, new_source
from imweb.incidents.params import parse_listing, parse_statistics
from imweb.incidents.registry import registry
from imweb.opensearch import gateway, schema
from tests.integration.stirring import Stirrer, stirring
from tests.services import until

Json = dict[str, Any]
Matches = Callable[[Json], bool]
NOON = 1_763_900_000_000
DAY = 86_400_000
INCIDENTS, GROUPS = 6_000, 2_500
SEVERITIES = ["low", "medium", "high", "critical", "bespoke", None]
STATUSES = ["new", "in_progress", "closed"]
SOURCES = ["Sensor A", "sensor b", "Mail gate", "50% off*", None]
REVIEWERS = ["anna", "Bert", None]

pytestmark = [pytest.mark.django_db(transaction=True)]


def made_up() -> list[Json]:
    """Return groups, incidents of none, one or two of them, and ids that are both kinds' at once."""
    rng = random.Random(7)
    docs: list[Json] = [
        _document(rng, "aggregation", f"g{number}") | {"group_number": number} for number in range(GROUPS)
    ]
    for number in range(INCIDENTS):
        doc_id = f"g{number}" if number < 200 else f"i{number}"
        groups = rng.sample(range(GROUPS + 300), rng.choice([0, 0, 1, 1, 1, 2]))
        # Numbers from GROUPS on are of groups that are not there (hidden, or deleted meanwhile).
        docs.append(_document(rng, "incident", doc_id) | {"group_numbers": groups})
    return docs


def _document(rng: random.Random, kind: DocKind, doc_id: str) -> Json:
    fields = {
        "severity": rng.choice(SEVERITIES),
        "status": rng.choice(STATUSES),
        "source": rng.choice(SOURCES),
        "reviewer": rng.choice(REVIEWERS),
    }
    ms = NOON - rng.choice([0, rng.randrange(DAY), rng.randrange(3 * DAY)])
    kept = {name: value for name, value in fields.items() if value is not None}
    return {"kind": kind, "id": doc_id, "key": key_of(kind, doc_id), "ms": ms, **kept}


@pytest.fixture
def documents(indices: None) -> list[Json]:
    """The documents, stored."""
    docs = made_up()
    for start in range(0, len(docs), 5_000):
        lines: list[Json] = []
        for doc in docs[start : start + 5_000]:
            body = {name: value for name, value in doc.items() if name not in ("kind", "id", "key", "ms")}
            body |= {"@timestamp": iso(doc["ms"]), "title": "Consistent"}
            lines += [{"create": {"_index": schema.alias_of(doc["kind"]), "_id": doc["id"]}}]
            lines += [new_source(doc["kind"], doc["id"], body, user="test", now_ms=NOON)]
        assert not [item for item in gateway().bulk(lines) if "error" in item["create"]]
    pits.note_write(None)
    return docs


def some_filters(rng: random.Random, *, groups_too: bool = False) -> tuple[Json, Matches]:
    """Return filters as a caller sends them, and what they mean."""
    asked: Json = {"start_time": None, "end_time": None, "additional_fields": []}
    tests: list[Matches] = []
    if rng.random() < 0.5:
        start = NOON - rng.randrange(3 * DAY)
        end = start + rng.randrange(2 * DAY)
        asked |= {"start_time": start, "end_time": iso(end)}
        tests.append(lambda doc: start <= doc["ms"] <= end)
    for name, values in (("severity", SEVERITIES), ("status", STATUSES), ("reviewer", REVIEWERS)):
        if rng.random() < 0.4:
            chosen = rng.sample([value for value in values if value], 2)
            exclude = rng.random() < 0.3
            asked["additional_fields"] += [{"name": name, "type": "multiselect", "value": chosen, "exclude": exclude}]
            tests.append(lambda doc, n=name, c=chosen, e=exclude: (doc.get(n) in c) != e)  # type: ignore[misc]
    if rng.random() < 0.3:
        exclude = rng.random() < 0.3
        asked["additional_fields"] += [{"name": "source", "type": "text", "value": "SENSOR*", "exclude": exclude}]
        tests.append(lambda doc: doc.get("source", "").lower().startswith("sensor") != exclude)
    if rng.random() < 0.3:
        asked["search_query"] = {"bool": {"must_not": [{"term": {"status": "closed"}}]}}
        tests.append(lambda doc: doc["status"] != "closed")
    if rng.random() < 0.3:
        asked["query_string"] = "severity:high or not status:new"
        tests.append(lambda doc: doc.get("severity") == "high" or doc["status"] != "new")
    if rng.random() < 0.3 and not groups_too:
        asked["is_show_aggs"] = False
        tests.append(lambda doc: doc["kind"] == "incident")
    return asked, lambda doc: all(test(doc) for test in tests)


def kept(docs: list[Json], matches: Matches, *, collapse: bool) -> list[Json]:
    """Return what belongs to a list, newest first, by plain Python."""
    found = [doc for doc in docs if matches(doc)]
    if collapse:
        groups = {doc["group_number"] for doc in found if doc["kind"] == "aggregation"}
        found = [doc for doc in found if not groups.intersection(doc.get("group_numbers", ()))]
    return sorted(found, key=lambda doc: (-doc["ms"], doc["key"]))


class Seen:
    """What one set of filters gives in one point in time."""

    def __init__(self, actor: Actor, asked: Json) -> None:
        known = registry()
        self.keys: list[str] = []
        self.totals: set[int | None] = set()
        cursor = None
        while True:
            page = services.list_documents(
                actor,
                parse_listing(
                    {**asked, "size": 900, "with_total_docs": True, **({"search_after": cursor} if cursor else {})},
                    registry=known,
                    zone="UTC",
                ),
            )
            self.keys += [doc.key for doc in page.docs]
            self.totals.add(page.total)
            cursor = page.next
            if cursor is None:
                break
        query = parse_statistics({**asked, "interval": "auto"}, registry=known, zone="Europe/Oslo")
        self.statistics = services.severity_statistics(actor, query)

    def check(self, expected: list[Json]) -> None:
        """Compare the list, its total, the statistics and the histogram with each other and with what is expected."""
        assert self.keys == [doc["key"] for doc in expected]
        assert self.totals == {len(expected)}
        assert self.statistics.total == len(expected)
        counts = {level.key: level.count for level in self.statistics.severities if level.count}
        assert counts == Counter(doc.get("severity", "") for doc in expected)
        groups = {level.key: level.aggregations for level in self.statistics.severities if level.aggregations}
        assert groups == Counter(doc.get("severity", "") for doc in expected if doc["kind"] == "aggregation")
        bars: Counter[str] = Counter()
        for bucket in self.statistics.histogram or []:
            bars.update(bucket.counts)
        assert +bars == counts


@contextmanager
def written_to(stirrer: Stirrer) -> Iterator[None]:
    """Have the other process write all the time."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            stirrer.round()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def test_everything_agrees_while_others_write(documents: list[Json], lead: User, process_env: dict[str, str]) -> None:
    """20 sets of filters in one point in time, every second of them without the incidents of groups."""
    actor = actor_of(lead)
    lease = pits.open_pit(lead.pk, True)
    rng = random.Random(20)
    sizes = []
    with stirring(process_env) as stirrer, written_to(stirrer):
        for number in range(20):
            rounds = stirrer.rounds
            until(lambda rounds=rounds: stirrer.rounds > rounds, 60)
            asked, matches = some_filters(rng)
            collapse = number % 2 == 1
            expected = kept(documents, matches, collapse=collapse)
            Seen(actor, {**asked, "collapse_grouped": collapse, "pit": lease.token}).check(expected)
            sizes.append(len(expected))
    assert len([size for size in sizes if size > 100]) >= 10
    newer = pits.open_pit(lead.pk, True)
    everything = {"start_time": None, "end_time": None, "pit": newer.token}
    with pytest.raises(AssertionError):
        Seen(actor, everything).check(kept(documents, lambda doc: True, collapse=False))


@pytest.mark.parametrize("seed", [0, 2, 5, 6, 7])
def test_groups_stand_for_their_incidents(documents: list[Json], lead: User, seed: int) -> None:
    """By the whole query, never by page: a group that the filters leave out hides nobody."""
    actor = actor_of(lead)
    lease = pits.open_pit(lead.pk, True)
    asked, matches = some_filters(random.Random(seed), groups_too=True)
    apart = kept(documents, matches, collapse=False)
    together = kept(documents, matches, collapse=True)
    assert 0 < len(together) < len(apart)
    Seen(actor, {**asked, "pit": lease.token}).check(apart)
    Seen(actor, {**asked, "collapse_grouped": True, "pit": lease.token}).check(together)


@pytest.mark.parametrize("collapse", [True, False])
def test_facets_count_what_the_list_has(documents: list[Json], lead: User, collapse: bool) -> None:
    """The values that are filtered by, and every value of the other fields; by field and by severity alike."""
    actor = actor_of(lead)
    lease = pits.open_pit(lead.pk, True)
    fields = [registry().fields[name] for name in ("status", "source", "reviewer", "severity")]
    narrowed = 0
    for asked_for in (
        {"status": ["new"], "reviewer": ["anna"]},
        {"severity": ["low", "bespoke"]},
        {"source": ["Sensor A"]},
    ):
        chosen = [{"name": name, "type": "multiselect", "value": values} for name, values in asked_for.items()]
        asked = {"start_time": None, "end_time": None, "pit": lease.token, "collapse_grouped": collapse}
        filters = parse_listing({**asked, "additional_fields": chosen}, registry=registry(), zone="UTC").filters

        def matches(doc: Json, wanted: dict[str, list[str]] = asked_for) -> bool:
            return all(doc.get(name) in values for name, values in wanted.items())

        listed = kept(documents, matches, collapse=collapse)
        narrowed += len(kept(kept(documents, lambda _: True, collapse=True), matches, collapse=False)) != len(listed)
        for facet in facets.facets(actor, filters, lease.token, fields):
            name = facet.field.name
            counts = {value.value: value.count for value in facet.values}
            true = Counter(doc[name] for doc in listed if name in doc)
            if name in asked_for:
                assert {value: counts[value] for value in asked_for[name]} == {v: true[v] for v in asked_for[name]}
                assert set(counts) > set(asked_for[name]), "what else could be chosen"
            else:
                assert (counts, facet.missing) == (true, sum(name not in doc for doc in listed))
    # Leaving out the incidents of groups first, and filtering then, would have counted too few.
    assert narrowed or not collapse

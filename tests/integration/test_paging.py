"""Pages are exact at any depth: whatever the order, the way and the steps, each document comes exactly once.

30,000 documents with many ties, missing values, 12,000 in one millisecond, and ids that are an incident's and an
aggregation result's at once. The order expected is worked out in plain Python from what was written.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import Phase, given
from hypothesis import strategies as st

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.errors import ValidationFailed
from imweb.incidents import pits, registry, services, severities
from imweb.incidents.documents import iso, key_of, new_source
from imweb.incidents.fields import CORE_FIELDS, mapping_of
from imweb.incidents.models import CustomField
from imweb.incidents.params import parse_listing
from imweb.incidents.setup import ensure_indices
from imweb.opensearch import gateway, schema
from tests.examples import examples
from tests.settings import RUN_ID

Json = dict[str, Any]
COUNT = 30_000
TOGETHER = 12_000
NOON = 1_763_900_000_000
CUSTOM = {"risk": "number", "site": "select", "asset": "text", "due": "datetime"}
SORTABLE = [*(field.name for field in CORE_FIELDS.values() if field.sortable), *CUSTOM]
# Nothing but what says which document it is: the walks read millions of hits.
EXCLUDES = ("title", "entities", "touched", "pending", "rule", "created_at", "updated_at", "fingerprint", *CUSTOM)
AWKWARD = ["Ärger", "ärger", "zebra", "Zebra", "", "0", "10", "9", "\uffee", "\U0001f50d lens", "x" * 1_000]
FILTERS: dict[str, tuple[Json, Callable[[Json], bool]]] = {
    "everything": ({}, lambda doc: True),
    "incidents": ({"is_show_aggs": False}, lambda doc: doc["key"].startswith("incident/")),
    "one site": (
        {"additional_fields": [{"name": "site", "type": "select", "value": "Oslo"}]},
        lambda doc: doc.get("site") == "Oslo",
    ),
    "an hour": (
        {"start_time": NOON - 3_600_000, "end_time": NOON + 3_600_000},
        lambda doc: abs(doc["ms"] - NOON) <= 3_600_000,
    ),
    "not Lima": (
        {"additional_fields": [{"name": "site", "type": "select", "value": "Lima", "exclude": True}]},
        lambda doc: doc.get("site") != "Lima",
    ),
    "nothing": ({"start_time": NOON + 1, "end_time": NOON + 2}, lambda doc: False),
}

pytestmark = [pytest.mark.usefixtures("custom_fields")]


def made_up() -> list[Json]:
    """Return the documents, each with its time beside it in epoch milliseconds."""
    rng = random.Random(11)
    docs: list[Json] = []
    for number in range(COUNT):
        kind = "aggregation" if number % 10 == 0 else "incident"
        # Every third aggregation result has the id of an incident.
        doc_id = f"d{number + 1}" if number % 30 == 0 else f"d{number}"
        if number % 5 in (1, 2):
            ms = NOON
        elif number % 50 == 3:
            ms = rng.choice([0, 1, -86_400_000, 4_102_444_800_000])
        else:
            ms = NOON - rng.randrange(30 * 1_440) * 60_000 + (0 if rng.random() < 0.8 else rng.randrange(60_000))
        doc: Json = {
            "title": rng.choice(AWKWARD) if rng.random() < 0.1 else f"Logon {int(rng.paretovariate(0.4)) % 40_000}",
            "severity": rng.choice(["low", "low", "low", "medium", "high", "critical", "bespoke", "alien"]),
            "status": rng.choice(["new", "in_progress", "closed"]),
            "workflow_id": "default",
            "reviewer": rng.choice(["anna", "Bert", "çelik"]),
            "resolution": rng.choice(["true_positive", "false_positive"]),
            "incident_type": rng.choice(["malware", "phishing"]),
            "source": rng.choice(AWKWARD[:-1]),
            "rule": {"id": f"r{rng.randrange(40)}", "name": f"Rule {rng.randrange(7_000)}"},
            "risk": rng.choice([0, 1, -1, 0.5, 1e300, -1e300, 5e-324, rng.randrange(100), rng.random()]),
            "site": rng.choice(["Oslo", "Rome", "Lima"]),
            "asset": f"asset-{rng.randrange(9_000)}",
            "due": iso(rng.choice([NOON, NOON + rng.randrange(10**9), 0, -1, -(10**12)])),
        }
        for name in (*SORTABLE, "rule"):
            share = 0.9 if name in ("reviewer", "resolution") else 0.1 if ms != NOON else 0.02
            if name in doc and rng.random() < share:
                del doc[name]
        docs.append({**doc, "kind": kind, "id": doc_id, "key": key_of(kind, doc_id), "ms": ms})  # type: ignore[arg-type]
    return docs


@pytest.fixture(scope="module")
def documents(
    opensearch_server: Any, redis_server: Any, django_db_setup: None, django_db_blocker: Any
) -> Iterator[list[Json]]:
    """The documents, written once for this module into indices of its own."""
    docs = made_up()
    assert len({doc["key"] for doc in docs}) == COUNT
    assert len({doc["id"] for doc in docs}) == COUNT * 29 // 30
    assert sum(doc["ms"] == NOON for doc in docs) >= TOGETHER
    with override_settings(IM_INDEX_PREFIX=f"{RUN_ID}-paging"):
        with django_db_blocker.unblock():
            ensure_indices()
        kinds = {name: CustomField(name=name, type=kind).field.kind for name, kind in CUSTOM.items()}
        gateway().put_mapping(schema.document_aliases(), {name: mapping_of(kind) for name, kind in kinds.items()})
        for start in range(0, COUNT, 5_000):
            lines: list[Json] = []
            for doc in docs[start : start + 5_000]:
                body = {name: value for name, value in doc.items() if name not in ("kind", "id", "key", "ms")}
                if doc["kind"] == "aggregation":
                    body["group_number"] = int(doc["id"][1:])
                body["@timestamp"] = iso(doc["ms"])
                lines += [{"create": {"_index": schema.alias_of(doc["kind"]), "_id": doc["id"]}}]
                lines += [new_source(doc["kind"], doc["id"], body, user="test", now_ms=NOON)]
            assert not [item for item in gateway().bulk(lines) if "error" in item["create"]]
        gateway().refresh(schema.document_aliases())
        yield docs
    registry.forget()


@pytest.fixture
def custom_fields(db: None) -> Iterator[None]:
    """The administrator's fields that the documents carry."""
    CustomField.objects.bulk_create(
        CustomField(name=name, type=kind, label=name, mapped=True) for name, kind in CUSTOM.items()
    )
    registry.forget()
    yield
    registry.forget()


class List:
    """A list in one point in time, and what it must hold."""

    def __init__(self, user: User, docs: list[Json]) -> None:
        self.actor = actor_of(user)
        self.docs = docs
        self.pit = pits.open_pit(user.pk, True).token
        self._orders: dict[tuple[str, str, bool, bool], list[str]] = {}

    def page(self, asked: Json) -> Json:
        """Read one page; return its keys, total and cursor."""
        everything = {"start_time": None, "end_time": None, "pit": self.pit, **asked}
        query = parse_listing(everything, registry=registry.registry(), zone="UTC")
        page = services.list_documents(self.actor, query, excludes=EXCLUDES)
        return {"keys": [doc.key for doc in page.docs], "total": page.total, "next": page.next}

    def expected(self, field: str, descending: bool, newest_first: bool, narrowed: str = "everything") -> list[str]:
        """Return all keys in their order, by plain Python."""
        known = self._orders.get((narrowed, field, descending, newest_first))
        if known is None:
            docs = [doc for doc in self.docs if FILTERS[narrowed][1](doc)]
            known = [doc["key"] for doc in in_order(docs, field, descending, newest_first)]
            self._orders[narrowed, field, descending, newest_first] = known
        return known


def in_order(docs: list[Json], field: str, descending: bool, newest_first: bool) -> list[Json]:
    """Return documents by value, then time, then key; those without a value last, unknown severities before them."""
    by_time = sorted(docs, key=lambda doc: doc["key"].encode())
    by_time.sort(key=lambda doc: doc["ms"], reverse=newest_first)
    if field == "@timestamp":
        return by_time
    groups: dict[Any, list[Json]] = {}
    for doc in by_time:
        groups.setdefault(rank(value_of(doc, field), field), []).append(doc)
    last = [groups.pop(group, []) for group in ("unknown", "missing")]
    ranked = [groups[value] for value in sorted(groups, reverse=descending)]
    return [doc for group in (*ranked, *last) for doc in group]


def value_of(doc: Json, field: str) -> Any:
    """Return a document's value in a field of a dotted name."""
    head, _, rest = field.partition(".")
    value = doc.get(head)
    return value_of(value, rest) if rest and value is not None else value


def rank(value: Any, field: str) -> Any:
    """Return what a value is compared by."""
    if value is None:
        return "missing"
    if field == "severity":
        return {level.name: level.rank for level in severities.severities()}.get(value, "unknown")
    return value.encode() if isinstance(value, str) else float(value)


def sort_of(field: str, descending: bool, newest_first: bool) -> list[Json]:
    """Return an order as a caller asks for it."""
    first = {field: "desc" if descending else "asc"}
    return [first] if field == "@timestamp" else [first, {"@timestamp": "desc" if newest_first else "asc"}]


def ways(field: str) -> Iterator[tuple[bool, bool]]:
    """Yield (descending, newest first); time itself has one direction."""
    for descending in (True, False):
        yield descending, descending if field == "@timestamp" else random.Random(field).random() < 0.7


@pytest.fixture
def frozen(documents: list[Json], analyst: User) -> List:
    """The whole list in a point in time."""
    return List(analyst, documents)


@pytest.mark.parametrize("field", SORTABLE)
def test_a_walk_over_everything_gives_each_once(frozen: List, field: str) -> None:
    """Both directions, by cursors and offsets in turn, in steps of any size."""
    for descending, newest_first in ways(field):
        rng = random.Random(f"{field} {descending}")
        expected = frozen.expected(field, descending, newest_first)
        asked: Json = {"sort": sort_of(field, descending, newest_first)}
        seen: list[str] = []
        cursor = None
        while True:
            size = rng.choice([1, 50, 9_999, 10_000, rng.randrange(5_000, 10_000), rng.randrange(5_000, 10_000)])
            place = {"search_after": cursor} if cursor and rng.random() < 0.6 else {"from": len(seen)}
            page = frozen.page({**asked, **place, "size": size})
            assert page["keys"] == expected[len(seen) : len(seen) + size], (place, size)
            seen += page["keys"]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == COUNT


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["next", "offset", "jump"]), st.integers(1, 400) | st.just(0), st.integers(0, COUNT + 100)
    ),
    min_size=1,
    max_size=6,
)


# Making a failing walk shorter would take minutes.
@examples(150, phases=[Phase.explicit, Phase.generate])
@given(
    field=st.sampled_from(SORTABLE),
    descending=st.booleans(),
    newest_first=st.booleans(),
    narrowed=st.sampled_from(list(FILTERS)),
    steps=STEPS,
)
def test_any_walk_is_exact(
    frozen: List, field: str, descending: bool, newest_first: bool, narrowed: str, steps: list[tuple[str, int, int]]
) -> None:
    newest_first = descending if field == "@timestamp" else newest_first
    expected = frozen.expected(field, descending, newest_first, narrowed)
    asked = {**FILTERS[narrowed][0], "sort": sort_of(field, descending, newest_first), "with_total_docs": True}
    here, cursor = 0, None
    for way, size, target in steps:
        if way == "jump":
            here = target % (len(expected) + 50)
        place = {"search_after": cursor} if way == "next" and cursor else {"from": here}
        page = frozen.page({**asked, **place, "size": size})
        assert page["keys"] == expected[here : here + size]
        assert page["total"] == len(expected)
        here += len(page["keys"])
        assert (page["next"] is not None) == (size > 0 and here < len(expected)), (
            "a cursor if and only if there is more"
        )
        cursor = page["next"]


def test_within_one_millisecond_any_offset_is_exact(frozen: List) -> None:
    expected = frozen.expected("@timestamp", True, True)
    together = {doc["key"] for doc in frozen.docs if doc["ms"] == NOON}
    first = next(number for number, key in enumerate(expected) if key in together)
    for offset in (first, first + 999, first + 9_999, first + 10_000, first + 10_001, first + 11_990):
        assert frozen.page({"from": offset, "size": 25})["keys"] == expected[offset : offset + 25]


def test_beyond_the_end_there_is_nothing(frozen: List) -> None:
    for field in ("@timestamp", "severity", "risk", "title"):
        for offset in (COUNT, COUNT + 1, 2**53):
            page = frozen.page(
                {"from": offset, "size": 10, "sort": sort_of(field, True, True), "with_total_docs": True}
            )
            assert page == {"keys": [], "total": COUNT, "next": None}


def test_a_cursor_of_another_order_is_refused(frozen: List) -> None:
    cursor = frozen.page({"size": 5})["next"]
    with pytest.raises(ValidationFailed) as caught:
        frozen.page({"size": 5, "sort": [{"title": "asc"}], "search_after": cursor})
    assert [detail.field for detail in caught.value.details] == ["search_after"]


@pytest.mark.parametrize("field", ["mitre", "entities.host", "comment", "key", "no_such"])
def test_what_has_no_one_value_is_refused_as_an_order(frozen: List, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        frozen.page({"sort": [{field: "asc"}]})
    assert caught.value.details[0].field.startswith("sort")

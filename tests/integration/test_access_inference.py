"""Nothing is inferred: to whom a role shows some incidents, every answer is as if the others had never been.

Two worlds are compared: one with every document, one with those alone that the role shows. Whatever a restricted user
asks, errors and cursors included, is answered alike in both. Hypothesis chooses filters and queries; timing is left
aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from imweb.accounts.actor import Actor
from imweb.configuration import store
from imweb.errors import ImError
from imweb.incidents import access, facets, folding, hiding, history, insights, params, services
from imweb.incidents.access import ACCESS_FIELDS
from imweb.incidents.declaring import mark_groups
from imweb.incidents.documents import fingerprint_of
from imweb.incidents.fields import FieldDef
from imweb.incidents.figures.attack import attack_figures
from imweb.incidents.figures.statistics import statistics
from imweb.incidents.params import Filters
from imweb.incidents.pits import note_write
from imweb.incidents.registry import registry
from imweb.incidents.rowfilters import row_filter
from imweb.opensearch import Stored, gateway, schema
from tests import stored
from tests.examples import examples

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
SOURCES = ["IT", "OT", "Cloud", None]
TYPES = ["fraud", "malware", None]
GRANTED = frozenset({"incident.view", "incident.comment", "incident.bulk"})
# Each example is two worlds of searches: making a failing one smaller would take minutes.
PHASES = (Phase.explicit, Phase.generate)


@pytest.fixture
def everything(new_indices: None) -> Iterator[list[Stored]]:
    """Sixty incidents and six groups of them; source and type are access fields."""
    store.forget()
    for name in ("source", "incident_type"):
        store.save(ACCESS_FIELDS, {"name": name}, by="test")
    stored.incidents({f"i{n}": _incident(n) for n in range(40)})
    for n in range(6):
        own = {"source": SOURCES[n % 3], "incident_type": TYPES[n % 2]}
        if n == 5:
            # One of before, whose incidents differ.
            members = {"m5-0": _incident(5), "m5-1": _incident(6)}
        else:
            members = {f"m{n}-{k}": _incident(n + k) | own for k in range(3)}
        stored.group(f"g{n}", members, **(_incident(n) | own), function_fields={"hosts": n})
    mark_groups()
    gateway().refresh(schema.document_aliases())
    yield _all()
    store.forget()


def _incident(n: int) -> Json:
    found = {
        "@timestamp": stored.at(-60 * n),
        "title": f"Logon {n % 5}",
        "severity": ["low", "high", "critical"][n % 3],
        "status": ["new", "in_progress"][n % 2],
        "reviewer": [None, "anna", "bob"][n % 3],
        "source": SOURCES[n % 4],
        "incident_type": TYPES[n % 3],
        "rule": {"name": f"Rule {n % 4}", "id": f"r{n % 4}"},
        "entities": {"host": f"WS-{n % 3}", "user": [f"u{n % 6}"]},
        "mitre": [["T1059.001", "TA0002"], ["T1486"], []][n % 3],
        "resolution": [None, "benign"][n % 2],
    }
    return {name: value for name, value in found.items() if value is not None}


def _all() -> list[Stored]:
    found = []
    for alias in schema.document_aliases():
        hits = gateway().search({"size": 1_000, "query": {"match_all": {}}, "_source": False}, index=alias)
        found += gateway().mget([(hit["_index"], hit["_id"]) for hit in hits["hits"]["hits"]])
    return [one for one in found if one is not None]


def _remove(documents: list[Stored]) -> None:
    gateway().bulk([{"delete": {"_index": one.index, "_id": one.id}} for one in documents])
    gateway().refresh(schema.document_aliases())
    note_write(None)


def _restore(documents: list[Stored]) -> None:
    lines: list[Json] = []
    for one in documents:
        lines += [{"index": {"_index": one.index, "_id": one.id}}, one.source]
    gateway().bulk(lines)
    gateway().refresh(schema.document_aliases())
    note_write(None)


TERM = st.one_of(
    st.tuples(st.just("source"), st.sampled_from(["IT", "ot", "C*", "?T", "*"])),
    st.tuples(st.just("incident_type"), st.sampled_from(["fraud", "malware", "m*", "*"])),
).map(lambda pair: f"{pair[0]}:{pair[1]}")
FILTER = st.recursive(
    TERM,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda part: f"not {part}"),
    ),
    max_leaves=3,
)
ORDERS = ["@timestamp:asc", "@timestamp:desc", "severity:desc", "title:asc", "reviewer:desc", "source:asc"]
TEXTS = ["", "logon", "source:OT", "not source:IT", "host:WS-1 or user:u2", "severity>=high", "group:*", "ws*"]


@st.composite
def questions(draw: st.DrawFn) -> Json:
    """What the list is asked, beside what is always asked."""
    return {
        "query_string": draw(st.sampled_from(TEXTS)),
        "sort": draw(st.sampled_from(ORDERS)),
        "size": draw(st.integers(1, 7)),
        "from": draw(st.integers(0, 45)),
        "collapse_grouped": draw(st.booleans()),
        "is_show_aggs": draw(st.booleans()),
    }


def _answers(actor: Actor, asked: Json) -> Json:
    known = access.registry_of(actor)
    body = {**asked, "sort": params.sort_entries(asked["sort"], []), "start_time": None, "end_time": None}
    query = params.parse_listing({**body, "with_total_docs": True}, registry=known, zone="UTC")
    filters = query.filters
    by_day = params.StatisticsQuery(filters, None, "1d")
    wanted = [
        registry().fields[name] for name in ("source", "status", "rule.name", "entities.host", "mitre", "reviewer")
    ]
    found: Json = {
        "list": _walked(actor, query),
        "statistics": _tried(lambda: services.severity_statistics(actor, by_day).as_json()),
        "facets": repr(facets.facets(actor, filters, None, wanted)),
        "values": repr(facets.values_of(actor, filters, None, wanted)),
        "completion": [repr(facets.values_beginning(actor, field, ".*", 10)) for field in wanted],
        "folds": [_folded(actor, filters, field) for field in (wanted[0], wanted[4])],
        "new": insights.new_since(actor, filters, 0),
        "counts": repr(insights.counts(actor, filters, None)),
        "place": insights.rows_before(actor, filters, None, stored.NOW - 300_000),
        "before": repr(insights.change_before(actor, replace(filters, start_time=stored.at(-900)), None)),
        "attack": repr(replace(attack_figures(actor, Filters(), with_hosts=True), now_ms=0)),
        "figures": _figures(actor),
        "results": _tried(lambda: services.aggregation_results(actor, replace(query, offset=0, size=50)).as_json()),
    }
    everybody = [f"i{n}" for n in range(40)] + [f"m{n}-{k}" for n in range(6) for k in range(3)]
    for doc_id in [*everybody[:6], *everybody[-4:], "none"]:
        found[doc_id] = _of(actor, "incident", doc_id)
    for group in [*(f"g{n}" for n in range(6)), "none"]:
        found[group] = _of(actor, "aggregation", group)
        members = replace(query, filters=Filters(), offset=0, size=50)
        found[f"{group} members"] = _tried(
            lambda one=group, its=members: services.group_members(actor, one, its).as_json()  # type: ignore[misc]
        )
    return found


def _folded(actor: Actor, filters: Filters, field: FieldDef) -> Any:
    levels = ["critical", "high", "low"]
    return _tried(lambda: repr(folding.fold(actor, filters, None, field, levels, offset=0, size=20)))


def _figures(actor: Actor) -> str:
    found = statistics(actor, Filters())
    backlog = found.backlog and [found.backlog.total, found.backlog.nobody, [age.counts for age in found.backlog.ages]]
    return repr([found.total, found.tops, found.over, backlog, found.durations])


def _of(actor: Actor, kind: Any, doc_id: str) -> Any:
    def read() -> Any:
        doc = services.get_document(actor, kind, doc_id)
        related = insights.related(actor, doc, stored.NOW) if kind == "incident" else {}
        earlier = insights.seen_before(actor, [doc], stored.NOW)
        entries = [entry.as_json() for entry in history.entries(actor, kind, doc_id)]
        return doc.as_json(), related, repr(earlier), entries

    return _tried(read), _tried(lambda: history.entries(actor, kind, doc_id))


def _walked(actor: Actor, query: params.ListQuery) -> list[Any]:
    """Return the page asked for and the ones behind it, cursors too."""
    pages: list[Any] = []
    while len(pages) < 4:
        page = _tried(lambda asked=query: services.list_documents(actor, asked).as_json())
        pages.append(page)
        if not isinstance(page, dict) or not page["next"]:
            break
        query = replace(query, offset=0, cursor=page["next"])
    return pages


def _tried(read: Callable[[], Any]) -> Any:
    try:
        answer = read()
    except ImError as error:
        return type(error).__name__, error.reason, [detail.as_json() for detail in error.details]
    if isinstance(answer, dict):
        answer.pop("took", None)
    return answer


def _plain(answer: Any) -> str:
    return json.dumps(answer, default=str, sort_keys=True)


@pytest.mark.fuzz
def test_every_answer_is_as_if_what_is_forbidden_had_never_been(everything: list[Stored]) -> None:
    tried: set[int] = set()

    @examples(10, phases=PHASES)
    @given(st.lists(FILTER, min_size=1, max_size=2), questions())
    def alike(filters: list[str], asked: Json) -> None:
        for text in filters:
            row_filter(text, frozenset({"source", "incident_type"}))
        actor = Actor(41, "restricted", GRANTED, rows=tuple(filters))
        forbidden = [one for one in everything if not access.visible(actor, one.source)]
        tried.add(len(forbidden))
        whole = _answers(actor, asked)
        _remove(forbidden)
        try:
            alone = _answers(actor, asked)
        finally:
            _restore(forbidden)
        for name, answer in whole.items():
            assert _plain(answer) == _plain(alone[name]), (name, filters)

    alike()
    # The filters that were tried do forbid something, and not always all.
    assert len(tried) > 4


HIDEABLE = ["description", "source", "rule.name", "rule.id", "entities.host", "entities.user", "mitre", "resolution"]


@pytest.mark.fuzz
def test_every_answer_is_as_if_hidden_fields_held_nothing(everything: list[Stored]) -> None:
    @examples(5, phases=PHASES)
    @given(st.sets(st.sampled_from(HIDEABLE), min_size=1, max_size=4), questions())
    def alike(hidden: set[str], asked: Json) -> None:
        actor = Actor(42, "shown less", GRANTED, hidden=frozenset(hidden))
        emptied = []
        for one in everything:
            source = hiding.shown(one.source, hidden)
            emptied.append(replace(one, source=source | {"fingerprint": fingerprint_of(source)}))
        whole = _tried(lambda: _answers(actor, asked))
        _restore(emptied)
        try:
            less = _tried(lambda: _answers(actor, asked))
        finally:
            _restore(everything)
        assert type(whole) is type(less)
        pairs = whole.items() if isinstance(whole, dict) else enumerate(whole)
        for name, answer in pairs:
            assert _plain(answer) == _plain(less[name]), (name, hidden)

    alike()

"""Row access: whatever a restricted role reads, counts or asks for, forbidden incidents are not in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import ApiToken, Role, User
from imweb.configuration import store
from imweb.errors import NotFound, ValidationFailed
from imweb.incidents import access, editing, facets, history, insights, jobs, services
from imweb.incidents.access import ACCESS_FIELDS
from imweb.incidents.jobs.store import actor_of_job
from imweb.incidents.models import Job
from imweb.incidents.params import Filters, ListQuery, StatisticsQuery
from imweb.incidents.registry import registry
from imweb.incidents.rowfilters import row_filter
from imweb.opensearch import gateway, schema
from tests import stored
from tests.api_client import Api, api_for
from tests.examples import examples

pytestmark = pytest.mark.django_db
SECRET = "Zanzibar"
IN_REAL_NODE = examples(60)


@pytest.fixture(autouse=True)
def declared(indices: None) -> Iterator[None]:
    """Source and type are access fields."""
    store.forget()
    for name in ("source", "incident_type"):
        store.save(ACCESS_FIELDS, {"name": name}, by="test")
    yield
    store.forget()


def person(name: str, *filters: str, role: str = "lead", hidden: tuple[str, ...] = ()) -> User:
    """Make somebody with one role for each filter, each with the permissions of a ready role but the settings'."""
    base = Role.objects.filter(name=role).first()
    if base is None:
        from imweb.accounts.setup import ensure_roles

        ensure_roles()
        base = Role.objects.get(name=role)
    user = User.objects.create_user(name, f"{name}@example.test", "x")
    for number, text in enumerate(filters):
        user.roles.add(
            Role.objects.create(
                name=f"{name}-{number}",
                label=name,
                permissions=base.permissions,
                row_filter=text,
                hidden_fields=list(hidden),
            )
        )
    return user


@pytest.fixture
def documents(indices: None) -> None:
    """Three incidents and a group of IT, and as many of OT, which say so in every field."""
    for source in ("IT", "OT"):
        word = SECRET if source == "OT" else "plain"
        same = {
            "source": source,
            "title": f"Logon {word}",
            "description": word,
            "reviewer": word.lower(),
            "rule": {"name": f"Rule {word}", "id": word},
            "entities": {"host": [f"WS-{word}"], "user": "shared"},
            "mitre": ["T1059.001"] if source == "IT" else ["T1486"],
        }
        stored.incidents({f"{source}-{n}": {**same, "@timestamp": stored.at(-n)} for n in range(3)})
        stored.group(
            f"g-{source}",
            {f"{source}-m{n}": {**same, "@timestamp": stored.at(-10 - n)} for n in range(2)},
            **same,
            partition=["incident_type", "source"],
        )


@pytest.fixture
def it(documents: None) -> Api:
    """Somebody who sees IT alone."""
    return api_for(person("ida", "source:IT"))


def names(answer: Any) -> set[str]:
    return {doc["_meta"]["id"] for doc in answer["docs"]}


IT = {"IT-0", "IT-1", "IT-2", "IT-m0", "IT-m1", "g-IT"}
OPEN: dict[str, Any] = {"start_time": "2000-01-01", "end_time": "2100-01-01"}


def test_the_list_its_total_and_the_statistics_hold_what_the_role_shows(it: Api) -> None:
    page = it.call("GET", "incidents_full_types", {**OPEN, "with_total_docs": True, "size": 100}).ok()
    assert names(page) == IT
    assert page["total_docs"] == 6
    statistics = it.call("POST", "incidents_full_types/stats/severity", {**OPEN, "interval": "1M"}).ok()
    assert statistics["total_docs"] == 6
    assert sum(sum(bucket["counts"].values()) for bucket in statistics["histogram"]) == 6
    collapsed = it.call("GET", "incidents_full_types", {**OPEN, "collapse_grouped": True, "size": 100}).ok()
    assert names(collapsed) == {"IT-0", "IT-1", "IT-2", "g-IT"}
    assert names(it.call("GET", "incidents").ok()) == IT - {"g-IT"}


def test_a_point_in_time_of_somebody_who_sees_everything_is_no_way_round(documents: None, lead: User, it: Api) -> None:
    pit = api_for(lead).call("GET", "incidents/pit").ok()["id"]
    assert it.call("GET", "incidents_full_types", {**OPEN, "pit": pit}).status == 404
    own = it.call("GET", "incidents/pit").ok()["id"]
    assert names(it.call("GET", "incidents_full_types", {**OPEN, "pit": own, "size": 100}).ok()) == IT


def test_a_point_in_time_from_before_a_role_was_restricted_shows_no_more(documents: None) -> None:
    user = person("ida", "")
    api = api_for(user)
    pit = api.call("GET", "incidents/pit").ok()["id"]
    asked = {**OPEN, "pit": pit, "size": 4, "with_total_docs": True}
    page = api.call("GET", "incidents_full_types", asked).ok()
    assert page["total_docs"] == 12
    Role.objects.filter(name="ida-0").update(row_filter="source:IT")
    assert api.call("GET", "incidents_full_types", asked).ok()["total_docs"] == 6
    following = api.call("GET", "incidents_full_types", {**asked, "search_after": page["next"]}).ok()
    assert SECRET not in json.dumps(following["docs"])


def test_a_token_shows_what_its_owner_sees_however_it_was_narrowed(documents: None) -> None:
    user = person("ida", "source:IT")
    _token, secret = ApiToken.issue(user, "narrow", scopes=["incident.view"])
    api = Api(Client(), {"Authorization": f"Bearer {secret}"})
    assert names(api.call("GET", "incidents_full_types", {**OPEN, "size": 100}).ok()) == IT
    assert api.call("PUT", "incidents/IT-0", {"comment": "x"}).status == 403


def test_what_is_forbidden_answers_as_what_does_not_exist(it: Api) -> None:
    def asked(doc: str, group: str) -> list[tuple[int, str]]:
        calls: list[tuple[str, str, Any]] = [
            ("GET", f"incidents/{doc}", None),
            ("GET", f"incidents/{doc}/mitre", None),
            ("GET", f"incidents/{doc}/history", None),
            ("PUT", f"incidents/{doc}", {"comment": "x"}),
            ("PUT", f"incidents/{doc}", {"source": "IT"}),
            ("PUT", f"incidents/{doc}", {"_meta": {"rev": 1}, "severity": "low"}),
            ("GET", f"aggregations/results?incident_aggregation_result_id={group}", None),
            ("GET", f"aggregations/results/{group}/history", None),
            ("PUT", f"aggregations/results/by-host/{group}?sync=true", {"comment": "x"}),
        ]
        answers = [it.call(*call) for call in calls]
        return [(answer.status, answer.error["reason"]) for answer in answers]

    there, nowhere = asked("OT-0", "g-OT"), asked("none", "none")
    assert there == nowhere
    assert {status for status, _reason in there} == {404}
    line = '{{"update": {{"_id": "{0}"}}}}\n{{"comment": "x"}}\n'
    items = it.send("POST", "incidents/bulkUpdate", (line.format("OT-1") + line.format("none")).encode()).ok()["items"]
    assert items[0]["update"]["error"] == items[1]["update"]["error"]
    assert services.get_document(everybody(), "incident", "OT-1").rev == 1


def test_a_new_incident_tells_of_no_other(it: Api) -> None:
    refused = [it.call("POST", f"incidents/{doc}", {"title": "x", "source": "IT"}) for doc in ("OT-0", "fresh")]
    assert [answer.status for answer in refused] == [403, 403]
    assert refused[0].error == refused[1].error
    outside = it.call("POST", "incidents", {"title": "x", "source": "OT"})
    assert (outside.status, [item["field"] for item in outside.error["details"]]) == (400, ["incident_type", "source"])
    it.call("POST", "incidents", {"title": "x", "source": "IT"}).ok(201)


def everybody() -> Actor:
    return Actor(1, "everybody", frozenset({"incident.view", "incident.delete", "incident.create", "incident.fields"}))


def test_a_group_that_is_not_partitioned_by_the_filters_fields_is_not_shown(it: Api) -> None:
    """Its count and figures would tell of the other incidents in it."""
    members = {"x0": {"source": "IT"}, "x1": {"source": "OT"}}
    stored.group("mixed", members, source=["IT", "OT"])
    stored.group("old", {"y0": {"source": "IT"}}, source="IT", partition=["incident_type"])
    assert it.call("GET", "aggregations/results?incident_aggregation_result_id=mixed").status == 404
    assert it.call("GET", "aggregations/results?incident_aggregation_result_id=old").status == 404
    assert names(it.call("GET", "aggregations/results").ok()) == {"g-IT"}


def test_the_filters_of_several_roles_are_joined_by_or(documents: None) -> None:
    both = api_for(person("bo", "source:IT", "source:OT"))
    assert len(names(both.call("GET", "incidents_full_types", {**OPEN, "size": 100}).ok())) == 12
    one_open = api_for(person("bea", "source:IT", ""))
    assert len(names(one_open.call("GET", "incidents_full_types", {**OPEN, "size": 100}).ok())) == 12
    gone = api_for(person("bud", "department:IT"))
    assert names(gone.call("GET", "incidents_full_types", OPEN).ok()) == set()
    assert gone.call("GET", "incidents/IT-0").status == 404


def test_a_role_that_cannot_see_incidents_opens_no_rows(documents: None) -> None:
    user = person("cleo", "source:IT")
    user.roles.add(Role.objects.create(name="keys", label="Keys", permissions=["token.own"]))
    assert names(api_for(user).call("GET", "incidents_full_types", {**OPEN, "size": 100}).ok()) == IT


def test_facets_completion_new_ones_and_what_is_alike_count_no_forbidden_incident(documents: None) -> None:
    actor = actor_of(person("ida", "source:IT"))
    known = registry(fresh=True)
    wanted = [known.fields[name] for name in ("source", "rule.name", "entities.host", "reviewer")]
    found = facets.facets(actor, Filters(), None, wanted)
    assert [[(value.value, value.count) for value in facet.values] for facet in found] == [
        [("IT", 6)],
        [("Rule plain", 6)],
        [("WS-plain", 6)],
        [("plain", 6)],
    ]
    assert facets.values_beginning(actor, known.fields["reviewer"], "z.*", 5) == []
    assert insights.new_since(actor, Filters(), 0) == 6
    counted = insights.counts(actor, Filters(), None)
    assert (counted.rows, counted.incidents) == (6, 7)
    doc = services.get_document(actor, "incident", "IT-0")
    assert insights.related(actor, doc, stored.NOW) == {"host": 4, "user": 4, "rule": 4}
    assert [item.count for item in insights.seen_before(actor, [doc], stored.NOW)[doc.key]] == [4, 4]


def test_a_cursor_goes_on_only_through_what_may_be_seen(it: Api) -> None:
    for order in ({"@timestamp": "asc"}, {"title": "desc"}, {"severity": "desc"}, {"reviewer": "asc"}):
        seen: list[str] = []
        after = None
        while True:
            body = {**OPEN, "size": 2, "sort": [order], **({"search_after": after} if after else {})}
            page = it.call("GET", "incidents_full_types", body).ok()
            seen += [doc["_meta"]["id"] for doc in page["docs"]]
            assert SECRET not in json.dumps(page)
            after = page["next"]
            if not after:
                break
        assert sorted(seen) == sorted(IT)


def test_the_history_of_a_deleted_incident_is_shown_to_whom_it_was(documents: None) -> None:
    ida = actor_of(person("ida", "source:IT"))
    for doc in ("IT-0", "OT-0"):
        editing.delete(everybody(), doc)
    assert [entry.type for entry in history.entries(ida, "incident", "IT-0")] == ["delete"]
    with pytest.raises(NotFound):
        history.entries(ida, "incident", "OT-0")
    assert [entry.type for entry in history.entries(everybody(), "incident", "OT-0")] == ["delete"]


def test_the_history_of_what_went_over_to_others_before_it_was_deleted_is_theirs(documents: None) -> None:
    """While a field is no access field it can be edited; the last entry says whose the incident was in the end."""
    ida, otto = actor_of(person("ida", "source:IT")), actor_of(person("otto", "source:OT"))
    editing.update(everybody(), "incident", "IT-0", {"moved_by": "x"})
    Role.objects.exclude(row_filter="").update(row_filter="")
    store.remove(ACCESS_FIELDS, "source", by="test")
    editing.update(everybody(), "incident", "IT-0", {"source": "OT"})
    store.save(ACCESS_FIELDS, {"name": "source"}, by="test")
    editing.delete(everybody(), "IT-0")
    assert [entry.type for entry in history.entries(otto, "incident", "IT-0")] == ["delete"]
    with pytest.raises(NotFound):
        history.entries(ida, "incident", "IT-0")


def test_an_id_given_anew_does_not_bring_the_history_of_what_had_it(documents: None) -> None:
    ida = actor_of(person("ida", "source:IT"))
    editing.delete(everybody(), "OT-0")
    editing.create(everybody(), "OT-0", {"title": "now IT", "source": "IT"})
    assert [entry.type for entry in history.entries(ida, "incident", "OT-0")] == ["create"]
    assert [entry.type for entry in history.entries(everybody(), "incident", "OT-0")] == ["create", "delete"]


def test_an_access_field_is_never_edited(documents: None, lead: User) -> None:
    api = api_for(lead)
    for body in ({"source": "OT"}, {"source": None}, {"incident_type": "fraud", "comment": "x"}):
        answer = api.call("PUT", "incidents/IT-0", body)
        assert answer.status == 400
        assert [item["field"] for item in answer.error["details"]] == [next(iter(body))]
    api.call("PUT", "incidents/IT-0", {"source": "IT", "comment": "sent back as it came"}).ok()
    computed = api.call("PUT", "aggregations/results/by-host/g-IT?sync=true", {"source": "OT"})
    assert (computed.status, computed.error["details"][0]["field"]) == (400, "source")
    group = api.call("PUT", "aggregations/results/by-host/g-IT?sync=true", {"incident_type": "fraud"})
    assert (group.status, group.error["details"][0]["field"]) == (400, "incident_type")
    line = '{"update": {"_id": "IT-1"}}\n{"source": "OT"}\n'
    item = api.send("POST", "incidents/bulkUpdate", line.encode()).ok()["items"][0]["update"]
    assert (item["status"], item["error"]["details"][0]["field"]) == (400, "source")


def test_a_new_incident_joins_no_group_of_other_values_nor_one_that_its_maker_does_not_see(it: Api, lead: User) -> None:
    def make(api: Api, source: str, group: str) -> Any:
        return api.call("POST", "incidents", {"source": source, "incident_aggregation_result_id": group})

    make(it, "IT", "g-IT").ok(201)
    hidden, nowhere = make(it, "IT", "g-OT"), make(it, "IT", "nowhere")
    assert hidden.status == nowhere.status == 400
    assert hidden.error == nowhere.error
    other = make(api_for(lead), "IT", "g-OT")
    assert (other.status, other.error["details"][0]["field"]) == (400, "incident_aggregation_result_id")
    make(api_for(lead), "OT", "g-OT").ok(201)
    make(api_for(lead), "OT", "nowhere").ok(201)


def test_jobs_change_what_their_user_saw_and_nothing_else(documents: None) -> None:
    actor = actor_of(person("ida", "source:IT"))
    query = StatisticsQuery(Filters(with_aggregations=False))
    task = jobs.bulk_matching(actor, query, None, {"severity": "high"}, seconds=30)
    assert (task.finished, task.counts["matched"], task.counts["updated"]) == (True, 5, 5)
    assert services.get_document(everybody(), "incident", "OT-0").source["severity"] == "medium"
    # A worker that takes the job up later knows no more than who began it.
    job = Job.objects.get(pk=task.id)
    assert actor_of_job(job) == Actor(actor.user_id, "ida", actor.permissions, rows=("source:IT",))
    with pytest.raises(ValidationFailed, match="source"):
        jobs.bulk_matching(actor, query, None, {"source": "OT"}, seconds=30)


def test_a_spread_reaches_only_the_incidents_of_its_group(it: Api) -> None:
    answer = it.call("PUT", "aggregations/results/by-host/g-IT?sync=true", {"severity": "low"}).ok()
    assert (answer["sync"]["matched"], answer["sync"]["updated"]) == (2, 2)
    assert services.get_document(everybody(), "incident", "OT-m0").source["severity"] == "medium"


# What values and filters are made of: cases, wildcards, letters beyond ASCII that fold in surprising ways.
VALUES = ["IT", "it", "OT", "I*T", "I?T", "a b", "K", "K", "ſ", "s", "É", "é", "ß", "İ", "\\", '"', "", "x" * 9000]
LEAVES = st.one_of(
    st.sampled_from(VALUES[:-2]).map(lambda value: '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    st.sampled_from(["*", "I*", "?T", "i?", "*t", "I\\*T", "*x", "\\\\", "k", "S", "?", "??", "I*T", "É*", "*\\?*"]),
)
TERMS = st.tuples(st.sampled_from(["source", "incident_type"]), LEAVES).map(lambda pair: f"{pair[0]}:{pair[1]}")
FILTERS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda part: f"not {part}"),
    ),
    max_leaves=5,
)


@pytest.fixture
def many(indices: None) -> dict[str, dict[str, Any]]:
    """Incidents and groups with every value, and without any."""
    fields = [{"source": a, "incident_type": b} for a in [*VALUES, None] for b in ["IT", "é", None]]
    docs = {f"d{n}": {k: v for k, v in pair.items() if v is not None} for n, pair in enumerate(fields)}
    stored.incidents(docs)
    stored.group("whole", {"w1": {"source": "IT"}}, source="IT", partition=["source", "incident_type"])
    stored.group("half", {"h1": {"source": "IT"}}, source="IT", partition=["source"])
    stored.group("none", {"n1": {"source": "IT"}}, source="IT")
    return docs


@pytest.mark.fuzz
def test_searches_and_real_time_reads_agree_on_every_filter(many: dict[str, Any]) -> None:
    known = frozenset({"source", "incident_type"})
    docs = [
        (alias, hit["_id"], hit["_source"])
        for alias in schema.document_aliases()
        for hit in gateway().search({"size": 1_000, "query": {"match_all": {}}}, index=alias)["hits"]["hits"]
    ]
    assert len(docs) > 60

    @IN_REAL_NODE
    @given(st.lists(FILTERS, min_size=1, max_size=3))
    def agree(texts: list[str]) -> None:
        for text in texts:
            row_filter(text, known)
        actor = Actor(7, "x", frozenset({"incident.view"}), rows=tuple(texts))
        query = ListQuery(Filters(), size=1_000, with_total=True)
        page = services.list_documents(actor, query)
        expected = {doc_id for _alias, doc_id, source in docs if access.visible(actor, source)}
        assert {doc.id for doc in page.docs} == expected
        assert page.total == len(expected)

    agree()


def test_a_filter_over_anything_but_access_fields_is_refused_where_it_stands() -> None:
    known = frozenset({"source"})
    for text, position in (("severity:high", 0), ("source:IT or host:x", 13), ("IT", 0), ("source>5", 0)):
        with pytest.raises(ValidationFailed) as refused:
            row_filter(text, known)
        assert refused.value.details[0].extra["position"] == position
        assert refused.value.details[0].field == "filter"

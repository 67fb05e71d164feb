"""Fields hidden by a role: they do not exist in any answer, and nothing answers differently for what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.errors import PermissionDenied, QueryRejected, ValidationFailed
from imweb.incidents import editing, facets, hiding, history, insights, params, services
from imweb.incidents.access import registry_of
from imweb.incidents.documents import key_of
from imweb.incidents.fields import CORE_FIELDS, FieldDef
from imweb.incidents.params import FieldFilter, Filters, ListQuery, Sort
from imweb.incidents.registry import registry
from imweb.opensearch import gateway, schema
from tests import stored
from tests.api_client import Api, api_for

pytestmark = pytest.mark.django_db
SECRET = "Zanzibar"
HIDDEN = ("description", "entities.user", "rule.name", "score", "comment")
EVERYWHERE: dict[str, Any] = {"start_time": "2000-01-01", "end_time": "2100-01-01"}


@pytest.fixture
def user(indices: None, lead: User) -> Iterator[User]:
    """A team lead from whom five fields are hidden."""
    store.forget()
    base = Role.objects.get(name="lead")
    role = Role.objects.create(name="less", label="Less", permissions=base.permissions, hidden_fields=list(HIDDEN))
    found = User.objects.create_user("lars", "lars@example.test", "x")
    found.roles.add(role)
    stored.incidents(
        {
            "i1": {
                "title": "Logon",
                "description": f"by {SECRET}",
                "entities": {"user": [SECRET], "host": "WS-1"},
                "rule": {"id": "r1", "name": SECRET},
                "score": 5,
                "event": {"who": SECRET},
            },
            "i2": {"title": "Logon", "entities": {"user": "other", "host": "WS-1"}, "rule": {"id": "r1"}},
        }
    )
    stored.group(
        "g1",
        {"m1": {"entities": {"user": SECRET}}},
        function_fields={"users": SECRET},
        comparison_fields={"entities.user": [SECRET], "entities.host": ["WS-1"]},
        additional_fields={"rule.name": [SECRET], "grouping": "By host"},
        entities={"user": SECRET},
    )
    api_for(lead).call("PUT", "incidents/i1", {"description": f"{SECRET} again", "severity": "high"}).ok()
    api_for(lead).call("PUT", "incidents/i1", {"comment": SECRET}).ok()
    api_for(lead).call("PUT", "incidents/i1", {"score": 6}).ok()
    gateway().refresh(schema.document_aliases())
    yield found
    store.forget()


@pytest.fixture
def api(user: User) -> Api:
    return api_for(user)


@pytest.fixture
def actor(user: User) -> Actor:
    return actor_of(user)


def test_no_answer_of_the_api_holds_a_hidden_field(api: Api) -> None:
    calls = [
        "incidents/i1",
        "incidents/i1/history",
        "incidents",
        "aggregations/results",
        "aggregations/results?incident_aggregation_result_id=g1",
        "aggregations/results/g1/history",
    ]
    for path in calls:
        text = json.dumps(api.call("GET", path).ok())
        assert SECRET not in text, path
        assert '"score"' not in text, path
    page = api.call("GET", "incidents_full_types", {**EVERYWHERE, "size": 100}).ok()
    assert SECRET not in json.dumps(page)
    assert len(page["docs"]) == 4
    document = api.call("GET", "incidents/i1").ok()
    assert (document["entities"], document["rule"], "event" in document) == ({"host": "WS-1"}, {"id": "r1"}, False)
    group = api.call("GET", "aggregations/results?incident_aggregation_result_id=g1").ok()["aggregation_result"]
    assert group["comparison_fields"] == {"entities.host": ["WS-1"]}
    assert group["additional_fields"] == {"grouping": "By host"}
    assert "function_fields" not in group


def test_a_history_leaves_out_hidden_edits_and_entries_that_hold_nothing_else(api: Api) -> None:
    entries = api.call("GET", "incidents/i1/history").ok()
    assert [[edit["fieldName"] for edit in entry.get("edited", [])] for entry in entries] == [["severity"]]
    first = api.call("GET", "incidents/i1/history?size=1")
    assert [edit["fieldName"] for edit in first.ok()[0]["edited"]] == ["severity"]


@pytest.mark.parametrize("name", [*HIDDEN, "user"])
def test_whatever_names_a_hidden_field_is_answered_as_an_unknown_one(api: Api, name: str) -> None:
    bodies: list[dict[str, Any]] = [
        {"query_string": f"{name}:x"},
        {"query_string": f"{name}:*"},
        {"search_query": json.dumps({"exists": {"field": name}})},
        {"search_query": json.dumps({"query_string": {"query": f"{name}:x"}})},
        {"search_query": json.dumps({"multi_match": {"query": "x", "fields": [name]}})},
        {"sort": [{name: "asc"}]},
        {"additional_fields": [{"name": name, "type": "text", "value": "x"}]},
    ]
    for body in bodies:
        answer = api.call("GET", "incidents_full_types", {**EVERYWHERE, **body})
        unknown = json.loads(json.dumps(body).replace(name, "nosuchfield"))
        other = api.call("GET", "incidents_full_types", {**EVERYWHERE, **unknown})
        assert (
            (answer.status, answer.error["type"]) == (other.status, other.error["type"]) == (400, other.error["type"])
        )
    assert api.call("GET", f"incidents?{name}=x").status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"query_string": SECRET},
        {"query_string": f"{SECRET[:4]}*"},
        {"query_string": f'"{SECRET} again"'},
        {"search_query": json.dumps({"simple_query_string": {"query": SECRET}})},
        {"search_query": json.dumps({"query_string": {"query": SECRET}})},
        {"search_query": json.dumps({"query_string": {"query": f"*:{SECRET}"}})},
        {"search_query": json.dumps({"multi_match": {"query": SECRET, "fields": ["*"]}})},
        {"search_query": json.dumps({"multi_match": {"query": SECRET, "fields": ["entities.*"]}})},
    ],
)
def test_a_search_without_a_field_does_not_look_into_hidden_ones(api: Api, lead: User, body: dict[str, Any]) -> None:
    wanted = {**EVERYWHERE, **body, "with_total_docs": True}
    assert api.call("GET", "incidents_full_types", wanted).ok()["total_docs"] == 0
    assert api_for(lead).call("GET", "incidents_full_types", wanted).ok()["total_docs"] > 0
    statistics = {name: value for name, value in wanted.items() if name != "with_total_docs"}
    assert api.call("POST", "incidents_full_types/stats/severity", statistics).ok()["total_docs"] == 0


def test_words_are_still_found_where_they_may_be_seen(api: Api) -> None:
    for text in ("logon", "WS-1", "ws-*", '"ws-1"'):
        found = api.call("GET", "incidents_full_types", {**EVERYWHERE, "query_string": text, "with_total_docs": True})
        assert found.ok()["total_docs"] >= 2, text


def test_services_refuse_hidden_fields_whoever_read_the_request(actor: Actor) -> None:
    secret = registry(fresh=True).fields["entities.user"]
    filtered = Filters(fields=(FieldFilter(secret, "is", (SECRET,)),))
    for filters in (filtered, Filters(query_string="user:x")):
        with pytest.raises(ValidationFailed):
            insights.counts(actor, filters, None)
    with pytest.raises(QueryRejected):
        insights.counts(actor, Filters(search_query={"term": {"entities.user": SECRET}}), None)
    with pytest.raises(ValidationFailed, match="sort"):
        services.list_documents(actor, ListQuery(Filters(), sort=Sort("rule.name")))
    host = registry().fields["entities.host"]
    assert [facet.field.name for facet in facets.facets(actor, Filters(), None, [secret, host])] == ["entities.host"]
    assert list(facets.values_of(actor, Filters(), None, [secret])) == []
    assert facets.values_beginning(actor, secret, ".*", 5) == []
    assert not {"entities.user", "description", "score"} & set(registry_of(actor).fields)
    with pytest.raises(ValidationFailed):
        params.parse_sort("score:asc", registry_of(actor))


def test_what_is_alike_is_not_told_by_hidden_fields(actor: Actor) -> None:
    doc = services.get_document(actor, "incident", "i2")
    assert set(insights.related(actor, doc, stored.NOW)) == {"host"}
    # The mark of "the same again" is made of the rule.
    assert insights.seen_before(actor, [doc], stored.NOW) == {}


def test_a_hidden_field_cannot_be_written(api: Api, actor: Actor, lead: User) -> None:
    for body in (
        {"description": "x"},
        {"rule": {"name": "x"}},
        {"entities": {"user": "x"}},
        {"score": 1},
        {"event": {}},
    ):
        answer = api.call("PUT", "incidents/i2", body)
        assert answer.status == 403, body
        assert answer.error["details"][0]["field"] in {*HIDDEN, "event"}
    with pytest.raises(PermissionDenied):
        editing.create(actor, None, {"title": "x", "score": 1})
    # An object that is sent without what its sender does not know keeps it.
    api.call("PUT", "incidents/i1", {"entities": {"host": "WS-2"}, "rule": {"id": "r2"}}).ok()
    whole = api_for(lead).call("GET", "incidents/i1").ok()
    assert (whole["entities"], whole["rule"]) == ({"host": "WS-2", "user": [SECRET]}, {"id": "r2", "name": SECRET})
    clash = api.call("PUT", "incidents/i1", {"_meta": {"rev": 1}, "rule": {"id": "r3"}})
    assert (clash.status, clash.error["details"][0]["theirs"]) == (409, {"id": "r2"})
    assert SECRET not in clash.text
    shown = history.entries(actor, "incident", "i1")[0]
    assert {edit["fieldName"] for edit in shown.edited} == {"entities", "rule"}
    assert SECRET not in json.dumps(shown.as_json())


def test_what_is_shown_is_what_is_stored_but_for_the_hidden_parts() -> None:
    assert hiding.shown({"a": 1, "rule": {"name": "x"}}, {"rule.name"}) == {"a": 1}
    assert hiding.edits([{"fieldName": "a", "oldValue": None, "newValue": 1}], ()) == (
        {"fieldName": "a", "oldValue": None, "newValue": 1},
    )
    same = {"fieldName": "rule", "oldValue": {"name": "x", "id": 1}, "newValue": {"name": "y", "id": 1}}
    assert hiding.edits([same], {"rule.name"}) == ()
    assert key_of("incident", "x")
    assert isinstance(CORE_FIELDS["rule.name"], FieldDef)


def test_a_field_is_hidden_only_when_all_roles_hide_it(user: User) -> None:
    user.roles.add(
        Role.objects.create(name="more", label="More", permissions=["incident.view"], hidden_fields=["score"])
    )
    again = User.objects.get(pk=user.pk)
    assert again.scope.hidden == {"score"}
    user.roles.add(Role.objects.create(name="keys", label="Keys", permissions=["token.own"]))
    assert User.objects.get(pk=user.pk).scope.hidden == {"score"}

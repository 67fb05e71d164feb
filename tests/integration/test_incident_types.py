"""Incident types: what one begins with and must have, its workflow, and that a closed one is nowhere to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from imweb.accounts import roles as accounts
from imweb.accounts.actor import actor_of
from imweb.accounts.incident_types import INCIDENT_TYPES
from imweb.accounts.models import Role, User
from imweb.configuration import applying, document, store
from imweb.errors import ValidationFailed, VersionConflict
from imweb.grouping import engine, service
from imweb.incidents import access, custom_fields, declaring, facets, incident_types, insights, jobs, services
from imweb.incidents import registry as fields
from imweb.incidents.access import access_fields
from imweb.incidents.params import Filters, StatisticsQuery
from imweb.incidents.registry import registry
from imweb.incidents.severities import SEVERITIES
from imweb.notifications import following, notices
from imweb.opensearch import gateway, schema
from imweb.workflows.definitions import WORKFLOWS
from tests import stored
from tests.api_client import Api, api_for
from tests.integration.notified import follow, rule

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
SECRET = "Zanzibar"
OPEN: dict[str, Any] = {"start_time": "2000-01-01", "end_time": "2100-01-01"}


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()
    fields.forget()


def field(name: str, kind: str, **more: Any) -> None:
    custom_fields.save({"name": name, "label": name.title(), "type": kind, **more}, by="admin")


def save(name: str = "phishing", *, workflow: str | None = None, **more: Any) -> None:
    incident_types.save({"name": name, "title": name.title(), **more}, by="admin", workflow=workflow)


def workflow(name: str = "mail") -> None:
    base = WORKFLOWS.stored(store.get(WORKFLOWS, "default", fresh=True).value)
    store.save(WORKFLOWS, base | {"name": name, "title": name.title(), "default": False}, by="admin")


def new(api: Api, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.call("POST", "incidents", {"title": "x", **body}).ok(201)
    return made


def details(answer: Any) -> dict[str, str]:
    assert answer.status == 400, answer.text
    return {item["field"]: item["reason"] for item in answer.error["details"]}


@pytest.fixture
def shaped(indices: None, lead: User, administrator: User) -> Api:
    """Phishing: three fields, one of them required, two with defaults, a severity, a reviewer and a workflow."""
    field("ticket", "text")
    field("score", "number")
    field("teams", "multiselect", options=["red", "blue"])
    workflow()
    fields = [
        {"name": "teams", "default": ["blue"]},
        {"name": "ticket", "required": True},
        {"name": "score", "default": 7},
    ]
    save(fields=fields, severity="high", reviewer="lead", workflow="mail")
    return api_for(administrator)


def test_what_the_sender_leaves_out_comes_from_the_type_over_the_api_and_in_bulk(shaped: Api) -> None:
    made = new(shaped, incident_type="phishing", ticket="T-1")
    wanted = {"severity": "high", "reviewer": "lead", "teams": ["blue"], "score": 7.0, "workflow_id": "mail"}
    assert {name: made[name] for name in wanted} == wanted
    said = new(shaped, incident_type="phishing", ticket="T-2", severity="low", reviewer=None, score=1, teams=["red"])
    assert (said["severity"], said.get("reviewer"), said["score"], said["teams"]) == ("low", None, 1.0, ["red"])
    lines = [{"create": {"_id": "b1"}}, {"title": "x", "incident_type": "phishing", "ticket": "T-3"}]
    lines += [{"create": {"_id": "b2"}}, {"title": "x", "incident_type": "phishing"}]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    items = shaped.send("POST", "incidents/bulkUpdate", body).ok()["items"]
    assert [item["create"]["status"] for item in items] == [201, 400]
    assert items[1]["create"]["error"]["details"][0]["field"] == "ticket"
    stored_doc = shaped.call("GET", "incidents/b1").ok()
    assert {name: stored_doc[name] for name in wanted} == wanted


def test_another_type_and_none_begin_as_before(shaped: Api) -> None:
    for body in ({"incident_type": "Phishing mail"}, {}):
        made = new(shaped, **body)
        assert (made["severity"], made["workflow_id"]) == ("medium", "default")
        assert not {"reviewer", "score", "teams"} & set(made)


@pytest.mark.parametrize("body", [{}, {"ticket": None}, {"ticket": ""}])
def test_a_required_field_left_out_is_refused_by_name_with_the_other_faults(shaped: Api, body: dict[str, Any]) -> None:
    answer = shaped.call("POST", "incidents", {"title": "x", "incident_type": "phishing", "status": "never", **body})
    assert details(answer)["ticket"] == "is needed for an incident of the type “Phishing”"
    assert "status" in details(answer)
    # Only what is created must have it: an incident from before can still be worked on.
    stored.incidents({"old": {"incident_type": "phishing"}})
    shaped.call("PUT", "incidents/old", {"severity": "low"}).ok()


def test_a_required_field_that_was_removed_is_not_asked_for(shaped: Api) -> None:
    custom_fields.remove("ticket", by="admin")
    assert new(shaped, incident_type="phishing")["score"] == 7.0


def test_the_workflow_stands_with_the_workflows_and_moves_from_one_to_the_other(shaped: Api) -> None:
    assert store.get(WORKFLOWS, "mail", fresh=True).value.incident_types == ("phishing",)
    workflow("other")
    save(workflow="other")
    assert incident_types.workflow_of("phishing") == "other"
    assert store.get(WORKFLOWS, "mail", fresh=True).value.incident_types == ()
    assert new(shaped, incident_type="phishing")["workflow_id"] == "other"
    save(workflow="")
    assert incident_types.workflow_of("phishing") == ""
    incident_types.save({"name": "phishing", "title": "Mail"}, by="admin")
    with pytest.raises(ValidationFailed) as refused:
        save(workflow="none")
    assert refused.value.details[0].field == "workflow"


@pytest.mark.parametrize(
    ("wrong", "where", "reason"),
    [
        ({"fields": [{"name": "nowhere"}]}, "fields", "'nowhere' is no custom field"),
        ({"fields": [{"name": "score", "default": "much"}]}, "fields", "score: a number"),
        ({"fields": [{"name": "teams", "default": ["green"]}]}, "fields", "'green' is none of the options"),
        ({"fields": [{"name": "ticket"}, {"name": "ticket"}]}, "fields", "stands 2 times"),
        ({"severity": "terrible"}, "severity", "there is no level named 'terrible'"),
        ({"reviewer": "nobody"}, "reviewer", "no active user named 'nobody'"),
        ({"roles": ["nobody"]}, "roles", "there is no role named 'nobody'"),
        ({"roles": ["analyst"], "reviewer": "lead"}, "reviewer", "would not see them"),
        ({"name": 'a" or *'}, "name", "takes letters, digits, _, ., - and blanks; it begins with a letter or a digit"),
        ({"name": "PHISHING"}, "name", "letter case aside"),
        ({"colour": "red"}, "colour", "no setting"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(shaped: Api, wrong: Any, where: str, reason: str) -> None:
    before = store.items(INCIDENT_TYPES, fresh=True)
    with pytest.raises(ValidationFailed) as refused:
        save(**{"name": "new", "title": "New", **wrong} if "name" in wrong else {"name": "other", **wrong})
    found = {item.field.partition(".")[0]: item.reason for item in refused.value.details}
    assert reason in found[where]
    assert store.items(INCIDENT_TYPES, fresh=True) == before
    assert FIELD not in access_fields(), "what was refused declared nothing"


FIELD = "incident_type"


def test_what_a_type_needs_cannot_be_taken_from_under_it(shaped: Api, analyst: User) -> None:
    Role.objects.create(name="hr", label="HR", permissions=["incident.view"])
    save("leak", roles=["hr"], severity="high")
    levels = [SEVERITIES.stored(item.value) for item in store.items(SEVERITIES, fresh=True)]
    with pytest.raises(ValidationFailed, match="begin with"):
        store.replace(SEVERITIES, [level for level in levels if level["name"] != "high"], by="admin")
    with pytest.raises(ValidationFailed, match="Leak"):
        accounts.remove_role("hr", by="admin")
    with pytest.raises(ValidationFailed, match="Leak"):
        declaring.withdraw(FIELD, by="admin")


def test_types_go_into_a_file_and_come_out_of_it_as_they_were(shaped: Api) -> None:
    Role.objects.create(name="hr", label="HR", permissions=["incident.view"])
    save("Data leak", roles=["hr"])
    before = document.written(document.standing())
    assert "incident_types:\n  - name: phishing" in before
    for name in ("phishing", "Data leak"):
        incident_types.remove(name, by="admin")
    declaring.withdraw(FIELD, by="admin")
    Role.objects.get(name="hr").delete()
    outcome = applying.apply(before.encode())
    assert outcome.faults == []
    assert "  + Data leak" in outcome.differences
    assert document.written(document.standing()) == before
    assert incident_types.workflow_of("phishing") == "mail"
    assert FIELD in access_fields()
    assert applying.apply(before.encode()).differences == []


@pytest.mark.parametrize(
    ("line", "other", "where", "reason"),
    [
        ("severity: high", "severity: terrible", "incident_types.phishing.severity", "no level named 'terrible'"),
        ("reviewer: lead", "reviewer: nobody", "incident_types.phishing.reviewer", "no active user"),
        ("reviewer: lead", "roles: [nobody]", "incident_types.phishing.roles", "no role named 'nobody'"),
        ("reviewer: lead", "roles: [lead]", "incident_types.phishing.roles", "is no access field"),
        ("reviewer: lead", "colour: red", "incident_types.phishing.colour", "no such setting"),
    ],
)
def test_a_file_with_a_type_that_makes_no_sense_names_the_line(
    shaped: Api, line: str, other: str, where: str, reason: str
) -> None:
    text = document.written(document.standing())
    assert text.count(line) == 1
    wrong = text.replace(line, other)
    outcome = applying.apply(wrong.encode())
    # Levels and access fields say beside it that the type needs them.
    (fault,) = [item for item in outcome.faults if item.where == where and reason in item.reason]
    assert wrong.splitlines()[fault.line - 1].strip() == other
    assert document.written(document.standing()) == text


def test_two_administrators_are_told_apart(shaped: Api) -> None:
    revision = incident_types.get("phishing").revision
    incident_types.save({"name": "phishing", "title": "Theirs"}, by="other", revision=revision)
    with pytest.raises(VersionConflict) as refused:
        incident_types.save({"name": "phishing", "title": "Ours"}, by="admin", revision=revision)
    told = {item.field: item.extra for item in refused.value.details}
    assert (told["title"]["user"], told["title"]["theirs"], told["title"]["yours"]) == ("other", "Theirs", "Ours")


def person(name: str, *roles: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.test", "x")
    user.roles.set(Role.objects.filter(name__in=roles))
    return user


@pytest.fixture
def closed(indices: None, lead: User, analyst: User, administrator: User) -> None:
    """A leak, open to HR alone, beside phishing and incidents without a type; a group of each, and one of both."""
    permissions = Role.objects.get(name="lead").permissions
    Role.objects.create(name="hr", label="HR", permissions=permissions)
    save("leak", roles=["hr"])
    save("phishing")
    for kind in ("leak", "phishing"):
        word = SECRET if kind == "leak" else "plain"
        same = {
            FIELD: kind,
            "title": f"Mail {word}",
            "reviewer": word.lower(),
            "rule": {"name": f"Rule {word}", "id": word},
            "entities": {"host": [f"WS-{word}"], "user": "shared"},
            "mitre": ["T1486"] if kind == "leak" else ["T1059.001"],
        }
        stored.incidents({f"{kind}-{n}": {**same, "@timestamp": stored.at(-n)} for n in range(3)})
        stored.group(f"g-{kind}", {f"{kind}-m": {**same, "@timestamp": stored.at(-9)}}, **same, partition=[FIELD])
    stored.incidents({"plain": {"title": "none"}})
    both = {"mixed-0": {FIELD: "leak", "title": SECRET}, "mixed-1": {FIELD: "phishing"}}
    stored.group("g-mixed", both, title=SECRET, **{FIELD: ["leak", "phishing"]})


SEEN = {"phishing-0", "phishing-1", "phishing-2", "phishing-m", "g-phishing", "plain", "mixed-1"}
ALL = SEEN | {"leak-0", "leak-1", "leak-2", "leak-m", "g-leak", "mixed-0", "g-mixed"}


def ids(answer: Any) -> set[str]:
    return {doc["_meta"]["id"] for doc in answer["docs"]}


def listed(user: User) -> set[str]:
    return ids(api_for(user).call("GET", "incidents_full_types", {**OPEN, "size": 100}).ok())


@pytest.mark.usefixtures("closed")
def test_who_sees_a_closed_type(lead: User, analyst: User, administrator: User) -> None:
    assert listed(lead) == listed(analyst) == SEEN
    assert listed(person("hr-one", "hr")) == ALL
    assert listed(person("both", "lead", "hr")) == ALL
    assert listed(administrator) == ALL, "whoever may manage settings sees every type, or he could lock himself out"
    save("leak", roles=[])
    assert listed(lead) == ALL


@pytest.mark.usefixtures("closed")
def test_a_closed_type_is_in_no_read_of_the_api(lead: User) -> None:
    api = api_for(lead)
    page = api.call("GET", "incidents_full_types", {**OPEN, "with_total_docs": True, "size": 100}).ok()
    assert (ids(page), page["total_docs"]) == (SEEN, len(SEEN))
    statistics = api.call("POST", "incidents_full_types/stats/severity", {**OPEN, "interval": "1M"}).ok()
    assert statistics["total_docs"] == len(SEEN)
    assert ids(api.call("GET", "aggregations/results").ok()) == {"g-phishing"}
    assert ids(api.call("GET", f"incidents?{FIELD}=leak").ok()) == set()
    there, nowhere = [
        [
            (answer.status, answer.error["reason"])
            for answer in (
                api.call("GET", f"incidents/{doc}"),
                api.call("GET", f"incidents/{doc}/mitre"),
                api.call("GET", f"incidents/{doc}/history"),
                api.call("PUT", f"incidents/{doc}", {"comment": "x"}),
                api.call("GET", f"aggregations/results?incident_aggregation_result_id={group}"),
                api.call("PUT", f"aggregations/results/by-host/{group}?sync=true", {"comment": "x"}),
            )
        ]
        for doc, group in (("leak-0", "g-mixed"), ("none", "none"))
    ]
    assert there == nowhere
    assert {status for status, _reason in there} == {404}
    line = '{{"update": {{"_id": "{0}"}}}}\n{{"comment": "x"}}\n'
    items = api.send("POST", "incidents/bulkUpdate", (line.format("leak-1") + line.format("none")).encode()).ok()
    first, second = (item["update"]["error"] for item in items["items"])
    assert first == second
    refused = api.call("POST", "incidents", {"title": "x", FIELD: "leak"})
    assert FIELD in details(refused)
    field("badge", "text")
    save("leak", title=SECRET, roles=["hr"], fields=[{"name": "badge", "required": True}])
    assert SECRET not in api.call("POST", "incidents", {"title": "x", FIELD: "leak"}).text, "nor what it requires"
    assert new(api, **{FIELD: "phishing"})[FIELD] == "phishing"
    assert api.call("POST", "incidents/leak-0", {"title": "x"}).status == 403, "a conflict would tell of it"


def read(client: Client, path: str) -> str:
    answer: Any = client.get(path)
    assert answer.status_code == 200, path
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(body.decode())


@pytest.mark.usefixtures("closed")
def test_a_closed_type_is_on_no_page(lead: User, administrator: User) -> None:
    own, whole = Client(), Client()
    own.force_login(lead)
    whole.force_login(administrator)
    window = "start=2025-11-01&end=2025-12-31"
    paths = {
        f"/incidents/?{window}": True,
        f"/incidents/?{window}&group_by={FIELD}": True,
        f"/incidents/?{window}&group_by=title": True,
        f"/incidents/export?{window}&format=ndjson": True,
        f"/incidents/export?{window}&format=csv": True,
        f"/statistics/?{window}": True,
        f"/attack/layer?{window}": False,
        "/incidents/suggestions?q=rule.name%3A&cursor=10": True,
        "/incidents/suggestions?q=incident_type%3A&cursor=14": False,
    }
    for path, named in paths.items():
        assert "leak" not in read(own, path).lower(), path
        assert SECRET not in read(own, path), path
        # The same page tells of it to those to whom it is open, so that looking for it here means something.
        seen = read(whole, path)
        assert (SECRET if named else "T1486" if "attack" in path else "leak") in seen, path
    assert "T1486" not in read(own, f"/attack/layer?{window}")
    assert own.get("/incidents/leak-0/").status_code == 404
    assert own.get("/aggregations/g-leak/").status_code == 404


@pytest.mark.usefixtures("closed")
def test_suggestions_related_and_what_was_seen_before_know_nothing_of_a_closed_type(lead: User) -> None:
    actor = actor_of(User.objects.get(pk=lead.pk))
    known = registry()
    values = facets.values_beginning(actor, known.fields[FIELD], ".*", 10)
    assert [item.value for item in values] == ["phishing"]
    stored.incidents(
        {"twin": {"rule": {"name": f"Rule {SECRET}", "id": SECRET}, "entities": {"host": [f"WS-{SECRET}"]}}}
    )
    doc = services.get_document(actor, "incident", "twin")
    assert not any(insights.related(actor, doc, stored.NOW).values())


@pytest.mark.usefixtures("closed")
def test_a_role_with_a_filter_of_its_own_is_narrowed_too_and_nothing_else_opens_the_type(lead: User) -> None:
    Role.objects.create(name="typed", label="Typed", permissions=["incident.view"], row_filter="incident_type:leak")
    Role.objects.create(name="mark", label="HR but blind", permissions=[])
    assert listed(person("typed", "typed")) == set()
    assert "leak-0" in listed(person("typed-hr", "typed", "hr"))
    assert listed(person("blind", "lead", "mark")) == SEEN
    with pytest.raises(ValidationFailed, match="does not see incidents at all"):
        save("leak", roles=["mark"])


@pytest.mark.usefixtures("closed")
def test_letter_case_hides_as_well(lead: User) -> None:
    stored.incidents({"upper": {FIELD: "LEAK"}})
    assert "upper" not in listed(lead)
    actor = actor_of(User.objects.get(pk=lead.pk))
    assert not access.visible(actor, {"key": "incident/upper", FIELD: "LEAK"})


@pytest.mark.usefixtures("closed")
def test_the_type_of_an_incident_cannot_be_edited_once_some_types_are_closed(administrator: User) -> None:
    assert access_fields() == (FIELD,)
    refused = api_for(administrator).call("PUT", "incidents/leak-0", {FIELD: "phishing"})
    assert "never edited" in details(refused)[FIELD]


@pytest.mark.usefixtures("closed")
def test_the_history_of_a_deleted_incident_stays_with_those_who_saw_it(lead: User, administrator: User) -> None:
    admin, own = api_for(administrator), api_for(lead)
    for kind, status in (("leak", 404), ("phishing", 200)):
        made = admin.call("POST", f"incidents/gone-{kind}", {"title": SECRET, FIELD: kind}).ok(201)
        admin.call("DELETE", f"incidents/{made['_meta']['id']}").ok()
        gateway().refresh([schema.history_alias()])
        assert own.call("GET", f"incidents/gone-{kind}/history").status == status


def test_the_card_shows_the_type_and_its_fields_in_their_order_and_keeps_what_else_has_a_value(
    shaped: Api, lead: User
) -> None:
    field("site", "text")
    made = new(shaped, incident_type="phishing", ticket="T-1")
    own = Client()
    own.force_login(lead)
    page = read(own, f"/incidents/{made['_meta']['id']}/")
    assert "<h2>Phishing</h2>" in page
    assert page.index("<dt>Teams</dt>") < page.index("<dt>Ticket</dt>") < page.index("<dt>Score</dt>")
    assert "<dt>Site</dt>" not in page
    shaped.call("PUT", f"incidents/{made['_meta']['id']}", {"site": "north"}).ok()
    page = read(own, f"/incidents/{made['_meta']['id']}/")
    assert page.index("<dt>Score</dt>") < page.index("<h2>Other fields</h2>") < page.index("<dt>Site</dt>")
    plain = read(own, f"/incidents/{new(shaped)['_meta']['id']}/")
    assert "<h2>Fields</h2>" in plain
    assert "<dt>Site</dt>" in plain


def test_the_list_filters_and_groups_by_type_and_says_its_title(lead: User) -> None:
    save("phishing", title="Phishing mail")
    stored.incidents({f"i{n}": {FIELD: "phishing" if n else "fraud"} for n in range(3)})
    own = Client()
    own.force_login(lead)
    window = "start=2025-11-01&end=2025-12-31"
    page = read(own, f"/incidents/?{window}")
    assert 'title="Phishing mail"' in page or ">Phishing mail<" in page
    assert f"{FIELD}=phishing" in page
    narrowed = read(own, f"/incidents/?{window}&{FIELD}=phishing")
    assert "i1" in narrowed
    assert "/incidents/i0/" not in narrowed
    folded = read(own, f"/incidents/?{window}&group_by={FIELD}")
    assert "Phishing mail" in folded
    assert "fraud" in folded


@pytest.mark.usefixtures("closed")
def test_nobody_is_notified_of_a_closed_type(administrator: User, lead: User) -> None:
    person("hr-two", "hr")
    following.begin()
    rule("bell", events=["new_incident"], users=["lead", "hr-two"])
    made = {kind: new(api_for(administrator), **{FIELD: kind})["_meta"]["id"] for kind in ("leak", "phishing")}
    follow()
    told = {
        name: {item.object_id for item in notices.listed(actor_of(User.objects.get(username=name)))[0]}
        for name in ("lead", "hr-two")
    }
    assert told == {"lead": {made["phishing"]}, "hr-two": set(made.values())}


@pytest.mark.usefixtures("closed")
def test_a_group_spreads_and_a_bulk_change_of_all_reaches_only_what_is_open(lead: User, administrator: User) -> None:
    actor = actor_of(User.objects.get(pk=lead.pk))
    task = jobs.bulk_matching(actor, StatisticsQuery(Filters()), None, {"severity": "low"})
    assert task.counts["matched"] == len(SEEN)
    sync = api_for(lead).call("PUT", "aggregations/results/by-host/g-phishing?sync=true", {"severity": "high"}).ok()
    assert sync["sync"]["matched"] == 1
    admin = api_for(administrator)
    assert {admin.call("GET", f"incidents/leak-{n}").ok()["severity"] for n in range(3)} == {"medium"}


@pytest.mark.usefixtures("closed")
def test_rules_group_incidents_of_one_type_only_once_types_are_closed(lead: User) -> None:
    grouping_rule()
    stored.incidents(
        {f"n{n}": {FIELD: ("leak", "phishing")[n % 2], "entities": {"host": ["h9"]}, "source": "new"} for n in range(4)}
    )
    engine.run()
    gateway().refresh(schema.document_aliases())
    groups = api_for(lead).call("GET", "aggregations/results?incident_aggregation_id=same-host").ok()["docs"]
    assert [(group["incidents_count"], group[FIELD]) for group in groups] == [(2, "phishing")]


def grouping_rule() -> None:
    data = {"name": "same-host", "title": "Same host", "comparison": ["entities.host"], "filter": "source:new"}
    service.save_rule({**data, "look_back": 3660}, by="admin")

"""Every step of three different workflows, allowed and refused, over the API, the card, bulk and `sync`."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents.models import AggregationNumber
from imweb.opensearch import gateway, schema
from imweb.workflows import Workflow, get_workflow
from imweb.workflows.definitions import WORKFLOWS
from tests import stored
from tests.api_client import api_for
from tests.stored import at

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
LIST = "/incidents/?start=2025-11-01&end=2025-12-31&mode=incidents"
STRICT = {
    "name": "strict",
    "title": "Strict",
    "initial": "begun",
    "statuses": [
        {"name": "begun", "title": "Begun"},
        {"name": "looked", "title": "Looked at"},
        {"name": "judged", "title": "Judged"},
        {"name": "filed", "title": "Filed", "terminal": True},
    ],
    "transitions": [
        {"source": "begun", "target": "looked", "required": ["reviewer"]},
        {"source": "looked", "target": "judged", "required": ["comment"], "permission": "incident.assign"},
        {"source": "judged", "target": "filed", "required": ["comment", "resolution"], "name": "File it"},
    ],
}
RING = {
    "name": "ring",
    "title": "Ring",
    "initial": "open",
    "statuses": [
        {"name": "open", "title": "Open"},
        {"name": "waiting", "title": "Waiting for them"},
        {"name": "solved", "title": "Solved", "terminal": True},
        {"name": "void", "title": "Void", "terminal": True},
    ],
    "transitions": [
        {"source": "open", "target": "waiting"},
        {"source": "waiting", "target": "open"},
        {"source": "waiting", "target": "solved"},
        {"source": "open", "target": "void"},
        {"source": "solved", "target": "open", "permission": "incident.reopen"},
        {"source": "void", "target": "solved"},
    ],
}
Said = str | None
"""Why a step was refused, None when it was made."""


@pytest.fixture(autouse=True)
def _graphs(administrator: User) -> Iterator[None]:
    store.forget()
    for definition in (STRICT, RING):
        store.save(WORKFLOWS, definition, by="admin")
    yield
    store.forget()


def of(name: str) -> Workflow:
    found = get_workflow(name)
    assert found is not None
    return found


def pairs_of(name: str) -> list[tuple[str, str]]:
    return list(itertools.permutations([status.name for status in of(name).statuses], 2))


def put(graph: str, pairs: list[tuple[str, str]]) -> None:
    """Store an incident for each pair, in the first status, and a group of it alone that is in the second already."""
    members, groups = {}, {}
    for source, target in pairs:
        doc_id = f"{source}-{target}"
        both = {"incident_aggregation_id": ["by-host"], "incident_aggregation_result_id": [f"g-{doc_id}"]}
        number = AggregationNumber.allocate(f"g-{doc_id}")
        own = {"@timestamp": at(-60), "title": doc_id, "workflow_id": graph}
        members[doc_id] = own | both | {"group_numbers": [number], "status": source}
        # What is spread is then judged by the member's workflow alone.
        groups[f"g-{doc_id}"] = stored.DEFAULTS | own | both | {"group_number": number, "status": target}
    stored.incidents(members)
    stored.put("aggregation", groups)


def read(doc_id: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return found.source


def text(response: Any) -> str:
    return str(response.content.decode()).replace("&#x27;", "'").replace("&quot;", '"')


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class ByApi:
    """The API's `PUT`."""

    def __init__(self, user: User) -> None:
        self.api = api_for(user)

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        answer = self.api.call("PUT", f"incidents/{doc_id}", changes)
        if answer.status == 200:
            return None
        assert answer.status in (400, 403)
        return json.dumps(answer.error)


class ByCard:
    """The card's form."""

    def __init__(self, user: User) -> None:
        self.client = client_of(user)

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        form = {"set": list(changes), **{f"v.{name}": value for name, value in changes.items()}}
        answer = self.client.post(f"/incidents/{doc_id}/change", form)
        if answer.status_code == 302:
            return None
        assert answer.status_code in (400, 403)
        return text(answer)


class ByBulk:
    """The list's dialog for ticked rows."""

    def __init__(self, user: User) -> None:
        self.client = client_of(user)
        html = self.client.get(LIST).content.decode()
        form = html[html.index('id="bulk-form"') :]
        self.next = dict(re.findall(r'name="(next|total)" value="([^"]*)"', form))["next"].replace("&amp;", "&")

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        form = {"scope": "ticked", "keys": f"incident/{doc_id}", "next": self.next, "step": "apply"}
        answer = self.client.post("/incidents/bulk/", form | {f"set.{name}": v for name, v in changes.items()})
        page = text(answer)
        assert answer.status_code == 200
        return None if read(doc_id)["status"] == changes["status"] else page


class ByBulkUpdate:
    """The API's `bulkUpdate`."""

    def __init__(self, user: User) -> None:
        self.api = api_for(user)

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        lines = "\n".join(json.dumps(line) for line in ({"update": {"_id": doc_id}}, changes)) + "\n"
        answer = self.api.send("POST", "incidents/bulkUpdate", lines.encode(), "application/x-ndjson").ok()
        (item,) = answer["items"]
        assert answer["errors"] is ("error" in item["update"])
        return json.dumps(item["update"]["error"]) if answer["errors"] else None


class BySync:
    """`sync` of the group that holds the incident."""

    def __init__(self, user: User) -> None:
        self.api = api_for(user)

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        answer = self.api.call("PUT", f"aggregations/results/by-host/g-{doc_id}?sync=true", changes).ok()["sync"]
        assert answer["matched"] == 1
        assert answer["updated"] + len(answer["failed"]) == 1
        return str(answer["failed"][0]["reason"]) if answer["failed"] else None


class ByGroupsCard:
    """The card of the group that holds the incident, with its incidents."""

    def __init__(self, user: User) -> None:
        self.client = client_of(user)

    def __call__(self, doc_id: str, changes: dict[str, Any]) -> Said:
        form = {"set": list(changes), "sync": "1", **{f"v.{name}": value for name, value in changes.items()}}
        answer = self.client.post(f"/aggregations/g-{doc_id}/change", form, follow=True)
        assert answer.status_code in (200, 400, 403)
        return None if read(doc_id)["status"] == changes["status"] else text(answer)


CHANNELS = [ByApi, ByCard, ByBulk, ByBulkUpdate, BySync, ByGroupsCard]
Channel = Callable[[User], Callable[[str, dict[str, Any]], Said]]


def wish(graph: str, target: str, user: User) -> dict[str, Any]:
    """Return the step's change with everything that a step may ask for."""
    found: dict[str, Any] = {"status": target, "comment": "seen", "reviewer": user.username}
    return found | ({"resolution": "benign"} if of(graph).is_terminal(target) else {})


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("graph", ["default", "strict", "ring"])
def test_exactly_the_steps_of_the_graph_are_made(administrator: User, graph: str, channel: Channel) -> None:
    pairs = pairs_of(graph)
    put(graph, pairs)
    change = channel(administrator)
    for source, target in pairs:
        doc_id = f"{source}-{target}"
        refused = change(doc_id, wish(graph, target, administrator))
        if of(graph).step(source, target) is not None:
            assert refused is None, doc_id
            continue
        ways = [step.target for step in of(graph).transitions if step.source == source]
        assert refused is not None, doc_id
        assert f"workflow '{graph}' allows from '{source}': {', '.join(ways) or 'no further step'}" in refused
    reached = [read(f"{source}-{target}") for source, target in pairs]
    steps = [of(graph).step(source, target) is not None for source, target in pairs]
    assert [doc["status"] for doc in reached] == [pair[made] for pair, made in zip(pairs, steps, strict=True)]
    # What came with a refused step is not written either.
    assert [doc.get("reviewer") == "admin" for doc in reached] == steps


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_a_step_asks_for_is_named_when_it_is_lacking(administrator: User, channel: Channel) -> None:
    steps = [(step.source, step.target) for step in of("strict").transitions]
    put("strict", steps)
    change = channel(administrator)
    for step in of("strict").transitions:
        doc_id = f"{step.source}-{step.target}"
        whole = wish("strict", step.target, administrator)
        for name in step.required:
            refused = change(doc_id, {key: value for key, value in whole.items() if key != name})
            assert refused is not None, (doc_id, name)
            assert f"is needed for the step to '{step.target}'" in refused
            assert read(doc_id)["status"] == step.source
        assert change(doc_id, whole) is None


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_step_is_made_by_those_who_may_and_by_nobody_else(analyst: User, lead: User, channel: Channel) -> None:
    guarded = {"default": ("closed", "in_progress"), "strict": ("looked", "judged"), "ring": ("solved", "open")}
    for graph, pair in guarded.items():
        put(graph, [pair])
    for user, may in ((analyst, False), (lead, True)):
        change = channel(user)
        for graph, (source, target) in guarded.items():
            doc_id = f"{source}-{target}"
            refused = change(doc_id, wish(graph, target, user))
            step = of(graph).step(source, target)
            assert step is not None
            if may:
                assert refused is None
            else:
                assert refused is not None
                assert f"needs the permission '{step.permission}'" in refused
            assert read(doc_id)["status"] == (target if may else source)


def test_an_incident_in_a_removed_status_is_shown_counted_and_moved(administrator: User, analyst: User) -> None:
    fields = {"@timestamp": at(-60), "workflow_id": "ring"}
    lost = {f"w{n}": fields | {"title": f"Lost {n}", "status": "waiting"} for n in range(3)}
    stored.incidents(lost | {"o1": fields | {"title": "Kept", "status": "open"}})
    # As a configuration file takes a status away; the page asks for a mapping first.
    statuses: list[dict[str, Any]] = RING["statuses"]  # type: ignore[assignment]
    steps: list[dict[str, Any]] = RING["transitions"]  # type: ignore[assignment]
    left = {
        "statuses": [status for status in statuses if status["name"] != "waiting"],
        "transitions": [step for step in steps if "waiting" not in (step["source"], step["target"])],
    }
    store.save(WORKFLOWS, RING | left, by="admin")

    client = client_of(analyst)
    page = text(client.get(LIST))
    assert [f"Lost {n}" in page for n in range(3)] == [True] * 3
    assert page.count('data-st="waiting"') == 3
    assert re.search(r"<span>waiting</span><b>3</b>", page)
    found = text(client.get(f"{LIST}&status=waiting"))
    assert ("Lost 0" in found, "Kept" in found) == (True, False)
    api = api_for(analyst)
    assert {doc["_meta"]["id"] for doc in api.call("GET", "incidents?status=waiting").ok()["docs"]} == set(lost)
    assert "waiting" in text(client.get("/incidents/w0/"))

    # By hand into any status of its workflow, and no other.
    refused = api.call("PUT", "incidents/w0", {"status": "closed"})
    assert refused.status == 400
    assert "workflow 'ring' has the statuses open, solved, void" in refused.error["reason"]
    assert api.call("PUT", "incidents/w0", {"status": "open"}).ok()["result"] == "updated"

    # The rest by the mapping, each change in its incident's history.
    admin = client_of(administrator)
    gateway().refresh(schema.document_aliases())
    shown = re.sub(r"\s+", " ", text(admin.get(reverse("settings-workflows"))))
    assert "waiting</code> Ring · 2 incidents and groups ·" in shown
    admin.post(reverse("settings-status-unknown", args=["waiting"]), {"workflow": "ring", "to.waiting": "open"})
    assert [(read(name)["status"], read(name)["workflow_id"]) for name in ("w0", "w1", "w2", "o1")] == [
        ("open", "ring")
    ] * 4
    newest = api.call("GET", "incidents/w1/history").ok()[0]
    assert (newest["user"], newest["edited"]) == (
        "admin",
        [{"fieldName": "status", "oldValue": "waiting", "newValue": "open"}],
    )
    gateway().refresh(schema.document_aliases())
    assert "Move them" not in text(admin.get(reverse("settings-workflows")))

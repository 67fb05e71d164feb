"""A bulk change from the page: exactly the frozen rows, refusals that help, progress, and undo."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import editing, jobs
from imweb.incidents.models import CustomField, Job
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import stored
from tests.stored import at

LIST = "/incidents/?start=2025-11-01&end=2025-12-31&mode=incidents"


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


def _store(prefix: str, count: int) -> None:
    stored.incidents(
        {
            f"{prefix}{n}": {"@timestamp": at(-60 * n), "title": f"T {n}", "severity": "low", "status": "new"}
            for n in range(count)
        }
    )


def _frozen(client: Client) -> dict[str, str]:
    """Open the list and return what its bulk form sends."""
    html = client.get(LIST).content.decode()
    form = html[html.index('id="bulk-form"') :]
    found = dict(re.findall(r'name="(next|total)" value="([^"]*)"', form[: form.index("</form>")]))
    return {name: value.replace("&amp;", "&") for name, value in found.items()}


def _severities(prefix: str, count: int) -> list[Any]:
    found = gateway().mget([(schema.incidents_alias(), f"{prefix}{n}") for n in range(count)])
    return [doc.source["severity"] for doc in found if doc]


def test_all_matching_means_the_rows_that_were_frozen(client: Client, indices: None) -> None:
    _store("a", 30)
    form = _frozen(client) | {"scope": "all", "set.severity": "high"}
    assert form["total"] == "30"
    _store("later", 5)
    page = client.post("/incidents/bulk/", form | {"step": "preview"}).content.decode()
    assert "30 rows will change like this" in page
    assert "Low <b>30</b>" in page
    client.post("/incidents/bulk/", form | {"step": "apply"})
    assert _severities("a", 30) == ["high"] * 30
    assert _severities("later", 5) == ["low"] * 5


def test_a_list_that_has_ended_is_refused_and_nothing_is_changed(client: Client, indices: None, lead: User) -> None:
    from imweb.incidents.pits import release_all

    _store("a", 4)
    form = _frozen(client) | {"scope": "all", "set.severity": "high", "step": "apply"}
    release_all(lead.pk)
    _store("b", 2)
    page = client.post("/incidents/bulk/", form).content.decode()
    assert "nothing was changed" in page
    assert _severities("a", 4) == ["low"] * 4
    assert not Job.objects.exists()


def test_an_analyst_may_change_500_and_is_told_so(client: Client, indices: None, analyst: User) -> None:
    _store("a", 501)
    assert "Change all 501 matching…" in client.get(LIST).content.decode(), "a lead may"
    client.force_login(analyst)
    shown = client.get(LIST).content.decode()
    assert "501 match; you may change up to 500 at once" in shown
    assert 'value="all"' not in shown, "no button that only leads to a refusal"
    form = _frozen(client) | {"scope": "all", "set.comment": "seen", "step": "apply"}
    page = client.post("/incidents/bulk/", form).content.decode()
    assert "up to 500 rows at once, and these are 501" in page
    assert not Job.objects.exists()


def test_a_value_that_does_not_fit_is_marked_at_its_field(client: Client, indices: None) -> None:
    CustomField.objects.create(name="score", label="Score", type="number", bulk_editable=True)
    CustomField.objects.create(name="ticket", label="Ticket", type="text")
    apply_custom_fields()
    _store("a", 2)
    form = _frozen(client) | {"scope": "all"}
    page = client.post("/incidents/bulk/", form | {"set.score": "many", "step": "preview"}).content.decode()
    assert re.search(r'id="fault-score"[^>]*>[^<]*number', page)
    assert 'value="many"' in page
    assert "Ticket" not in page, "only what an administrator made editable in bulk"
    page = client.post("/incidents/bulk/", form | {"step": "preview"}).content.decode()
    assert "Fill in at least one field." in page
    page = client.post("/incidents/bulk/", form | {"scope": "ticked", "keys": ""}).content.decode()
    assert "Tick at least one row." in page


def test_a_long_one_shows_its_progress_and_its_end(client: Client, indices: None, lead: User) -> None:
    from imweb.incidents.params import Filters, StatisticsQuery

    _store("a", 1_200)
    task = jobs.bulk_matching(
        actor_of(lead), StatisticsQuery(Filters(with_aggregations=False)), None, {"severity": "high"}, seconds=0
    )
    assert not task.finished
    page = client.get(f"/incidents/bulk/{task.id}", headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="load delay:1s"' in page
    assert "of 1,200" in page
    while not jobs.run(task.id):
        pass
    page = client.get(f"/incidents/bulk/{task.id}", headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in page
    assert "<strong>1,200</strong> updated" in page
    # What somebody changed since is not taken back.
    editing.update(actor_of(lead), "incident", "a7", {"severity": "critical"})
    client.post(f"/incidents/bulk/{task.id}/undo")
    while not (undoing := jobs.get_task(actor_of(lead), Job.objects.get(kind="undo").pk)).finished:
        jobs.run(undoing.id)
    assert _severities("a", 10) == ["low"] * 7 + ["critical"] + ["low"] * 2


def test_another_users_task_is_not_shown(client: Client, indices: None, analyst: User, lead: User) -> None:
    from imweb.incidents.params import Filters, StatisticsQuery

    _store("a", 1)
    task = jobs.bulk_matching(
        actor_of(lead), StatisticsQuery(Filters(with_aggregations=False)), None, {"severity": "high"}
    )
    client.force_login(analyst)
    assert client.get(f"/incidents/bulk/{task.id}").status_code == 404
    assert client.post(f"/incidents/bulk/{task.id}/undo").status_code == 200
    assert _severities("a", 1) == ["high"]


def test_custom_fields_can_be_emptied_and_the_wish_must_not_contradict_itself(client: Client, indices: None) -> None:
    CustomField.objects.create(name="site", label="Site", type="select", options=["north"], bulk_editable=True)
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a", "b"], bulk_editable=True)
    apply_custom_fields()
    stored.incidents({f"a{n}": {"@timestamp": at(-n), "title": "T", "site": "north", "tags": ["a"]} for n in range(2)})
    form = _frozen(client) | {"scope": "all", "empty.site": "1", "empty.tags": "1"}
    page = client.post("/incidents/bulk/", form | {"set.site": "north", "step": "preview"}).content.decode()
    assert re.search(r'id="fault-site"[^>]*>Either fill it in or empty it', page)
    page = client.post("/incidents/bulk/", form | {"step": "preview"}).content.decode()
    assert "north <b>2</b>" in page
    assert page.count("<b>empty</b>") == 2
    assert 'name="empty.site" value="1"' in page
    client.post("/incidents/bulk/", form | {"empty.severity": "1", "step": "apply"})
    found = gateway().mget([(schema.incidents_alias(), f"a{n}") for n in range(2)])
    assert [{"site", "tags"} & doc.source.keys() for doc in found if doc] == [set(), set()]
    assert all(doc and doc.source["severity"] for doc in found), "no field of ours is emptied"


def test_a_change_can_be_taken_back_from_the_recent_ones_until_it_was(
    client: Client, indices: None, lead: User, analyst: User
) -> None:
    _store("a", 3)
    form = _frozen(client) | {"scope": "all", "set.severity": "high"}
    client.post("/incidents/bulk/", form | {"step": "apply"})
    page = client.get("/incidents/bulk/recent").content.decode()
    undo = re.search(r'action="(/incidents/bulk/[^"]+/undo)"', page)
    assert undo
    assert "Severity → High" in page
    other = Client()
    other.force_login(analyst)
    assert "Nothing that you changed" in other.get("/incidents/bulk/recent").content.decode()
    client.post(undo[1])
    assert _severities("a", 3) == ["low"] * 3
    assert "Nothing that you changed" in client.get("/incidents/bulk/recent").content.decode()


def test_what_is_older_than_ten_minutes_is_not_recent(client: Client, indices: None) -> None:
    from django.db.models import F

    _store("a", 1)
    client.post("/incidents/bulk/", _frozen(client) | {"scope": "all", "set.severity": "high", "step": "apply"})
    assert "Severity → High" in client.get("/incidents/bulk/recent").content.decode()
    Job.objects.update(finished_at=F("finished_at") - timedelta(minutes=11))
    assert "Nothing that you changed" in client.get("/incidents/bulk/recent").content.decode()

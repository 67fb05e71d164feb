"""A bulk change from the page: exactly the frozen rows, refusals that help, progress, and undo."""

from __future__ import annotations

import re
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
    client.force_login(analyst)
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

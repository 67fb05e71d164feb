"""OpenSearch is stopped while an administrator works: pages save and say what waits, and that happens afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.grouping import engine
from imweb.incidents import editing
from imweb.incidents.models import CustomField
from imweb.incidents.setup import ensure_indices
from imweb.incidents.tasks import apply_custom_fields
from imweb.opensearch import gateway, schema
from imweb.opensearch.jars import JarError
from imweb.opensearch.node import Node, NodeError
from imweb.web.models import SettingsMove
from imweb.web.tasks import begin_moves
from tests import stored
from tests.integration.pits_ground import servers
from tests.services import lacking, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Desk = Callable[..., Page]


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory, redis_server: Any, settings: Any) -> Iterator[Node]:
    """An OpenSearch of this test's own, to be stopped and started again; the console works on it."""
    found = Node(folder=tmp_path_factory.mktemp("node"), cluster="away", heap="512m")
    try:
        found.launch().wait()
    except (JarError, NodeError) as error:
        found.kill()
        lacking(str(error))
    store.forget()
    with servers(settings, OPENSEARCH_URL=found.url):
        yield found
    store.forget()
    found.stop()


def read(name: str) -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), name)
    assert found is not None
    return found.source


def test_each_page_saves_while_opensearch_is_stopped_and_takes_effect_once_it_is_back(
    desk: Desk, node: Node, live_server: Any, administrator: User
) -> None:
    ensure_indices()
    stored.incidents(
        {
            "i1": {"severity": "low", "status": "verification", "entities": {"host": ["h1"]}},
            "i2": {"severity": "high", "entities": {"host": ["h1"]}},
        }
    )
    page = desk(administrator)
    base = live_server.url
    page.goto(f"{base}/settings/severities")
    expect(page.get_by_text("OpenSearch does not answer")).to_have_count(0)
    node.stop()

    page.goto(f"{base}/settings/fields/new")
    page.get_by_label("Label", exact=True).fill("Score")
    page.locator("[name=type][value=number]").check()
    expect(page.locator("#check")).to_contain_text("OpenSearch does not answer. You can save")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast")).to_contain_text("takes effect by itself once OpenSearch is back")
    expect(page.locator("tr[data-name=score]")).to_contain_text("waits for OpenSearch")

    page.goto(f"{base}/settings/severities/set/customer")
    page.get_by_role("button", name="Save and move").click()
    waiting = page.locator(".im-call", has_text="These incidents are moved once OpenSearch answers")
    expect(waiting).to_contain_text("“Low” → “Information”")
    expect(page.locator("tr[data-name=warning]")).to_be_visible()

    page.goto(f"{base}/settings/workflows/edit/default")
    page.get_by_label("Remove status 3").check()
    page.get_by_label("Where incidents in verification go").select_option("in_progress")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast").first).to_contain_text("“Default” is saved.")
    waiting = page.locator(".im-call", has_text="These incidents are moved")
    expect(waiting).to_contain_text("“Verification” → “In Progress”")

    page.goto(f"{base}/settings/grouping/new")
    page.get_by_label("Title", exact=True).fill("Same host")
    page.get_by_label("Compared field 1").fill("entities.host")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("OpenSearch does not answer. Rules can be saved")).to_be_visible()

    page.goto(f"{base}/settings/types/new")
    page.get_by_label("Title", exact=True).fill("Phishing")
    page.get_by_label("Stored as").fill("phishing")
    page.get_by_label("Severity").select_option("warning")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast").first).to_contain_text("“Phishing” is saved.")

    node.launch().wait()
    until(lambda: node.get("/_cluster/health")["status"] != "red", 30)
    # What beat asks for every few seconds.
    apply_custom_fields()
    begin_moves()
    engine.run()
    assert gateway().mapping(schema.incidents_alias())["score"]["type"] == "double"
    assert CustomField.objects.get(name="score").mapped
    assert [(read(name)["severity"], read(name)["status"]) for name in ("i1", "i2")] == [
        ("information", "in_progress"),
        ("warning", "new"),
    ]
    assert not SettingsMove.objects.filter(task="").exists()
    assert read("i1")["incident_aggregation_id"] == read("i2")["incident_aggregation_id"] == ["same_host"]
    made = editing.create(actor_of(administrator), "i3", {"title": "Lure", "incident_type": "phishing"})
    assert made.source["severity"] == "warning"
    page.goto(f"{base}/settings/severities")
    expect(page.get_by_text("OpenSearch does not answer")).to_have_count(0)
    expect(page.get_by_text("These incidents are moved")).to_have_count(0)
    page.goto(f"{base}/settings/fields")
    expect(page.locator("tr[data-name=score]")).not_to_contain_text("waits for OpenSearch")

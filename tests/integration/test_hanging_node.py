"""A node that hangs, as in a long pause of its garbage collector, is waited for once and not at every turn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.models import User
from imweb.errors import ImError, SearchTimeout, SearchUnavailable
from imweb.incidents import registry
from imweb.opensearch import client, gateway, hanging, schema
from imweb.opensearch.node import Node
from tests.services import until

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def stopped(
    indices: None, opensearch_server: Node | None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[Node]:
    """A node that takes calls and answers none; whoever asks it waits for half a second."""
    if opensearch_server is None or opensearch_server.process is None:
        pytest.skip("the node is not ours to stop")
    monkeypatch.setattr("imweb.opensearch._gateway._SMALL_TIMEOUT", 0.5)
    monkeypatch.setattr(hanging, "LOOK", 0.5)
    monkeypatch.setattr(hanging, "_node", hanging._Node())
    settings.OPENSEARCH_TIMEOUT = 0.5
    _forget()
    os.kill(opensearch_server.process.pid, signal.SIGSTOP)
    try:
        yield opensearch_server
    finally:
        os.kill(opensearch_server.process.pid, signal.SIGCONT)
        _forget()


def _forget() -> None:
    client.reading.cache_clear()
    client.writing.cache_clear()
    registry.forget()


def _answers() -> bool:
    try:
        return bool(gateway().info())
    except ImError:
        return False


def test_fields_are_asked_for_once(stopped: Node) -> None:
    with pytest.raises(SearchTimeout):
        gateway().mapping(schema.incidents_alias())
    known = registry.registry()
    assert known.get("severity")
    assert registry.registry() is known


def test_who_comes_after_one_that_waited_in_vain_is_refused_at_once(stopped: Node) -> None:
    alias = schema.incidents_alias()
    with pytest.raises(SearchTimeout):
        gateway().search({"query": {"match_all": {}}}, index=alias)
    # Each of these would be a `SearchTimeout` of its own if it had been sent.
    for ask in (
        lambda: gateway().search({"query": {"match_all": {}}}, index=alias),
        lambda: gateway().count({"match_all": {}}, index=alias),
        lambda: gateway().get(alias, "i1"),
        lambda: gateway().bulk([{"delete": {"_index": alias, "_id": "i1"}}]),
    ):
        with pytest.raises(SearchUnavailable, match="nothing was changed"):
            ask()
    assert stopped.process
    os.kill(stopped.process.pid, signal.SIGCONT)
    until(_answers, 30)
    assert gateway().count({"match_all": {}}, index=alias) == 0


def test_pages_say_so_and_settings_open(stopped: Node, administrator: User) -> None:
    browser = Client()
    browser.force_login(administrator)
    assert browser.get("/incidents/").status_code in (503, 504)
    for path in ("/settings/fields", "/settings/severities", "/settings/grouping", "/settings/types/new"):
        assert browser.get(path).status_code == 200
    answer = browser.get("/incidents/")
    assert answer.status_code == 503
    assert "OpenSearch cannot be reached just now" in answer.content.decode()

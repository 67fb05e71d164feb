"""A node that hangs, as in a long pause of its garbage collector, is waited for once and not at every turn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from imweb.errors import SearchTimeout
from imweb.incidents import registry
from imweb.opensearch import client, gateway, schema
from imweb.opensearch.node import Node

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def hanging(indices: None, opensearch_server: Node | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if opensearch_server is None or opensearch_server.process is None:
        pytest.skip("the node is not ours to stop")
    monkeypatch.setattr("imweb.opensearch._gateway._SMALL_TIMEOUT", 0.5)
    registry.forget()
    os.kill(opensearch_server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(opensearch_server.process.pid, signal.SIGCONT)
        client.reading.cache_clear()
        registry.forget()


def test_fields_are_asked_for_once(hanging: None) -> None:
    with pytest.raises(SearchTimeout):
        gateway().mapping(schema.incidents_alias())
    known = registry.registry()
    assert known.get("severity")
    assert registry.registry() is known

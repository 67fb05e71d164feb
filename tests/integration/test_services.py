"""The tests' own ground: real servers, this run's indices, and nothing left of an earlier test."""

from __future__ import annotations

import pytest

from imweb import redis
from imweb.opensearch import gateway, schema


def test_the_servers_are_real(indices: None) -> None:
    assert int(schema.check_server().split(".")[0]) >= 2
    assert redis.client().ping()


@pytest.mark.parametrize("number", [1, 2])
def test_indices_start_empty(indices: None, number: int) -> None:
    alias = schema.document_aliases()[0]
    assert gateway().count({"match_all": {}}, index=alias) == 0
    gateway().bulk([{"index": {"_index": alias, "_id": "x"}}, {"key": "incident/x"}])
    gateway().refresh(alias)
    assert gateway().count({"match_all": {}}, index=alias) == 1

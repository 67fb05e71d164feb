"""No search puts aggregations below a date histogram: OpenSearch 3 may fail on them (its issue 22342)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import services
from imweb.incidents.figures.statistics import OVER, statistics
from imweb.incidents.params import parse_statistics
from imweb.incidents.registry import registry
from imweb.opensearch import gateway
from tests import stored

Json = dict[str, Any]


def _above(aggs: Json) -> Iterator[str]:
    """Yield the names of date histograms that stand above others."""
    for name, body in aggs.items():
        if "date_histogram" in body and body.get("aggs"):
            yield name
        yield from _above(body.get("aggs", {}))


def test_histograms_stand_below(indices: None, analyst: User, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.incidents({"a": {"severity": "high", "@timestamp": stored.at(0)}, "b": {"@timestamp": stored.at(90_000)}})
    sent: list[Json] = []
    kind = type(gateway())
    search = kind.search
    monkeypatch.setattr(kind, "search", lambda self, body, **more: (sent.append(body), search(self, body, **more))[1])
    actor = actor_of(analyst)
    query = parse_statistics(
        {"start_time": None, "end_time": None, "interval": "1h"}, registry=registry(), zone="Asia/Kolkata"
    )
    assert services.severity_statistics(actor, query).total == 2
    for over in OVER:
        assert statistics(actor, query.filters, over).total == 2
    found = [body["aggs"] for body in sent if "date_histogram" in str(body.get("aggs"))]
    assert len(found) > len(OVER)
    assert [name for aggs in found for name in _above(aggs)] == []

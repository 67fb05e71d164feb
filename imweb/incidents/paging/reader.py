"""One result set to page through: where it is searched, and which documents belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from imweb.incidents.dsl import Clauses
from imweb.opensearch import gateway

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Searches of one result set: in a point in time, or in the live indices where that is consistent enough."""

    clauses: Clauses
    indices: tuple[str, ...] = ()
    pit: str | None = None
    keep_alive: str = "60s"
    excludes: tuple[str, ...] = ()

    def search(self, body: Json) -> Json:
        """Run one search of this set."""
        if self.pit:
            # The keep-alive is part of the request cache's key: it stays the same text always.
            return gateway().search({**body, "pit": {"id": self.pit, "keep_alive": self.keep_alive}})
        return gateway().search(body, index=list(self.indices))

    def hits(
        self,
        sort: Sequence[Json],
        size: int,
        *,
        offset: int = 0,
        after: Sequence[Any] | None = None,
        extra: Sequence[Json] = (),
        source: bool = True,
    ) -> list[Json]:
        """Return one window of hits in an order, within OpenSearch's window of 10,000."""
        body: Json = {
            "size": size,
            "query": self.clauses.query(*extra),
            "sort": list(sort),
            "track_total_hits": False,
            "_source": {"excludes": list(self.excludes)} if source else False,
        }
        if offset:
            body["from"] = offset
        if after is not None:
            body["search_after"] = list(after)
        found: list[Json] = self.search(body)["hits"]["hits"]
        return found

    def aggregate(self, aggs: Json, *extra: Json) -> Json:
        """Return aggregations over the set; such a request is answered from the shard request cache when repeated."""
        body = {"size": 0, "query": self.clauses.query(*extra), "aggs": aggs, "track_total_hits": False}
        found: Json = self.search(body)["aggregations"]
        return found

    def count(self, *extra: Json) -> int:
        """Return the exact number of documents."""
        answer = self.search({"size": 0, "query": self.clauses.query(*extra), "track_total_hits": True})
        return int(answer["hits"]["total"]["value"])

    def narrowed(self, *extra: Json, without: Sequence[Json] = ()) -> Reader:
        """Return the reader of a part of this set."""
        return replace(self, clauses=self.clauses.narrowed(*extra, without=without))

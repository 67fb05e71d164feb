"""The frozen list of a job: (kind, id, revision) of a set, read from a point in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from imweb.accounts.actor import Actor
from imweb.incidents import access, dsl, pits
from imweb.incidents.dsl import Clauses
from imweb.incidents.jobs.store import Item
from imweb.incidents.paging import Reader
from imweb.opensearch import schema

Json = dict[str, Any]
_PAGE = 5_000


def members(actor: Actor, result_id: str) -> Iterator[Item]:
    """Yield the incidents of an aggregation result as of now."""
    with pits.ephemeral(False) as lease:
        reader = Reader(Clauses(), pit=lease.raw_id, keep_alive=pits.keep_alive())
        reader = reader.narrowed({"term": {"incident_aggregation_result_id": result_id}}, *access.clauses(actor))
        yield from walk(reader.search, reader.clauses.query(without=[dsl.IS_AGGREGATION]))


def walk(search: Callable[[Json], Json], query: Json) -> Iterator[Item]:
    """Yield every document of a set, in the order of its key."""
    after: list[Any] | None = None
    while True:
        body: Json = {"size": _PAGE, "query": query, "sort": [{"key": "asc"}], "track_total_hits": False}
        # Columns alone, and the id out of the key: four times as fast as unpacking what each document holds.
        body |= {"_source": False, "stored_fields": "_none_", "docvalue_fields": ["rev"]}
        if after is not None:
            body["search_after"] = after
        hits = search(body)["hits"]["hits"]
        for hit in hits:
            revisions = hit.get("fields", {}).get("rev") or [0]
            yield schema.kind_of_index(hit["_index"]), hit["sort"][0].partition("/")[2], int(revisions[0])
        if len(hits) < _PAGE:
            return
        after = hits[-1]["sort"]

"""Counting by value exactly, whatever the number of values and shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from imweb.incidents.paging import Reader

Json = dict[str, Any]
PAGE = 10_000


def walk(reader: Reader, fields: Sequence[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield every combination of values of the (indexed) fields with its number of documents."""
    after: Json | None = None
    while True:
        sources = [{f"s{number}": {"terms": {"field": name}}} for number, name in enumerate(fields)]
        body: Json = {"size": PAGE, "sources": sources, **({"after": after} if after else {})}
        answer = reader.aggregate({"walk": {"composite": body}})["walk"]
        for bucket in answer["buckets"]:
            yield tuple(str(bucket["key"][f"s{number}"]) for number in range(len(fields))), int(bucket["doc_count"])
        after = answer.get("after_key")
        if after is None or len(answer["buckets"]) < PAGE:
            return

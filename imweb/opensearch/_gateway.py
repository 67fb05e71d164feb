"""All traffic to OpenSearch passes here: errors are translated, partial answers refused, time counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from opensearchpy import exceptions as client_errors
from pydantic_core import PydanticSerializationError, to_json

from imweb.errors import TooManyPits
from imweb.opensearch import client, hanging, timing
from imweb.opensearch.errors import check_complete, classify, translate

Json = dict[str, Any]
SEARCH_TIME_LIMIT = "25s"
# Seconds for what any page asks beside its own search and an answering node has at hand.
_SMALL_TIMEOUT = 5


@dataclass(frozen=True, slots=True)
class RawPit:
    """A point in time as OpenSearch knows it; `contexts` is what it costs of each node's limit."""

    id: str
    created_ms: int
    contexts: int


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored document, read in real time, with the tokens that guard its next write."""

    index: str
    id: str
    source: Json
    seq_no: int
    primary_term: int


@contextmanager
def _translated() -> Iterator[None]:
    started = time.perf_counter()
    try:
        hanging.check()
        yield
    except client_errors.OpenSearchException as error:
        if isinstance(error, client_errors.ConnectionTimeout):
            hanging.suspect()
        raise translate(error) from error
    finally:
        timing.add((time.perf_counter() - started) * 1000)


class Gateway:
    """The calls that this application makes; each raises `imweb.errors` and nothing else."""

    def search(self, body: Json, *, index: str | Sequence[str] | None = None, **params: Any) -> Json:
        """Run one search, complete or not at all; a body that carries a `pit` names no index."""
        with _translated():
            answer: Json = client.reading().search(
                body={"timeout": SEARCH_TIME_LIMIT, **body},
                index=index,
                params={"allow_partial_search_results": "false", **params},
            )
            return check_complete(answer)

    def msearch(self, bodies: Sequence[Json], *, index: str | Sequence[str] | None = None) -> list[Json]:
        """Run several searches in one round trip; the first that failed raises."""
        header: Json = {"allow_partial_search_results": False}
        if index is not None:
            header["index"] = index
        lines: list[Json] = []
        for body in bodies:
            lines += [header, {"timeout": SEARCH_TIME_LIMIT, **body}]
        with _translated():
            answer = client.reading().msearch(body=lines)
        results: list[Json] = []
        for result in answer["responses"]:
            if "error" in result:
                raise classify(result, int(result.get("status", 500)))
            results.append(check_complete(result))
        return results

    def get(self, index: str, doc_id: str) -> Stored | None:
        """Return one document in real time, or None when there is none."""
        with _translated():
            try:
                return _stored(client.reading().get(index=index, id=doc_id))
            except client_errors.NotFoundError as error:
                if isinstance(error.info, dict) and error.info.get("found") is False:
                    return None
                raise

    def mget(self, ids: Sequence[tuple[str, str]], *, source: Sequence[str] | None = None) -> list[Stored | None]:
        """Return documents in real time, in the order of the (index, id) pairs asked for; None for a missing one."""
        if not ids:
            return []
        docs = [
            {"_index": index, "_id": doc_id, **({"_source": list(source)} if source else {})} for index, doc_id in ids
        ]
        with _translated():
            answer = client.reading().mget(body={"docs": docs})
        found: list[Stored | None] = []
        for doc in answer["docs"]:
            if "error" in doc:
                raise classify(doc, 500)
            found.append(_stored(doc) if doc.get("found") else None)
        return found

    def index(
        self,
        index: str,
        doc_id: str,
        source: Json,
        *,
        create: bool = False,
        seq_no: int | None = None,
        primary_term: int | None = None,
        refresh: str = "false",
    ) -> Json:
        """Write one document; `create` or the tokens make it conditional (`VersionConflict` when they fail)."""
        params: Json = {"refresh": refresh}
        if create:
            params["op_type"] = "create"
        if seq_no is not None:
            params |= {"if_seq_no": seq_no, "if_primary_term": primary_term}
        with _translated():
            answer: Json = client.writing().index(index=index, id=doc_id, body=source, params=params)
            return answer

    def delete(self, index: str, doc_id: str, *, seq_no: int, primary_term: int) -> bool:
        """Delete one document if it is still the one that was read; False when it was gone already."""
        with _translated():
            try:
                client.writing().delete(
                    index=index, id=doc_id, params={"if_seq_no": seq_no, "if_primary_term": primary_term}
                )
            except client_errors.NotFoundError:
                return False
            return True

    def bulk(self, lines: Iterable[Json | str | bytes], *, refresh: str = "false") -> list[Json]:
        """Send one `_bulk` (action and source lines, dicts or ready JSON); return its items, failed ones included."""
        body = b"".join(
            (line if isinstance(line, bytes) else line.encode() if isinstance(line, str) else dumps(line)) + b"\n"
            for line in lines
        )
        if not body:
            return []
        with _translated():
            answer = client.writing().bulk(body=body, params={"refresh": refresh})
        items: list[Json] = answer["items"]
        return items

    def count(self, query: Json, *, index: str | Sequence[str]) -> int:
        """Return how many documents match, exactly."""
        with _translated():
            return int(client.reading().count(index=index, body={"query": query})["count"])

    def refresh(self, index: str | Sequence[str]) -> None:
        """Make acknowledged writes visible to searches from now on."""
        with _translated():
            client.reading().indices.refresh(index=index)

    def create_pit(self, index: Sequence[str], keep_alive: str) -> RawPit:
        """Open a point in time over all shards or none (`TooManyPits` at the cluster's limit)."""
        with _translated():
            try:
                answer = client.writing().create_pit(
                    index=",".join(index),
                    params={"keep_alive": keep_alive, "allow_partial_pit_creation": "false"},
                )
            except client_errors.TransportError as error:
                if error.status_code == 429:
                    raise TooManyPits("OpenSearch has reached its limit of open points in time.") from error
                raise
        return RawPit(answer["pit_id"], int(answer["creation_time"]), int(answer["_shards"]["total"]))

    def delete_pits(self, raw_ids: Sequence[str]) -> int:
        """Close points in time by id; return how many were open. Never all of them: others' live there too."""
        if not raw_ids:
            return 0
        with _translated():
            try:
                answer = client.writing().delete_pit(body={"pit_id": list(raw_ids)})
            except client_errors.NotFoundError:
                return 0
        return sum(1 for pit in answer.get("pits", []) if pit.get("successful"))

    def list_pits(self) -> list[Json]:
        """Return every open point in time of the cluster, other applications' included."""
        with _translated():
            try:
                pits: list[Json] = client.reading().get_all_pits().get("pits", [])
            except client_errors.NotFoundError:
                return []
            return pits

    def info(self) -> Json:
        """Return the answer of the cluster's root: its name and version."""
        with _translated():
            answer: Json = client.reading().info()
            return answer

    def health(self) -> Json:
        """Return the cluster's health."""
        with _translated():
            answer: Json = client.reading().cluster.health()
            return answer

    def raw(self, method: str, path: str, *, body: Any = None, params: Json | None = None) -> Any:
        """Make a call that has no method of its own here (statistics, tasks); never with a caller's path."""
        with _translated():
            return client.writing().transport.perform_request(method, path, params=params or {}, body=body)

    def alias_indices(self, alias: str) -> list[str]:
        """Return the indices behind an alias, an empty list when it does not exist."""
        with _translated():
            try:
                return sorted(client.reading().indices.get_alias(name=alias))
            except client_errors.NotFoundError:
                return []

    def global_checkpoints(self, index: str) -> dict[int, int]:
        """Return, by shard, the sequence number up to which every copy has every operation; -1 for an empty shard."""
        with _translated():
            answer = client.reading().indices.stats(index=index, metric="docs", params={"level": "shards"})
        found: dict[int, int] = {}
        for stats in answer["indices"].values():
            for number, copies in stats["shards"].items():
                for copy in copies:
                    if copy["routing"]["primary"]:
                        found[int(number)] = int(copy["seq_no"]["global_checkpoint"])
        return found

    def create_index(self, index: str, body: Json) -> None:
        """Create an index; one that exists already is left as it is."""
        with _translated():
            try:
                client.writing().indices.create(index=index, body=body)
            except client_errors.RequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise

    def mapping(self, index: str) -> Json:
        """Return the properties mapped in an index (the first one behind an alias)."""
        with _translated():
            answer: Json = client.reading().indices.get_mapping(index=index, params={"request_timeout": _SMALL_TIMEOUT})
        first = next(iter(answer.values()))
        properties: Json = first["mappings"].get("properties", {})
        return properties

    def put_mapping(self, index: str | Sequence[str], properties: Json) -> None:
        """Add fields to live indices; changing a field's type is refused by OpenSearch (`QueryRejected`)."""
        with _translated():
            client.writing().indices.put_mapping(index=index, body={"properties": properties})

    def delete_indices(self, names: Sequence[str]) -> None:
        """Delete indices named in full; a wildcard is refused."""
        if any("*" in name or name == "_all" for name in names):
            raise ValueError("indices are deleted by full name only")
        if names:
            with _translated():
                client.writing().indices.delete(index=list(names), params={"ignore_unavailable": "true"})


def dumps(value: Json) -> bytes:
    """Serialise one line of a bulk body."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        # Half a surrogate pair can only be sent as an escape.
        return json.dumps(value, separators=(",", ":")).encode()


@cache
def gateway() -> Gateway:
    """Return the process's gateway."""
    return Gateway()


def _stored(hit: Json) -> Stored:
    return Stored(hit["_index"], hit["_id"], hit.get("_source", {}), hit["_seq_no"], hit["_primary_term"])

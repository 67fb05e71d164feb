"""Documents put straight into the indices, for tests of reading: with all their bookkeeping, visible at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from imweb.incidents import pits
from imweb.incidents.documents import DocKind, new_source
from imweb.incidents.fields import infer_kind
from imweb.incidents.models import AggregationNumber
from imweb.incidents.registry import ensure_mapped, registry
from imweb.opensearch import gateway, schema

NOW = 1_763_900_000_000
"""2025-11-23T12:13:20Z, the moment around which these documents lie, in epoch milliseconds."""


def put(kind: DocKind, documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Store documents by id; return the ids."""
    lines: list[dict[str, Any]] = []
    from imweb.incidents.fields import dynamic_field

    known = registry(fresh=True)
    unknown = {
        name: found
        for fields in documents.values()
        for name, value in fields.items()
        if "." not in name and name not in NOT_FLAT and known.get(name) is None and (found := infer_kind(value))
    }
    ensure_mapped([dynamic_field(name, found) for name, found in unknown.items()])
    for doc_id, fields in documents.items():
        source = new_source(kind, doc_id, fields, user="test", now_ms=int(time.time() * 1000))
        lines += [{"index": {"_index": schema.alias_of(kind), "_id": doc_id}}, source]
    failed = [item for item in gateway().bulk(lines) if "error" in item["index"]]
    assert not failed, failed[:3]
    gateway().refresh(schema.document_aliases())
    # As every writer of ours does: whoever reads next sees it.
    pits.note_write(None)
    return list(documents)


def incidents(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Store incidents by id."""
    return put("incident", {doc_id: {**DEFAULTS, **fields} for doc_id, fields in documents.items()})


def group(result_id: str, members: Mapping[str, Mapping[str, Any]], **fields: Any) -> str:
    """Store an aggregation result and its incidents; return its id."""
    aggregation = fields.pop("incident_aggregation_id", "by-host")
    number = AggregationNumber.allocate(result_id)
    both = {"incident_aggregation_id": [aggregation], "incident_aggregation_result_id": [result_id]}
    incidents({doc_id: {**both, "group_numbers": [number], **member} for doc_id, member in members.items()})
    latest = max((str(member.get("@timestamp", at(0))) for member in members.values()), default=at(0))
    own = {
        **DEFAULTS,
        "@timestamp": latest,
        "incident_aggregation_id": aggregation,
        "incident_aggregation_result_id": result_id,
        "incidents_count": len(members),
        "group_number": number,
    }
    put("aggregation", {result_id: {**own, **fields}})
    return result_id


def at(seconds: float) -> str:
    """Return the moment so many seconds after `NOW` in ISO 8601."""
    from imweb.incidents.documents import iso

    return iso(int(NOW + seconds * 1000))


NOT_FLAT = frozenset({"group_number", "group_numbers", "rule", "entities", "event"})
DEFAULTS: dict[str, Any] = {
    "@timestamp": at(0),
    "title": "Suspicious logon",
    "severity": "medium",
    "status": "new",
    "workflow_id": "default",
}

"""Incidents and aggregation results as stored, and as they leave the application (CONTRACT: Documents)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from imweb.incidents.fields import INTERNAL, RESERVED_IDS

Json = dict[str, Any]
DocKind = Literal["incident", "aggregation"]
_BAD_ID = re.compile(r"[/\x00-\x1f\x7f-\x9f]")
MAX_ID_BYTES = 512
# What a list reads of each document; raw events and bookkeeping stay behind.
LIST_EXCLUDES = ["event", "touched", "pending", "op", "search_all"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document as callers see it: `source` without bookkeeping, the rest beside it."""

    id: str
    kind: DocKind
    index: str
    rev: int
    created_at: str | None
    updated_at: str | None
    updated_by: str | None
    source: Json
    key: str = ""
    sort: tuple[Any, ...] = ()
    fingerprint: str = ""
    group_number: int | None = None
    responded_at: str | None = None
    closed_at: str | None = None

    def as_json(self) -> Json:
        """Return the document in the API's shape: `_meta` first, then its fields."""
        meta = {
            "id": self.id,
            "type": self.kind,
            "index": self.index,
            "rev": self.rev,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "updated_by": self.updated_by,
        }
        return {"_meta": meta, **self.source}


def document(index: str, doc_id: str, source: Mapping[str, Any], sort: tuple[Any, ...] = ()) -> Document:
    """Return a stored source as a document; its kind stands in its key."""
    key = str(source.get("key", ""))
    kind: DocKind = "aggregation" if key.startswith("aggregation/") else "incident"
    return Document(
        id=doc_id,
        kind=kind,
        index=index,
        rev=int(source.get("rev", 0)),
        created_at=source.get("created_at"),
        updated_at=source.get("updated_at"),
        updated_by=source.get("updated_by"),
        source={name: value for name, value in source.items() if name not in INTERNAL},
        key=key,
        sort=sort,
        fingerprint=str(source.get("fingerprint", "")),
        group_number=source.get("group_number"),
        responded_at=source.get("responded_at"),
        closed_at=source.get("closed_at"),
    )


def key_of(kind: DocKind, doc_id: str) -> str:
    """Return the unique last sort key; the same id may be an incident's and an aggregation result's."""
    return f"{kind}/{doc_id}"


def new_id(kind: DocKind, seed: str | None = None) -> str:
    """Return a fresh id: `i` or `a`, then a UUID; the same for the same seed."""
    return f"{kind[0]}{uuid.uuid4() if seed is None else uuid.uuid5(uuid.NAMESPACE_OID, seed)}"


def id_fault(doc_id: str) -> str | None:
    """Return what is wrong with an id that a caller gave, None when it is good."""
    if not doc_id:
        return "an id has 1 to 512 bytes"
    if len(doc_id.encode(errors="surrogatepass")) > MAX_ID_BYTES:
        return f"an id has 1 to 512 bytes, this one has {len(doc_id.encode(errors='surrogatepass'))}"
    if _BAD_ID.search(doc_id):
        return "an id has neither '/' nor control characters"
    if any("\ud800" <= character <= "\udfff" for character in doc_id):
        return "an id is valid Unicode text"
    if doc_id in RESERVED_IDS:
        return f"'{doc_id}' is reserved; choose another id"
    return None


def iso(ms: int) -> str:
    """Return epoch milliseconds as ISO 8601 in UTC with milliseconds, as every stored date is written."""
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC)
    # `%Y` leaves the zeros out before the year 1000.
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def fingerprint_of(source: Mapping[str, Any]) -> str:
    """Return what makes two incidents "the same again": their rule and their first host; a group has several rules."""
    named = source.get("rule") or {}
    rule = _one(named.get("id")) or _one(named.get("name"))
    host = _one((source.get("entities") or {}).get("host"))
    return f"{rule}|{host}" if rule or host else ""


def _one(value: Any) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value
    return str(first or "")


def new_source(kind: DocKind, doc_id: str, body: Mapping[str, Any], *, user: str, now_ms: int) -> Json:
    """Return a new document's stored source: the fields given, the bookkeeping beside them, revision 1."""
    now = iso(now_ms)
    source: Json = {"@timestamp": now, **body}
    source |= {
        "key": key_of(kind, doc_id),
        "rev": 1,
        "touched": {},
        "pending": [],
        "has_pending": False,
        "deleted": False,
        "created_at": now,
        "updated_at": now,
        "updated_by": user,
    }
    if mark := fingerprint_of(source):
        source["fingerprint"] = mark
    return source

"""History: who changed what and when; entries are copied out of the documents that carry them, never lost between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, ImError, NotFound, ValidationFailed
from imweb.incidents import access
from imweb.incidents.documents import DocKind, key_of
from imweb.opensearch import Stored, gateway, schema

Json = dict[str, Any]
_CHUNK = 1_000
MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `edited` holds fieldName, oldValue and newValue of each field."""

    time: str
    object_id: str
    type: str
    user: str
    rev: int
    change: str
    comment: str | None
    edited: tuple[Json, ...]

    @property
    def cursor(self) -> str:
        """Return what `before` takes to go on after this entry."""
        return f"{self.time}/{self.rev}/{self.change}"

    def as_json(self) -> Json:
        """Return the entry in the API's shape."""
        found: Json = {"time": self.time, "objectId": self.object_id, "type": self.type, "user": self.user}
        if self.comment is not None:
            found["comment"] = self.comment
        if self.edited:
            found["edited"] = list(self.edited)
        return found


def entries(actor: Actor, kind: DocKind, doc_id: str, *, size: int = 1_000, before: str | None = None) -> list[Entry]:
    """Return an object's entries, newest first, those not copied yet included; raises `NotFound`."""
    actor.require(permissions.VIEW)
    stored = gateway().get(schema.alias_of(kind), doc_id)
    if stored is not None and not access.visible(actor, stored.source):
        raise NotFound("There is no incident or aggregation result with this id.")
    gateway().refresh(schema.history_alias())
    body: Json = {
        "size": min(size, MAX_ENTRIES),
        "query": {"bool": {"filter": [{"term": {"key": key_of(kind, doc_id)}}]}},
        "sort": [{"time": "desc"}, {"rev": "desc"}, {"change": "desc"}],
    }
    place = _place(before) if before else None
    if place:
        body["search_after"] = list(place)
    hits = gateway().search(body, index=schema.history_alias())["hits"]["hits"]
    found = {hit["_id"]: _entry(hit["_source"]) for hit in hits}
    for raw in (stored.source.get("pending") or ()) if stored else ():
        entry = _entry(raw)
        if place is None or _order(entry) < place:
            found.setdefault(entry.change, entry)
    if not found and stored is None:
        raise NotFound("There is no incident or aggregation result with this id.")
    return sorted(found.values(), key=_order, reverse=True)[:size]


def _order(entry: Entry) -> tuple[str, int, str]:
    return entry.time, entry.rev, entry.change


def _place(before: str) -> tuple[str, int, str]:
    parts = before.split("/")
    if len(parts) != 3 or not parts[1].isdecimal():
        raise ValidationFailed.of([Detail("before", "is no place in a history; take it from an earlier answer")])
    return parts[0], int(parts[1]), parts[2]


def _entry(raw: Json) -> Entry:
    return Entry(
        raw["time"],
        raw["objectId"],
        raw.get("type", "edit"),
        raw.get("user", ""),
        int(raw.get("rev", 0)),
        raw["change"],
        raw.get("comment"),
        tuple(raw.get("edited") or ()),
    )


def known(changes: Sequence[str]) -> set[str]:
    """Return which changes have their copy in the history, read in real time."""
    found: set[str] = set()
    for start in range(0, len(changes), _CHUNK):
        part = changes[start : start + _CHUNK]
        answers = gateway().mget([(schema.history_alias(), change) for change in part], source=["change"])
        found |= {change for change, answer in zip(part, answers, strict=True) if answer is not None}
    return found


def copy(pending: Iterable[Json]) -> set[str]:
    """Copy entries into the history, each once however often it is tried; return the changes that stand there now."""
    lines: list[Json] = []
    for entry in pending:
        lines += [{"create": {"_index": schema.history_alias(), "_id": entry["change"]}}, entry]
    done = set()
    for item in gateway().bulk(lines):
        # 409: an earlier try has copied it.
        if item["create"]["status"] in (201, 409):
            done.add(item["create"]["_id"])
    return done


def settle(written: Sequence[Stored]) -> None:
    """Copy what documents carry, then let them drop it; what cannot be done now is left to the sweep.

    Who changed a document meanwhile carries its entries on, and settles them himself.
    """
    carrying = [stored for stored in written if stored.source.get("has_pending") or stored.source.get("deleted")]
    try:
        copied = copy(entry for stored in carrying for entry in stored.source.get("pending") or ())
        lines: list[Json] = []
        for stored in carrying:
            rest = [entry for entry in stored.source.get("pending") or () if entry["change"] not in copied]
            if rest:
                continue
            action = {
                "_index": stored.index,
                "_id": stored.id,
                "if_seq_no": stored.seq_no,
                "if_primary_term": stored.primary_term,
            }
            if stored.source.get("deleted"):
                lines.append({"delete": action})
            else:
                lines += [{"index": action}, {**stored.source, "pending": [], "has_pending": False}]
        gateway().bulk(lines)
    except ImError:
        # The change stands, its entry with it; readers of the history see it there.
        return


def sweep(*, older_than: str = "now-10s", limit: int = 10_000) -> int:
    """Settle the documents that a dead process left carrying entries; return how many were found."""
    query = {
        "bool": {
            "should": [{"term": {"has_pending": True}}, {"term": {"deleted": True}}],
            "minimum_should_match": 1,
            "filter": [{"range": {"updated_at": {"lte": older_than}}}],
        }
    }
    seen = 0
    after: list[Any] | None = None
    while seen < limit:
        body: Json = {"size": 500, "query": query, "sort": [{"key": "asc"}], "_source": False}
        if after:
            body["search_after"] = after
        hits = gateway().search(body, index=schema.document_aliases())["hits"]["hits"]
        if not hits:
            break
        after = hits[-1]["sort"]
        seen += len(hits)
        settle([s for s in gateway().mget([(hit["_index"], hit["_id"]) for hit in hits]) if s is not None])
    return seen

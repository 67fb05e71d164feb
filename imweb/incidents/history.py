"""History: who changed what and when; entries are copied out of the documents that carry them, never lost between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, ImError, NotFound, ValidationFailed
from imweb.incidents import access, hiding
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
        raise _unknown()
    gateway().refresh(schema.history_alias())
    key, size = key_of(kind, doc_id), min(size, MAX_ENTRIES)
    pending = (stored.source.get("pending") or ()) if stored else ()
    if actor.rows is not None and stored is None and not _last_visible(actor, key):
        raise _unknown()
    ended = _ended(key) if actor.rows is not None and stored is not None else None
    place = _place(before) if before else None
    found: list[Entry] = []
    while len(found) < size:
        raws = _raw(key, pending, size, place)
        for raw in raws:
            # What stands before a deletion is another object's that had the same id.
            own = stored is not None and "access" not in raw and (ended is None or _order(_entry(raw)) > ended)
            if (own or access.entry_visible(actor, raw)) and (entry := _shown(actor, _entry(raw))):
                found.append(entry)
        if len(raws) < size:
            break
        place = _order(_entry(raws[-1]))
    if not found and stored is None:
        raise _unknown()
    return found[:size]


def _unknown() -> NotFound:
    return NotFound("There is no incident or aggregation result with this id.")


def _raw(key: str, pending: Iterable[Json], size: int, place: tuple[str, int, str] | None) -> list[Json]:
    """Return entries as they are stored, newest first, those in the document among them."""
    body: Json = {
        "size": size,
        "query": {"bool": {"filter": [{"term": {"key": key}}]}},
        "sort": [{"time": "desc"}, {"rev": "desc"}, {"change": "desc"}],
    }
    if place:
        body["search_after"] = list(place)
    hits = gateway().search(body, index=schema.history_alias())["hits"]["hits"]
    found: dict[str, Json] = {hit["_id"]: hit["_source"] for hit in hits}
    for raw in pending:
        if place is None or _order(_entry(raw)) < place:
            found.setdefault(raw["change"], raw)
    return sorted(found.values(), key=lambda raw: _order(_entry(raw)), reverse=True)[:size]


def _last_visible(actor: Actor, key: str) -> bool:
    """Return whether the actor could see what stood under a key when it was deleted: its last entry says so."""
    last = _raw(key, (), 1, None)
    return bool(last) and access.entry_visible(actor, last[0])


def _ended(key: str) -> tuple[str, int, str] | None:
    """Return the place of the last deletion under a key."""
    query = {"bool": {"filter": [{"term": {"key": key}}, {"term": {"type": "delete"}}]}}
    body: Json = {"size": 1, "query": query, "sort": [{"time": "desc"}, {"rev": "desc"}]}
    hits = gateway().search(body, index=schema.history_alias())["hits"]["hits"]
    return _order(_entry(hits[0]["_source"])) if hits else None


def _shown(actor: Actor, entry: Entry) -> Entry | None:
    """Return an entry without what is hidden from the actor, None when nothing is left of it."""
    if not actor.hidden:
        return entry
    comment = None if "comment" in actor.hidden else entry.comment
    edited = hiding.edits(entry.edited, actor.hidden)
    if (entry.edited or entry.comment is not None) and not edited and comment is None and entry.type != "create":
        return None
    return replace(entry, comment=comment, edited=edited)


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


def stored_entry(change: str) -> Json | None:
    """Return one entry as it was copied into the history, read in real time; who may see it is the caller's to ask."""
    found = gateway().get(schema.history_alias(), change)
    return found.source if found else None


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


def relieved(written: Sequence[Stored]) -> list[Stored]:
    """Copy what documents carry; return them as they may be written now, those whose entries stand without them."""
    try:
        copied = copy(entry for stored in written for entry in stored.source.get("pending") or ())
    except ImError:
        return list(written)
    return [
        replace(stored, source={**stored.source, "pending": [], "has_pending": False})
        if all(entry["change"] in copied for entry in stored.source.get("pending") or ())
        else stored
        for stored in written
    ]


def settle(written: Sequence[Stored]) -> None:
    """Copy what documents carry, then let them drop it; what cannot be done now is left to the sweep.

    Who changed a document meanwhile carries its entries on, and settles them himself.
    """
    carrying = [stored for stored in written if stored.source.get("has_pending") or stored.source.get("deleted")]
    try:
        lines: list[Json] = []
        for stored in relieved(carrying):
            if stored.source.get("pending"):
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
                lines += [{"index": action}, stored.source]
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

"""Writing, shipping and reading entries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.audit import origin
from imweb.audit.models import Waiting
from imweb.errors import ImError, ValidationFailed
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
KINDS: dict[str, Any] = {
    "sign_in": _("Signed in"),
    "sign_in_failed": _("Sign-in failed"),
    "locked_out": _("Locked out"),
    "sign_out": _("Signed out"),
    "refused": _("Refused"),
    "settings": _("Settings changed"),
    "token_used": _("Token used"),
    "export": _("Exported"),
    "bulk": _("Changed many"),
    "system": _("System action"),
}
BATCH = 500
MAX_PAGE = 1_000
MAX_DEPTH_TEXT = 4_000  # characters of values that the search looks into
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is read; `cursor` is what `before` takes to go on after it."""

    id: str
    at: str
    kind: str
    user: str
    address: str
    target: str
    outcome: str
    request: str
    old: Any
    new: Any
    details: Json
    cursor: str

    @property
    def label(self) -> str:
        """Return the kind in words."""
        return str(KINDS.get(self.kind, self.kind))

    @property
    def when(self) -> datetime:
        """Return the time, aware."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for; times are inclusive, None for no limit."""

    kind: str = ""
    user: str = ""
    text: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of entries, newest first, and how many there are in all."""

    entries: Sequence[Entry]
    total: int
    next: str | None


def record(
    kind: str,
    *,
    user: str = "",
    target: str = "",
    outcome: str = "ok",
    old: Any = None,
    new: Any = None,
    details: Json | None = None,
) -> None:
    """Keep an entry; it is part of the caller's transaction and reaches the index soon after."""
    come = origin.current()
    entry: Json = {
        "at": _stamp(timezone.now()),
        "kind": kind,
        "user": user[:256],
        "address": come.address,
        "request": come.request_id,
        "target": target[:1_000],
        "outcome": outcome,
    }
    entry |= {name: value for name, value in (("old", old), ("new", new), ("details", details)) if value is not None}
    Waiting.objects.create(entry=entry)


def ship() -> int:
    """Move waiting entries into the index; return how many. Raises what the gateway raises; a repeat is harmless."""
    moved = last = 0
    ready = False
    while rows := list(Waiting.objects.filter(pk__gt=last).order_by("pk")[:BATCH]):
        if not ready:
            ensure_index()
            ready = True
        last = rows[-1].pk
        lines: list[Json] = []
        for row in rows:
            lines += [{"create": {"_index": schema.audit_alias(), "_id": str(row.key), "require_alias": True}}]
            lines += [_document(row.entry) | {"id": str(row.key)}]
        done = []
        for row, item in zip(rows, gateway().bulk(lines), strict=True):
            answer = item["create"]
            # 409: an earlier try has written it.
            if answer["status"] in (201, 409):
                done.append(row.pk)
            else:
                log.error("audit_entry_refused", key=str(row.key), status=answer["status"], error=answer.get("error"))
        Waiting.objects.filter(pk__in=done).delete()
        moved += len(done)
    return moved


def ensure_index() -> bool:
    """Create the index behind its alias unless it is there; return whether it was created."""
    body = index_body(shards=1, replicas=settings.IM_INDEX_REPLICAS)
    return schema.ensure_index(schema.audit_alias(), body)


def index_body(*, shards: int, replicas: int) -> Json:
    """Return the body that creates the index of audit entries."""
    keyword: Json = {"type": "keyword", "ignore_above": 1_024}
    stored: Json = {"type": "object", "enabled": False}
    return {
        "settings": {"index.number_of_shards": shards, "index.number_of_replicas": replicas},
        "mappings": {
            "dynamic": "strict",
            "properties": {
                "at": {"type": "date"},
                "id": {"type": "keyword"},
                **dict.fromkeys(("kind", "user", "address", "request", "target", "outcome"), keyword),
                "text": {"type": "text", "norms": False},
                **dict.fromkeys(("old", "new", "details"), stored),
            },
        },
    }


def entries(actor: Actor, wanted: Wanted, *, size: int = 50, before: str | None = None) -> Found:
    """Return a page of entries, everything recorded before included.

    Raises `PermissionDenied`, `ValidationFailed` for a cursor that is none, and what the gateway raises.
    """
    actor.require(permissions.AUDIT)
    ship()
    gateway().refresh(schema.audit_alias())
    return _page(wanted, min(size, MAX_PAGE), before)


def every(actor: Actor, wanted: Wanted) -> Iterator[Entry]:
    """Yield all entries, newest first; raises like `entries`, before the first."""
    page = entries(actor, wanted, size=MAX_PAGE)
    return _rest(wanted, page)


def waiting() -> int:
    """Return how many entries OpenSearch has not acknowledged yet."""
    return Waiting.objects.count()


def _rest(wanted: Wanted, page: Found) -> Iterator[Entry]:
    while True:
        yield from page.entries
        if page.next is None:
            return
        page = _page(wanted, MAX_PAGE, page.next)


def _page(wanted: Wanted, size: int, before: str | None) -> Found:
    body: Json = {
        "size": size,
        "query": {"bool": {"filter": _clauses(wanted)}},
        "sort": [{"at": "desc"}, {"id": "desc"}],
        "track_total_hits": True,
    }
    if before:
        body["search_after"] = _place(before)
    answer = gateway().search(body, index=schema.audit_alias())["hits"]
    found = [_entry(hit) for hit in answer["hits"]]
    more = len(found) == size
    return Found(found, int(answer["total"]["value"]), found[-1].cursor if more else None)


def _clauses(wanted: Wanted) -> list[Json]:
    clauses: list[Json] = []
    if wanted.kind:
        clauses.append({"term": {"kind": wanted.kind}})
    if wanted.user:
        clauses.append({"term": {"user": {"value": wanted.user, "case_insensitive": True}}})
    if wanted.text:
        clauses.append({"match": {"text": {"query": wanted.text, "operator": "and"}}})
    span = {name: _stamp(at) for name, at in (("gte", wanted.start), ("lte", wanted.end)) if at}
    if span:
        clauses.append({"range": {"at": span}})
    return clauses


def _place(before: str) -> list[Any]:
    at, _slash, key = before.partition("/")
    if not at.isdecimal() or not key:
        raise ValidationFailed.field("before", "is no place in the trail; take it from an earlier page")
    return [int(at), key]


def _document(entry: Json) -> Json:
    values = json.dumps([entry.get(name) for name in ("old", "new", "details")], ensure_ascii=False)
    words = [entry["user"], entry["target"], entry["address"], entry["request"], values[:MAX_DEPTH_TEXT]]
    return {**entry, "text": " ".join(words)}


def _entry(hit: Json) -> Entry:
    source = hit["_source"]
    return Entry(
        id=hit["_id"],
        at=source["at"],
        kind=source["kind"],
        user=source["user"],
        address=source["address"],
        target=source["target"],
        outcome=source["outcome"],
        request=source["request"],
        old=source.get("old"),
        new=source.get("new"),
        details=source.get("details") or {},
        cursor=f"{hit['sort'][0]}/{hit['sort'][1]}",
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def try_ship() -> bool:
    """Ship what waits; return False when OpenSearch is not to be had just now."""
    try:
        ship()
    except ImError as error:
        log.warning("audit_waits", reason=error.reason, waiting=waiting())
        return False
    return True

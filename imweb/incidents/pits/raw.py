"""OpenSearch's own points in time: open, renew, close and count those over our indices."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

import structlog
from django.conf import settings

from imweb.errors import ImError
from imweb.incidents.pits import ledger
from imweb.opensearch import RawPit, gateway, schema

log = structlog.get_logger(__name__)


def keep_alive() -> str:
    """Return the keep-alive that every search within a point in time must send.

    Always the same text: it is part of the request cache's key.
    """
    return f"{settings.IM_PIT_KEEP_ALIVE_SECONDS}s"


def aliases(with_aggregations: bool) -> list[str]:
    """Return what a point in time of this kind covers."""
    return schema.document_aliases() if with_aggregations else [schema.incidents_alias()]


def refresh(with_aggregations: bool) -> None:
    """Make every acknowledged write visible to what is opened next."""
    gateway().refresh(aliases(with_aggregations))


def create(with_aggregations: bool) -> RawPit:
    """Open a point in time; raise `TooManyPits` at the cluster's limit."""
    return gateway().create_pit(aliases(with_aggregations), keep_alive())


def touch(raw_id: str) -> None:
    """Renew the keep-alive by the cheapest search there is; raise `PitExpired` when it is gone."""
    gateway().search(
        {
            "size": 0,
            "track_total_hits": False,
            "query": {"match_none": {}},
            "pit": {"id": raw_id, "keep_alive": keep_alive()},
        }
    )


def delete(raw_ids: list[str]) -> int:
    """Close raw ids; return how many were open."""
    return gateway().delete_pits(raw_ids)


def close(pits: Iterable[tuple[str, str]]) -> None:
    """Close (name, raw id) pairs that the ledger has marked; what fails stays marked, and the sweep tries again."""
    pairs = list(pits)
    if not pairs:
        return
    names = [name for name, _ in pairs]
    try:
        gateway().delete_pits([raw_id for _, raw_id in pairs])
    except ImError as error:
        log.warning("pit_close_failed", pits=names, error=error.reason)
        return
    log.info("pit_closed", pits=names)
    ledger.closed(names)


def contexts(raw_id: str) -> int:
    """Return how many contexts over our indices a raw id stands for, 0 for another application's.

    A raw id is base64 of a binary form that names each shard's index (seen in 2.19 to 3.8); it is read for counting
    only, never as a proof that a point in time is ours.
    """
    try:
        content = base64.urlsafe_b64decode(raw_id + "=" * (-len(raw_id) % 4))
    except (binascii.Error, ValueError):
        return 0
    names = "|".join(re.escape(alias) for alias in schema.document_aliases())
    found = re.finditer(rb"(?s)(.)((?:%s)-\d{6,})" % names.encode(), content)
    return sum(1 for match in found if match[1][0] == len(match[2]))


def listed() -> dict[str, int]:
    """Return the raw ids that the cluster holds open over our indices, with their contexts."""
    counted = ((str(pit["pit_id"]), contexts(str(pit["pit_id"]))) for pit in gateway().list_pits())
    return {raw_id: cost for raw_id, cost in counted if cost}

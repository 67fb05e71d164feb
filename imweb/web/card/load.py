"""Everything that a card shows, read through the services."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from imweb.accounts.models import User
from imweb.incidents import editing, history, insights, mitre
from imweb.incidents.documents import DocKind, Document
from imweb.incidents.results import Page
from imweb.incidents.services import get_document
from imweb.incidents.severities import severities
from imweb.web.card import content, events, timeline
from imweb.web.card.markdown import render
from imweb.web.listing import words
from imweb.web.listing.load import Frame
from imweb.web.listing.load import words as row_words
from imweb.web.listing.preferences import columns
from imweb.web.listing.rows import card_url, first, row
from imweb.web.listing.state import ListState
from imweb.workflows import RESOLUTIONS

Json = dict[str, Any]
ENTRIES = 100
SUGGESTED = 200


def older(here: Frame, kind: DocKind, doc_id: str, before: str = "") -> Json:
    """Return history entries, newest first, from a place on, and the place where those still older begin."""
    entries = history.entries(here.actor, kind, doc_id, size=ENTRIES + 1, before=before or None)
    shown = entries[:ENTRIES]
    lines = timeline.lines(shown, here.registry, words.value_labels())
    # A group's change may have gone on to its incidents: that is taken back in the dialog that made it.
    if kind == "incident" and shown and not before and editing.may_take_back(here.actor, shown[0]):
        lines[0] = replace(lines[0], undo=shown[0].change)
    return {
        "lines": lines,
        "older": shown[-1].cursor if len(entries) > ENTRIES else "",
    }


def card(here: Frame, kind: DocKind, doc_id: str, doc: Document | None = None, before: str = "") -> Json:
    """Return what the card's template is given, its history from the place `before` on; raises `NotFound`.

    A document just written need not be read again.
    """
    doc = doc if doc is not None and "event" in doc.source else get_document(here.actor, kind, doc_id)
    now_ms = time.time_ns() // 1_000_000
    labels = words.value_labels()
    shown = columns(here.preferences, here.registry, here.custom)
    month = ListState(path=reverse("incidents"), start=f"now-{insights.SEEN_DAYS}d", mode="incidents")
    known = row_words(here, Page([doc], None, None, None, 0, now_ms), shown, month)
    source = doc.source
    past = older(here, kind, doc_id, before)
    # What was imported or generated has no entry of its making.
    began = not past["older"] and (not past["lines"] or past["lines"][-1].kind != "create")
    came_in = parse_datetime(doc.created_at) if began and doc.created_at else None
    moves = content.steps(doc, here.actor)
    attack, unknown = content.attack(doc)
    related = content.related(doc, insights.related(here.actor, doc, now_ms)) if kind == "incident" else []
    shaped = content.type_of(doc)
    url = card_url(kind, doc_id)
    # Who does not see verdicts ends the work by a plain step.
    verdicts = "resolution" not in here.actor.hidden
    return {
        "doc": doc,
        "key": doc.key,
        "came_in": came_in,
        "url": url,
        "change_url": f"{url}change",
        "row": row(doc, known),
        "may_bulk": here.actor.may("incident.bulk"),
        "rights": content.rights(doc, here.actor),
        "me": here.actor.username,
        "reviewer": str(first(source.get("reviewer"))),
        "severity": str(first(source.get("severity"))),
        "severity_label": labels["severity"](str(first(source.get("severity")))),
        "levels": [(level.name, level.label) for level in severities()],
        "users": _users() if here.actor.may("incident.assign") else [],
        "hidden": here.actor.hidden,
        "moves": [step for step in moves if not (step.terminal and verdicts)],
        "ends": [step for step in moves if step.terminal and verdicts],
        "resolutions": RESOLUTIONS,
        "resolution": labels["resolution"](str(source["resolution"])) if source.get("resolution") else "",
        "resolution_note": str(source.get("resolution_note") or ""),
        "title": str(first(source.get("title"))),
        "description": str(first(source.get("description"))),
        "description_html": render(str(first(source.get("description")))),
        "at": content.moment(source.get("@timestamp")),
        "first_seen": content.moment(source.get("first_seen")),
        "entities": content.entities(doc),
        "attack": attack,
        "unknown": unknown,
        "attack_version": mitre.attack_version(),
        "techniques": sum(len(item.techniques) for item in attack),
        "parts": content.custom_parts(doc, here.custom, here.tz),
        "shaped": shaped,
        "shaped_url": content.list_url({"incident_type": shaped.name}) if shaped else "",
        "facts": content.facts(doc, here.registry, labels),
        "shared": content.group_facts(doc),
        "groups": content.groups_of(here.actor, doc),
        "generation": content.generation(doc),
        "event": source.get("event"),
        "leaves": events.leaves(source["event"]) if source.get("event") else [],
        "event_json": events.as_json(source["event"]) if source.get("event") else "",
        "before": content.before(doc, known.earlier.get(doc.key)),
        "related": related,
        "related_count": max((item["count"] for item in related), default=0),
        **past,
        "lines_before": before,
        "members": int(source.get("incidents_count") or 0) if kind == "aggregation" else 0,
    }


def _users() -> list[str]:
    return list(
        User.objects.filter(is_active=True, is_service=False)
        .order_by("username")
        .values_list("username", flat=True)[:SUGGESTED]
    )


def clashes(details: list[Any], here: Frame) -> list[Json]:
    """Return a collision field by field: who, when, both values."""
    labels = words.value_labels()
    found = []
    for item in details:
        extra: Mapping[str, Any] = item.extra
        if "theirs" not in extra:
            continue
        known = here.registry.get(item.field)
        found.append(
            {
                "label": known.label if known else item.field,
                "user": extra.get("user", ""),
                "at": content.moment(extra.get("time")),
                "yours": timeline.shown(item.field, extra.get("yours"), labels),
                "theirs": timeline.shown(item.field, extra.get("theirs"), labels),
            }
        )
    return found

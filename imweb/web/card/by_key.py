"""A change made by key: the small form that asks for it, what was done in a few words, and the undo offered with it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.errors import ImError
from imweb.incidents.documents import DocKind, Document
from imweb.incidents.editing import Outcome
from imweb.incidents.results import Page
from imweb.web import text
from imweb.web.card import content, timeline
from imweb.web.listing import words
from imweb.web.listing.load import Frame
from imweb.web.listing.load import words as row_words
from imweb.web.listing.preferences import columns
from imweb.web.listing.rows import card_url, row
from imweb.web.listing.state import ListState
from imweb.web.page import toast_headers
from imweb.workflows import RESOLUTIONS

Json = dict[str, Any]
SHOWN_TITLE, SHOWN_CHANGE = 60, 200  # characters of a toast


@dataclass(frozen=True, slots=True)
class Tried:
    """A change that was asked for: what was wanted, the id it is remembered by, and what became of it."""

    wanted: Json
    change: str
    outcome: Outcome | None
    failure: Json | None = None
    status: int = 200


def context(here: Frame, doc: Document, list_url: str) -> Json:
    """Return what the small forms are given, and the row behind them as its list draws it."""
    now_ms = time.time_ns() // 1_000_000
    base = ListState.of(parse_qs(urlsplit(list_url).query), reverse("incidents"))
    shown = columns(here.preferences, here.registry, here.custom)
    known = row_words(here, Page([doc], None, None, None, 0, now_ms), shown, base)
    moves = content.steps(doc, here.actor)
    verdicts = "resolution" not in here.actor.hidden
    url = card_url(doc.kind, doc.id)
    return {
        "doc": doc,
        "key": doc.key,
        "url": url,
        "row": row(doc, known),
        "may_bulk": here.actor.may("incident.bulk"),
        "rights": content.rights(doc, here.actor),
        "hidden": here.actor.hidden,
        "moves": [step for step in moves if not (step.terminal and verdicts)],
        "ends": [step for step in moves if step.terminal and verdicts],
        "resolutions": RESOLUTIONS,
        "before": content.before(doc, known.earlier.get(doc.key)),
    }


def said(here: Frame, doc: Document, wanted: Json) -> str:
    """Return a change of a document in a few words."""
    title = text.clip(row_title(doc), SHOWN_TITLE)
    return text.plain(f"{title}: {in_words(here, wanted)}")


def taken_back(here: Frame, outcome: Outcome) -> str:
    """Return a change that was taken back in the words in which it was told."""
    title = text.clip(row_title(outcome.document), SHOWN_TITLE)
    if not outcome.undone:
        return text.plain(_("%(title)s: taken back") % {"title": title})
    words_for = in_words(here, outcome.undone, commented=_("comment"))
    return text.plain(_("%(title)s: %(change)s taken back") % {"title": title, "change": words_for})


def stays(here: Frame, error: ImError) -> str:
    """Return why a change is not taken back: who has changed which of its fields since, as people call them."""
    fields: dict[str, list[str]] = {}
    for detail in error.details:
        if user := detail.extra.get("user"):
            known = here.registry.get(detail.field)
            fields.setdefault(str(user), []).append(known.label if known else detail.field)
    if not fields:
        return error.reason
    sentences = [
        (
            _("You have changed %(fields)s again since; that stays.")
            if user == here.actor.username
            else _("%(user)s has changed %(fields)s again since; that stays.")
        )
        % {"user": user, "fields": ", ".join(names)}
        for user, names in fields.items()
    ]
    return text.plain(" ".join([*sentences, _("Nothing was taken back.")]))


def in_words(here: Frame, wanted: Mapping[str, Any], *, commented: str = "") -> str:
    """Return the fields of a change with their new values; a comment is `commented`."""
    labels = words.value_labels()
    parts = []
    for name, value in wanted.items():
        if name == "comment":
            parts.append(commented or _("commented"))
            continue
        known = here.registry.get(name)
        shown = timeline.shown(name, value, labels) or _("empty")
        parts.append(f"{known.label if known else name} → {shown}")
    return text.clip(", ".join(parts), SHOWN_CHANGE)


def row_title(doc: Document) -> str:
    """Return what a document is called in a message."""
    return str(doc.source.get("title") or (doc.source.get("rule") or {}).get("name") or doc.id)


def offer_undo(response: HttpResponse, here: Frame, kind: DocKind, doc_id: str, tried: Tried) -> None:
    """Say what was changed, with its undo; what spreads to a group's incidents is taken back in its own dialog."""
    outcome = tried.outcome
    if outcome is None or outcome.task or outcome.sync is not None:
        return
    title = text.plain(text.clip(row_title(outcome.document), SHOWN_TITLE))
    if outcome.result == "noop":
        headers = toast_headers("info", _("%(title)s: it was so already, nothing was changed.") % {"title": title})
    else:
        url = f"{card_url(kind, doc_id)}undo/{tried.change}"
        action = {"label": _("Undo"), "url": url, "key": outcome.document.key}
        headers = toast_headers("ok", said(here, outcome.document, tried.wanted), action=action)
    for name, value in headers.items():
        response[name] = value


def add_toast(response: HttpResponse, kind: str, message: str) -> HttpResponse:
    """Let a fragment also show a message; an event that it triggers already stays."""
    held = json.loads(response.get("HX-Trigger", "{}"))
    response["HX-Trigger"] = json.dumps(held | json.loads(toast_headers(kind, message)["HX-Trigger"]))
    return response

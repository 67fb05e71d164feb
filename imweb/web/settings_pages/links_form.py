"""Links out of cards as their settings page treats them: what a form says, and where it would lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imweb.configuration import store
from imweb.errors import ImError, ValidationFailed
from imweb.incidents.documents import document
from imweb.incidents.dsl import NOT_DELETED
from imweb.incidents.fields import CORE_FIELDS, ENTITIES
from imweb.incidents.links import ENTITY_LINKS, TOKENS, EntityLink, ways
from imweb.opensearch import gateway, schema
from imweb.web.card.content import moment
from imweb.web.listing.rows import listed
from imweb.web.settings_pages import touched
from imweb.web.settings_pages.base import KindSource, faults_of

Json = dict[str, Any]
SOURCE = KindSource(ENTITY_LINKS)
LABELS: dict[str, Promise | str] = {
    "title": gettext_lazy("Title"),
    "url": gettext_lazy("Address"),
    "entities": gettext_lazy("Stands at"),
    "minutes": gettext_lazy("Minutes around the event"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What saving would meet: faults, an example from the newest incident that has such an entity, and how many do."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    entity: str = ""
    value: str = ""
    url: str = ""
    incidents: int | None = 0
    # Whether what was typed is a link at all.
    known: bool = False


def choices() -> list[tuple[str, str]]:
    """Return the kinds of entity with their labels."""
    return [(name, CORE_FIELDS[f"entities.{name}"].label) for name in ENTITIES]


def tokens() -> list[str]:
    """Return what may stand in an address."""
    return [f"{{{name}}}" for name in TOKENS]


def blank() -> Json:
    """Return the values of a form for a new link."""
    return {"name": "", "title": "", "url": "", "entities": [], "minutes": "15"}


def posted(data: QueryDict, name: str | None) -> Json:
    """Return what a form says."""
    return {
        "name": name if name is not None else data.get("name", "").strip(),
        "title": data.get("title", "").strip(),
        "url": data.get("url", "").strip(),
        "entities": data.getlist("entity"),
        "minutes": data.get("minutes", "").strip(),
    }


def check(values: Json, *, new: bool) -> Check:
    """Return what saving would meet; nothing is written."""
    try:
        link = ENTITY_LINKS.parse(values)
    except ValidationFailed as error:
        # A form that is not filled yet need not be told so.
        return Check({name: found for name, found in faults_of(error).items() if values.get(name) or not new})
    others = [item.value for item in store.items(ENTITY_LINKS, fresh=True)]
    standing = [item for item in others if item.name != link.name]
    faults: dict[str, list[str]] = {}
    if new and len(standing) != len(others):
        faults["name"] = [_("there is a link of this name already")]
    for detail in ENTITY_LINKS.faults([*standing, link]):
        faults.setdefault(detail.field, []).append(detail.reason)
    return _example(link, faults)


def _example(link: EntityLink, faults: dict[str, list[str]]) -> Check:
    names = link.entities or tuple(ENTITIES)
    clause: Json = {"bool": {"should": [{"exists": {"field": f"entities.{name}"}} for name in names]}}
    body = {
        "size": 1,
        "query": {"bool": {"filter": [clause], "must_not": [NOT_DELETED]}},
        "sort": [{"@timestamp": "desc"}],
        "_source": ["entities", "@timestamp"],
    }
    try:
        hits = gateway().search(body, index=schema.incidents_alias())["hits"]["hits"]
    except ImError:
        return Check(faults, incidents=None, known=True)
    if not hits:
        return Check(faults, known=True)
    doc = document(hits[0]["_index"], hits[0]["_id"], hits[0]["_source"])
    held = doc.source.get("entities") or {}
    entity = next(name for name in names if listed(held.get(name)))
    value = listed(held[entity])[0]
    at = moment(doc.source.get("@timestamp"))
    found = ways(entity, value, doc.id, int(at.timestamp() * 1000) if at else 0, [link])
    return Check(faults, entity, value, found[0].url if found else "", touched.count(clause), known=True)


def matching_text(link: EntityLink) -> str:
    """Return what a search on the page looks through."""
    return " ".join((link.name, link.title, link.url, *link.entities))


def labels_of(links: Sequence[EntityLink]) -> dict[str, str]:
    """Return the labels of the kinds of entity that links name."""
    named = {name for link in links for name in link.entities}
    return {name: label for name, label in choices() if name in named}

"""A document as its card shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from imweb import workflows
from imweb.accounts import permissions as may
from imweb.accounts.actor import Actor
from imweb.accounts.incident_types import FIELD, IncidentType
from imweb.incidents import beginning, links, mitre, services
from imweb.incidents.access import access_fields
from imweb.incidents.documents import Document
from imweb.incidents.fields import CORE_FIELDS, FieldDef, Registry
from imweb.incidents.insights import SEEN_DAYS, Earlier
from imweb.incidents.models import CustomField
from imweb.web.card.events import Leaf, leaves, scalar
from imweb.web.card.markdown import render
from imweb.web.card.timeline import Labels, shown
from imweb.web.listing.rows import card_url, first, listed
from imweb.workflows import Transition, Workflow

Json = dict[str, Any]
SHOWN_ENTITIES = 10
NAMED_GROUPS = 20
_OWN_PLACE = frozenset(
    {"@timestamp", "title", "description", "severity", "status", "reviewer", "comment", "mitre", "first_seen"}
    | {"incidents_count", "rule.id"}
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A field with its value, and how it is edited: `type` is empty where it is not."""

    name: str
    label: str
    text: str
    type: str = ""
    values: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    placeholder: str = ""
    html: SafeString | str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class EntityValue:
    """A value, the list of incidents that share it, and the ways out of the card."""

    value: str
    list_url: str
    ways: list[links.Way]


@dataclass(frozen=True, slots=True)
class Entity:
    """The values of one kind of entity."""

    label: str
    values: list[EntityValue]
    more: int


@dataclass(frozen=True, slots=True)
class Attack:
    """A tactic and the techniques under it."""

    tactic: str
    url: str
    techniques: list[mitre.Technique]


@dataclass(frozen=True, slots=True)
class Step:
    """A status that may come next; `required` must come with it."""

    target: str
    label: str
    title: str
    terminal: bool
    required: tuple[str, ...]


def workflow_for(doc: Document) -> Workflow:
    """Return the workflow that a document follows."""
    return workflows.get_workflow(doc.source.get("workflow_id")) or workflows.default_workflow()


def steps(doc: Document, actor: Actor) -> list[Step]:
    """Return the steps that this actor may make from the document's status."""
    workflow = workflow_for(doc)
    found = workflow.steps_from(str(first(doc.source.get("status"))), actor.permissions)
    return [_step(workflow, item) for item in found]


def _step(workflow: Workflow, item: Transition) -> Step:
    status = workflow.status(item.target)
    title = status.title if status else item.target
    verb = item.name or ("Start" if (item.source, item.target) == ("new", "in_progress") else title)
    return Step(item.target, verb, title, bool(status and status.terminal), item.required)


def entities(doc: Document) -> list[Entity]:
    """Return the entities in the registry's order."""
    stored = doc.source.get("entities") or {}
    at = moment(doc.source.get("@timestamp"))
    at_ms = int(at.timestamp() * 1000) if at else 0
    found = []
    for name, field in CORE_FIELDS.items():
        folder, _dot, part = name.partition(".")
        values = listed(stored.get(part)) if folder == "entities" else []
        if values:
            firsts = [
                EntityValue(value, list_url({name: value}), links.ways(part, value, doc.id, at_ms))
                for value in values[:SHOWN_ENTITIES]
            ]
            found.append(Entity(field.label, firsts, max(0, len(values) - SHOWN_ENTITIES)))
    return found


def list_url(filters: Mapping[str, str | list[str]]) -> str:
    """Return the list of the last 30 days' incidents under filters by field."""
    pairs: list[tuple[str, str]] = [("start", f"now-{SEEN_DAYS}d"), ("mode", "incidents")]
    for name, values in filters.items():
        pairs += [(name, value) for value in ([values] if isinstance(values, str) else values)]
    return f"/incidents/?{urlencode(pairs)}"


def attack(doc: Document) -> tuple[list[Attack], tuple[str, ...]]:
    """Return the tactics with their techniques, and the ids that ATT&CK does not know."""
    view = mitre.lookup(listed(doc.source.get("mitre")))
    found = [
        Attack(tactic.name, tactic.url, [item for item in view.techniques if tactic.id in item.tactics])
        for tactic in view.tactics
    ]
    placed = {item.id for row in found for item in row.techniques}
    rest = [item for item in view.techniques if item.id not in placed]
    if rest:
        found.append(Attack("", "", rest))
    return found, view.unknown


def facts(doc: Document, registry: Registry, labels: Labels) -> list[Fact]:
    """Return the core fields that have no place of their own, and those that callers brought along."""
    found = []
    # A type that somebody shaped stands above.
    placed = _OWN_PLACE | {FIELD} if type_of(doc) else _OWN_PLACE
    for name, field in registry.fields.items():
        if name in placed or name.startswith("entities.") or field.custom_type:
            continue
        value: Any = doc.source
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value not in (None, "", []):
            url = card_url("incident", str(first(value))) if name == "duplicate_of" else ""
            found.append(Fact(name, field.label or name, _words(field, value, labels), url=url))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """Fields that stand together on a card; `heading` is the title of the type that asks for them, if one does."""

    heading: str
    facts: list[Fact]


def type_of(doc: Document) -> IncidentType | None:
    """Return the type of a document; a group of several types has none."""
    held = listed(doc.source.get(FIELD))
    return beginning.in_force().get(held[0]) if len(held) == 1 else None


def custom_parts(doc: Document, custom: Sequence[CustomField], tz: ZoneInfo) -> list[Part]:
    """Return the administrator's fields of the card: those of its type in their order, then others with a value.

    Without a type that names fields: all that are shown on cards.
    """
    kind = type_of(doc)
    known = {item.name: item for item in custom}
    own = [known[one.name] for one in kind.fields if one.name in known] if kind else []
    rest = [item for item in custom if item.on_card and item not in own]
    if kind and own:
        rest = [item for item in rest if doc.source.get(item.name) not in (None, "", [])]
    found = [Part(kind.title if kind else "", _custom_facts(doc, own, tz)), Part("", _custom_facts(doc, rest, tz))]
    return [part for part in found if part.facts]


def _custom_facts(doc: Document, custom: Sequence[CustomField], tz: ZoneInfo) -> list[Fact]:
    """Return fields with their way of being edited; access fields have none."""
    fixed = access_fields()
    found = [_custom_fact(doc.source.get(item.name), item, tz) for item in custom]
    return [replace(item, type="") if item.name in fixed else item for item in found]


def _custom_fact(value: Any, item: CustomField, tz: ZoneInfo) -> Fact:
    text, values = _written(value, item, tz)
    if not values:
        values = _written(item.default, item, tz)[1]
    # What stands there is offered too, or saving another field of the form would lose it.
    options = tuple(dict.fromkeys([*item.options, *values])) if item.options else ()
    kind = item.type if options or item.type not in ("select", "multiselect") else "text"
    html = render(text) if item.type == "markdown" and text else ""
    return Fact(item.name, item.label, text, kind, values, options, item.placeholder, html)


def _written(value: Any, item: CustomField, tz: ZoneInfo) -> tuple[str, tuple[str, ...]]:
    """Return a value as it is read, and as the form's control takes it."""
    values = tuple(scalar(v) if not isinstance(v, float) else f"{v + 0:g}" for v in _many(value))
    if item.type == "datetime" and values and (moment := parse_datetime(values[0])):
        local = moment.astimezone(tz) if moment.tzinfo else moment.replace(tzinfo=tz)
        return f"{local:%Y-%m-%d %H:%M}", (f"{local:%Y-%m-%dT%H:%M}",)
    return ", ".join(values), values


def _many(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _words(field: FieldDef, value: Any, labels: Labels) -> str:
    return shown(field.name, value, labels)


def group_facts(doc: Document) -> list[Leaf]:
    """Return what an aggregation result's incidents share, and what was computed over them."""
    found = []
    for name in ("comparison_fields", "function_fields", "additional_fields"):
        found += leaves(doc.source[name]) if doc.source.get(name) else []
    return found


def moment(value: Any) -> datetime | None:
    """Return a stored date."""
    try:
        return parse_datetime(str(first(value))) if value else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Group:
    """A group that an incident is part of; its title is its id where that is all that may be seen of it."""

    id: str
    title: str
    url: str


def groups_of(actor: Actor, doc: Document) -> list[Group]:
    """Return the groups of an incident; asks for the titles of the first ones alone."""
    ids = listed(doc.source.get("incident_aggregation_result_id")) if doc.kind == "incident" else []
    titles = services.group_titles(actor, ids[:NAMED_GROUPS]) if ids else {}
    return [Group(item, titles.get(item, item), card_url("aggregation", item)) for item in ids]


def generation(doc: Document) -> Json | None:
    """Return the groups before and after one, and how many incidents came since it was closed."""
    held = doc.source.get("generation") or {}
    ways = {name: card_url("aggregation", held[name]) for name in ("previous", "next") if held.get(name)}
    return {**ways, "since": held.get("since_closing")} if ways or held.get("since_closing") else None


def before(doc: Document, known: Sequence[Earlier] | None) -> Json | None:
    """Return what is known of the same rule on the same host and by the same user: how often, the verdicts, where."""
    if not known:
        return None
    parts = [_seen_part(doc, item) for item in known]
    top = next((item.verdict for item in known if item.verdict), None)
    return {
        "parts": parts,
        "top": top[0] if top else "",
        "top_label": workflows.RESOLUTIONS.get(top[0], top[0]).lower() if top else "",
    }


def _seen_part(doc: Document, earlier: Earlier) -> Json:
    rule = doc.source.get("rule") or {}
    filters: dict[str, str | list[str]] = {}
    for name, value in (("rule.name", rule.get("name")), ("rule.id", None if rule.get("name") else rule.get("id"))):
        if value:
            filters[name] = str(first(value))
    if value := first((doc.source.get("entities") or {}).get(earlier.by)):
        filters[f"entities.{earlier.by}"] = str(value)
    verdicts = sorted(earlier.resolutions.items(), key=lambda item: -item[1])
    return {
        "by": earlier.by,
        "count": earlier.count,
        "verdicts": [(workflows.RESOLUTIONS.get(name, name).lower(), count) for name, count in verdicts],
        "url": list_url(filters),
    }


def related(doc: Document, counts: dict[str, int]) -> list[Json]:
    """Return the ways to other incidents that share something, with their numbers."""
    names = {"host": "entities.host", "user": "entities.user", "rule": "rule.name"}
    found = []
    for name, count in counts.items():
        if not count:
            continue
        path = names.get(name, "incident_aggregation_result_id")
        value: Any = doc.source
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        found.append(
            {"name": name, "count": count, "values": listed(value)[:3], "url": list_url({path: listed(value)})}
        )
    return found


def rights(doc: Document, actor: Actor) -> Json:
    """Return what this actor may do with the card."""
    return {
        "comment": actor.may(may.COMMENT) and "comment" not in actor.hidden,
        "take": actor.may(may.ASSIGN_SELF) or actor.may(may.ASSIGN),
        "assign": actor.may(may.ASSIGN),
        "severity": actor.may(may.SEVERITY),
        "fields": actor.may(may.FIELDS),
        "transition": actor.may(may.TRANSITION),
        "delete": actor.may(may.DELETE) and doc.kind == "incident",
        "bulk": actor.may(may.BULK),
    }

"""Which rules tell of which events, and to whom: filters are searched, row access is checked for each recipient."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import HELD, User
from imweb.errors import ValidationFailed
from imweb.incidents import access, hiding
from imweb.incidents.dsl import NOT_DELETED
from imweb.notifications.events import Event
from imweb.notifications.rules import NotificationRule, clause_of
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CHUNK = 1_000
# What messages say of an object, and what decides who may see it.
SHOWN = ("title", "severity", "status", "reviewer", "@timestamp", "source", "rule", "incidents_count")
_ABOUT = {"status": "status", "assignment": "reviewer", "mention": "comment"}
_READ = ("key", "deleted", "partition", *SHOWN)


@dataclass(slots=True)
class People:
    """The users who may be told anything, with what each may see."""

    users: dict[str, User]
    names: dict[str, str] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    @classmethod
    def load(cls) -> People:
        """Return the users who may sign in."""
        users = {user.username: user for user in User.objects.filter(is_active=True).prefetch_related(*HELD)}
        return cls(users, {name.lower(): name for name in users})

    def actor(self, name: str) -> Actor:
        """Return what a user may do and see."""
        if name not in self.actors:
            self.actors[name] = actor_of(self.users[name])
        return self.actors[name]

    def of_rule(self, rule: NotificationRule, event: Event, source: Json) -> Iterator[str]:
        """Yield the names of those whom a rule tells of an event; nobody is told what he did himself."""
        wanted = set(rule.users)
        if rule.roles:
            wanted |= {n for n, u in self.users.items() if any(role.name in rule.roles for role in u.held_roles())}
        concerned = _concerned(event, source, set(rule.events)) if rule.concerned else set()
        own = event.is_edit or "mention" in event.kinds
        for name in sorted(wanted | concerned):
            if name in self.users and not (name == event.user and (own or name in concerned)):
                yield name


@dataclass(frozen=True, slots=True)
class Match:
    """An event that a rule tells; `user` is the recipient, None for a webhook, `access` the object's access fields."""

    rule: NotificationRule
    event: Event
    user: User | None
    data: Json
    access: Json


def matches(rules: Sequence[NotificationRule], events: Sequence[Event], people: People) -> list[Match]:
    """Return what is to be told to whom, in the order of the events."""
    wanted = [(rule, [event for event in events if event.kinds & set(rule.events)]) for rule in rules]
    passed = [(rule, passing(rule, found)) for rule, found in wanted if found]
    keys = {event.key for _rule, found in passed for event in found}
    sources = read(keys)
    declared = access.access_fields()
    return [
        match
        for rule, found in passed
        for event in found
        if (source := sources.get(event.key)) is not None
        for match in _told(rule, event, source, people, declared)
    ]


def passing(rule: NotificationRule, events: Sequence[Event]) -> list[Event]:
    """Return the events whose object matches the rule's filter, as it stands now; the indices are refreshed already."""
    try:
        clause = clause_of(rule)
    except ValidationFailed as error:
        # Its page says so; what it would have told cannot be known.
        log.warning("the notification rule %s cannot be read: %s", rule.name, error.reason)
        return []
    if clause is None:
        return list(events)
    found = _matching({event.key for event in events}, clause)
    return [event for event in events if event.key in found]


def read(keys: Collection[str]) -> dict[str, Json]:
    """Return what stands of objects in real time, by their keys; deleted ones are left out."""
    fields = [*_READ, *access.access_fields()]
    found: dict[str, Json] = {}
    for part in _parts(sorted(keys)):
        places = [(schema.alias_of(key.partition("/")[0]), key.partition("/")[2]) for key in part]
        for key, stored in zip(part, gateway().mget(places, source=fields), strict=True):
            if stored is not None and not stored.source.get("deleted"):
                found[key] = stored.source
    return found


def shown(source: Json, hidden: Collection[str]) -> Json:
    """Return what a message may say of an object."""
    return {name: value for name, value in hiding.shown(source, hidden).items() if name in SHOWN}


def said(data: Json, hidden: Collection[str]) -> Json | None:
    """Return an event without what is hidden from its reader, None when that is all there is to it."""
    if not hidden:
        return data
    found = {**data, "events": [kind for kind in data["events"] if _ABOUT.get(kind) not in hidden]}
    found["edited"] = list(hiding.edits(data.get("edited") or (), hidden))
    if "comment" in hidden:
        found.pop("comment", None)
    return found if found["events"] else None


def _told(
    rule: NotificationRule, event: Event, source: Json, people: People, declared: tuple[str, ...]
) -> Iterator[Match]:
    data = event.as_json(rule.events)
    if rule.channel == "webhook":
        yield Match(rule, event, None, {**data, "object": shown(source, ())}, {})
        return
    carried = access.carried(source, declared)
    for name in people.of_rule(rule, event, source):
        actor = people.actor(name)
        if access.visible(actor, source) and said(data, actor.hidden) is not None:
            yield Match(rule, event, people.users[name], data, carried)


def _concerned(event: Event, source: Json, kinds: set[Any]) -> set[str]:
    found = set(event.mentions) if "mention" in kinds else set()
    if "assignment" in event.kinds & kinds:
        # Who got it, and who had it before.
        for line in event.edited:
            if line.get("fieldName") == "reviewer":
                found |= {str(value) for value in (line.get("newValue"), line.get("oldValue")) if value}
    if event.kinds & kinds - {"assignment", "mention"} and source.get("reviewer"):
        found.add(str(source["reviewer"]))
    return found


def _matching(keys: Collection[str], clause: Json) -> set[str]:
    found: set[str] = set()
    for part in _parts(sorted(keys)):
        query = {"bool": {"filter": [{"terms": {"key": list(part)}}, clause], "must_not": [NOT_DELETED]}}
        body: Json = {"size": len(part), "query": query, "_source": ["key"], "track_total_hits": False}
        hits = gateway().search(body, index=schema.document_aliases())["hits"]["hits"]
        found |= {hit["_source"]["key"] for hit in hits}
    return found


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))

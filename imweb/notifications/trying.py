"""Looking at a rule before it acts: what it would have told of the last day, and a message that says it is a test."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from imweb.accounts.models import User
from imweb.incidents.documents import iso
from imweb.notifications import delivering
from imweb.notifications.events import CLAUSE, Event, event_of
from imweb.notifications.matching import People, passing
from imweb.notifications.models import Delivery, Line, Notice
from imweb.notifications.rules import NotificationRule
from imweb.notifications.webhook import Outcome
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
_PAGE = 1_000
LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class Preview:
    """How many of the last day's events a rule asks for, and how many of them it would have told.

    `partial` says that there were more than are looked at; the newest were.
    """

    asked: int
    told: int
    partial: bool = False


def preview(rule: NotificationRule) -> Preview:
    """Return what a rule would have told of the last day; raises what a search raises, `ValidationFailed` too."""
    from imweb.notifications.rules import clause_of

    clause_of(rule)
    people = People.load()
    body: Json = {
        "size": _PAGE,
        "query": {"bool": {"filter": [CLAUSE, {"range": {"time": {"gte": "now-1d"}}}]}},
        "sort": [{"time": "desc"}, {"change": "desc"}],
        "track_total_hits": False,
    }
    asked = told = seen = 0
    while True:
        hits = gateway().search(body, index=schema.history_alias())["hits"]["hits"]
        events = [event for hit in hits if (event := _asked(hit["_source"], rule, people))]
        asked += len(events)
        told += len(passing(rule, events))
        seen += len(hits)
        if len(hits) < _PAGE:
            return Preview(asked, told)
        if seen >= LOOKED_AT:
            return Preview(asked, told, partial=True)
        body["search_after"] = hits[-1]["sort"]


def send_test(rule: NotificationRule, user: User) -> Outcome:
    """Send a message that says it is a test, once and at once; e-mail and console tell `user` alone."""
    mark = uuid.uuid4().hex
    now = timezone.now()
    data: Json = {
        "change": mark,
        "events": list(rule.events[:1]),
        "time": iso(int(now.timestamp() * 1000)),
        "user": user.username,
        "key": "incident/test",
    }
    if rule.channel == "console":
        Notice.objects.create(user=user, mark=mark, rule=rule.name, data={**data, "test": rule.title}, access={})
        return Outcome(True)
    row = Delivery.objects.create(
        id=f"msg_{mark}",
        rule=rule.name,
        channel=rule.channel,
        user=user if rule.channel == "email" else None,
        count=1,
        is_test=True,
        next_attempt_at=now,
    )
    Line.objects.create(delivery=row, mark=mark, data=data)
    claim = delivering.claim_one(row)
    return delivering.send(claim) if claim else Outcome(False, "it is being sent already; look at the deliveries")


def _asked(entry: Json, rule: NotificationRule, people: People) -> Event | None:
    event = event_of(entry, people.names)
    return event if event and event.kinds & set(rule.events) else None

"""From the history to the outbox: entries are read by sequence number, rules say what is told.

What is to be told and how far was read are written in one transaction: a process that dies between the two has done
neither, and the next one reads the same entries again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.grouping import tail
from imweb.grouping.models import TailCheckpoint
from imweb.grouping.tail import Stretch
from imweb.notifications import outbox
from imweb.notifications.events import CLAUSE, Event, event_of
from imweb.notifications.matching import Match, People, matches
from imweb.notifications.rules import RULES, NotificationRule
from imweb.opensearch import gateway, schema

READER = "notifications"
# What happened longer ago helps nobody who hears of it now, as when a history is imported.
MAX_AGE = timedelta(days=7)
_PAGE = 500


def follow() -> int:
    """Read what is new in the history and put it into the outbox; return how many events were told."""
    begin()
    rules = [item.value for item in store.items(RULES, fresh=True) if item.value.enabled]
    told = 0
    for one in tail.ahead(READER, schema.history_alias()):
        if (stretch := one.claim()) is None:
            continue
        try:
            found = _told(stretch, rules) if rules else []
        except BaseException:
            stretch.leave()
            raise
        with transaction.atomic():
            # Where another process has taken over, it tells the same.
            if stretch.done():
                told += outbox.put(found)
    return told


def begin() -> None:
    """Have the first run begin with what happens from now on; a later version of the index is read from its start."""
    if TailCheckpoint.objects.filter(reader=READER).exists():
        return
    for index in gateway().alias_indices(schema.history_alias()):
        for shard, upto in gateway().global_checkpoints(index).items():
            TailCheckpoint.objects.get_or_create(reader=READER, index=index, shard=shard, defaults={"seq_no": upto})


def _told(stretch: Stretch, rules: list[NotificationRule]) -> list[Match]:
    people = People.load()
    oldest = timezone.now() - MAX_AGE
    recent: dict[str, Any] = {"range": {"time": {"gte": oldest.isoformat()}}}
    since = {rule.name: _since(rule) for rule in rules}
    found: list[Match] = []
    fresh = False
    for hits in stretch.pages([CLAUSE, recent], [], size=_PAGE):
        if not stretch.renew():
            return []
        events = [event for hit in hits if (event := event_of(hit["_source"], people.names))]
        if not events:
            continue
        if not fresh:
            # Filters search; what an entry tells of was written before the entry, so this is enough.
            gateway().refresh(schema.document_aliases())
            fresh = True
        found += [match for match in matches(rules, events, people) if _after(match.event, since[match.rule.name])]
    return found


def _since(rule: NotificationRule) -> datetime | None:
    """Return when a rule came to be: it does not tell of what was before."""
    made = Change.objects.filter(kind=RULES.name, name=rule.name, old__isnull=True).first()
    # Entries say their time in milliseconds: what happened in the very one is told rather than lost.
    return made.at.replace(microsecond=made.at.microsecond // 1_000 * 1_000) if made else None


def _after(event: Event, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(event.time) >= since

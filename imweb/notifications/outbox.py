"""Writing what is to be told: one message for each event, one for a digest, one for a bulk change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from imweb.notifications.matching import Match
from imweb.notifications.models import Delivery, Line, Notice
from imweb.notifications.rules import NotificationRule

# So many alike, by one user, are a bulk change and told as one.
BULK = 10
GATHERED = timedelta(seconds=60)
# What a message lists; a webhook's next one goes on there, an e-mail counts the rest.
LISTED = 100
_CHUNK = 400
DIGEST = "digest"


def put(found: Sequence[Match]) -> int:
    """Write what is told of events, each to each receiver once however often it is put; return how many were new.

    To be called in a transaction.
    """
    marked = {mark_of(match): match for match in found}
    for part in _parts(list(marked)):
        for model in (Line, Notice):
            for mark in model.objects.filter(mark__in=part).values_list("mark", flat=True):
                marked.pop(mark, None)
    groups: dict[tuple[str, int], dict[str, Match]] = {}
    for mark, match in marked.items():
        groups.setdefault((match.rule.name, match.user.pk if match.user else 0), {})[mark] = match
    for group in groups.values():
        _put_for_one(group)
    return len(marked)


def mark_of(match: Match) -> str:
    """Return what is the same whenever the same event is told to the same receiver by the same rule."""
    to = match.user.pk if match.user else ""
    return hashlib.sha256(f"{match.rule.name}/{to}/{match.event.change}".encode()).hexdigest()[:32]


def message_id(mark: str) -> str:
    """Return the id of the message that begins with an event."""
    return f"msg_{mark}"


def _put_for_one(group: dict[str, Match]) -> None:
    rule = next(iter(group.values())).rule
    if rule.digest_minutes:
        _gather(group, DIGEST, _digest_end(rule))
        return
    alike: dict[str, dict[str, Match]] = {}
    for mark, match in group.items():
        alike.setdefault(match.event.signature, {})[mark] = match
    single: dict[str, Match] = {}
    for signature, part in alike.items():
        first = next(iter(part.values()))
        # A program that listens wants each new incident, and at once.
        gathers = first.event.is_edit or rule.channel != "webhook"
        if gathers and (len(part) >= BULK or _open(first, signature) is not None):
            if rule.channel == "console":
                _notify_once(part)
            else:
                _gather(part, signature, timezone.now() + GATHERED)
        else:
            single |= part
    if rule.channel == "console":
        Notice.objects.bulk_create([_notice(mark, match) for mark, match in single.items()], batch_size=_CHUNK)
        return
    deliveries = [
        Delivery(id=message_id(mark), rule=rule.name, channel=rule.channel, user=match.user, count=1)
        for mark, match in single.items()
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=_CHUNK)
    Line.objects.bulk_create(
        [Line(delivery_id=message_id(mark), mark=mark, data=match.data) for mark, match in single.items()],
        batch_size=_CHUNK,
    )


def _gather(part: dict[str, Match], batch: str, due: datetime) -> None:
    """Add events to the message that gathers their like, or to a new one."""
    left = list(part.items())
    while left:
        mark, first = left[0]
        row = _open(first, batch)
        if row is None:
            row = Delivery.objects.create(
                id=message_id(mark),
                rule=first.rule.name,
                channel=first.rule.channel,
                user=first.user,
                batch=batch,
                next_attempt_at=due,
            )
        takes = len(left) if row.channel == "email" else max(LISTED - row.count, 0)
        lines = [
            Line(delivery=row, mark=m, data=match.data if row.count + n < LISTED else None)
            for n, (m, match) in enumerate(left[:takes])
        ]
        Line.objects.bulk_create(lines, batch_size=_CHUNK)
        row.count += len(lines)
        # A full one takes nothing more.
        row.batch = batch if row.channel == "email" or row.count < LISTED else ""
        row.save(update_fields=["count", "batch"])
        left = left[takes:]


def _open(match: Match, batch: str) -> Delivery | None:
    rows = Delivery.objects.select_for_update().filter(
        rule=match.rule.name,
        user=match.user,
        batch=batch,
        state=Delivery.WAITING,
        attempts=0,
        next_attempt_at__gt=timezone.now(),
    )
    return rows.first()


def _notify_once(part: dict[str, Match]) -> None:
    mark, first = next(iter(part.items()))
    notice = _notice(mark, first)
    notice.count = len(part)
    notice.save()


def _notice(mark: str, match: Match) -> Notice:
    # Only a webhook has no user, and it makes no notices.
    user_id = match.user.pk if match.user else 0
    return Notice(user_id=user_id, mark=mark, rule=match.rule.name, data=match.data, access=match.access)


def _digest_end(rule: NotificationRule) -> datetime:
    """Return the end of the span in which events are gathered, aligned to the clock."""
    width = rule.digest_minutes * 60
    now = timezone.now().timestamp()
    return datetime.fromtimestamp((now // width + 1) * width, tz=UTC)


def _parts(marks: Sequence[str]) -> Iterable[Sequence[str]]:
    return (marks[start : start + _CHUNK] for start in range(0, len(marks), _CHUNK))

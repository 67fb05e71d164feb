"""Sending what the outbox holds: a row is claimed, sent, and what became of it written down.

A process that dies between sending and writing leaves a claim that runs out; the message is then sent again under the
same id. The messages of one rule go one after the other, and the first that fails ends the run, so that a receiver
that hangs holds up one worker for one time-out and no more.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from imweb.configuration import store
from imweb.errors import ImError, NotFound
from imweb.notifications import mail, signing, webhook
from imweb.notifications.links import link_to
from imweb.notifications.models import Attempt, Delivery
from imweb.notifications.retrying import pause
from imweb.notifications.rules import RULES, NotificationRule
from imweb.notifications.webhook import Outcome

Json = dict[str, Any]
RUN_SECONDS = 30.0
AGENT = "incident-manager"


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process alone sends, until the claim runs out."""

    delivery: Delivery
    attempt: Attempt


def due() -> list[str]:
    """Return the names of the rules that have something to send now and nobody who sends it."""
    now = timezone.now()
    waiting = Delivery.objects.filter(state__in=Delivery.OPEN, next_attempt_at__lte=now)
    busy = Delivery.objects.filter(state=Delivery.SENDING, next_attempt_at__gt=now).values_list("rule", flat=True)
    return sorted(set(waiting.values_list("rule", flat=True).distinct()) - set(busy))


def run(rule: str, *, seconds: float = RUN_SECONDS) -> int:
    """Send what a rule has to send now; return how many were delivered."""
    deadline = time.monotonic() + seconds
    delivered = 0
    while time.monotonic() < deadline and rule in due() and (claim := claim_next(rule)) is not None:
        outcome = send(claim)
        if outcome.ok:
            delivered += 1
        elif not outcome.final:
            break
    return delivered


def claim_next(rule: str) -> Claim | None:
    """Claim the delivery of a rule that has waited longest, None when nothing is due."""
    now = timezone.now()
    rows = Delivery.objects.filter(rule=rule, state__in=Delivery.OPEN, next_attempt_at__lte=now)
    for row in rows.order_by("next_attempt_at", "created_at")[:10]:
        if (claim := claim_one(row)) is not None:
            return claim
    return None


def claim_one(row: Delivery) -> Claim | None:
    """Claim a delivery as it was read, None when somebody else was faster or it has been tried too often."""
    now = timezone.now()
    as_read = Delivery.objects.filter(
        pk=row.pk, state=row.state, attempts=row.attempts, next_attempt_at=row.next_attempt_at
    )
    if row.attempts >= settings.IM_NOTIFY_ATTEMPTS:
        # Each try ended with its process.
        as_read.update(state=Delivery.DEAD, finished_at=now, reason="no try came to an end")
        return None
    until = now + timedelta(seconds=settings.IM_NOTIFY_TIMEOUT + 60)
    if not as_read.update(state=Delivery.SENDING, attempts=row.attempts + 1, next_attempt_at=until):
        return None
    row.refresh_from_db()
    return Claim(row, Attempt.objects.create(delivery=row, number=row.attempts, at=now))


def send(claim: Claim) -> Outcome:
    """Send a claimed delivery and write down what became of it."""
    started = time.monotonic()
    delivery = claim.delivery
    rule = _rule(delivery.rule)
    if rule is None or not (rule.enabled or delivery.is_test) or rule.channel != delivery.channel:
        outcome = Outcome(False, "the rule was removed, turned off or given another channel", final=True)
        _end(claim, Delivery.CANCELLED, outcome, started)
        return outcome
    try:
        outcome = _by_channel(delivery, rule)
    except ImError as error:
        # A mail asks OpenSearch who may see what.
        outcome = Outcome(False, error.reason)
    if outcome.ok:
        _end(claim, Delivery.DELIVERED, outcome, started)
    elif outcome == mail.NOBODY:
        _end(claim, Delivery.CANCELLED, outcome, started)
    elif outcome.final or delivery.is_test or delivery.attempts >= settings.IM_NOTIFY_ATTEMPTS:
        _end(claim, Delivery.DEAD, outcome, started)
    else:
        wait = timedelta(seconds=pause(delivery.attempts, outcome.asked))
        _record(claim, outcome, started, state=Delivery.WAITING, next_attempt_at=timezone.now() + wait)
    return outcome


def retry(delivery_id: str) -> Delivery:
    """Let a delivery that was given up or cancelled be tried anew, from its first try on; raises `NotFound`."""
    changed = Delivery.objects.filter(pk=delivery_id, state__in=(Delivery.DEAD, Delivery.CANCELLED)).update(
        state=Delivery.WAITING, attempts=0, next_attempt_at=timezone.now(), finished_at=None, batch=""
    )
    if not changed:
        raise NotFound("There is no delivery of this id that was given up.")
    return Delivery.objects.get(pk=delivery_id)


def body_of(delivery: Delivery) -> bytes:
    """Return what a webhook sends, the same at every try."""
    lines = [line.data for line in delivery.lines.all() if line.data is not None]
    payload: Json = {
        "id": delivery.pk,
        "rule": delivery.rule,
        "test": delivery.is_test,
        "created_at": delivery.created_at.isoformat(timespec="milliseconds"),
        "count": delivery.count,
        "events": [_said(line) for line in lines],
    }
    return json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()


def _said(data: Json) -> Json:
    kind, _slash, object_id = str(data.get("key", "")).partition("/")
    found = {name: value for name, value in data.items() if name not in ("key", "object")}
    return {**found, "object": {"id": object_id, "type": kind, "link": link_to(data["key"]), **data.get("object", {})}}


def _by_channel(delivery: Delivery, rule: NotificationRule) -> Outcome:
    if rule.channel == "email":
        return mail.send(delivery, rule)
    try:
        secret = signing.secret_of(rule.secret_env)
    except signing.NoSecret as error:
        return Outcome(False, str(error))
    body = body_of(delivery)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Accept": "*/*",
        **signing.headers(secret, delivery.pk, int(time.time()), body),
    }
    return webhook.post(
        rule.url,
        body,
        headers,
        timeout=settings.IM_NOTIFY_TIMEOUT,
        allowed=settings.IM_NOTIFY_PRIVATE,
        ca_certs=settings.IM_NOTIFY_CA_CERTS,
    )


def _rule(name: str) -> NotificationRule | None:
    return next((item.value for item in store.items(RULES) if item.value.name == name), None)


def _end(claim: Claim, state: str, outcome: Outcome, started: float) -> None:
    _record(claim, outcome, started, state=state, finished_at=timezone.now())


def _record(claim: Claim, outcome: Outcome, started: float, **fields: Any) -> None:
    """Write down what became of a try; nothing when the claim had run out and somebody else has taken over."""
    reason = outcome.reason[:500]
    Attempt.objects.filter(pk=claim.attempt.pk).update(
        reason=reason, status=outcome.status, took_ms=round((time.monotonic() - started) * 1000)
    )
    delivery = claim.delivery
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, state=Delivery.SENDING).update(
        reason=reason, **fields
    )

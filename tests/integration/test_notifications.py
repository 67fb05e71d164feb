"""Notifications: what is told to whom, sent again until it arrives, and never twice under another id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.grouping import tail
from imweb.incidents.documents import iso
from imweb.incidents.editing import create, update
from imweb.notifications import delivering, following, notices
from imweb.notifications.models import Delivery, Notice
from tests.integration.notified import SECRET, VARIABLE, Receiver, answer, deliver, follow, make_due, receiver, rule

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _afresh(indices: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, SECRET)
    settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.0/8"),)
    settings.IM_NOTIFY_TIMEOUT = 1
    store.forget()
    # What earlier tests left in the history is read already.
    following.begin()
    yield
    store.forget()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def boss(administrator: User) -> Actor:
    return actor_of(administrator)


def incident(actor: Actor, **fields: Any) -> str:
    """Create an incident and return its id."""
    return create(actor, None, {"title": "Suspicious logon", "severity": "high", **fields}).id


def test_a_status_change_is_posted_signed_once(boss: Actor, hook: Receiver) -> None:
    rule(channel="webhook", url=hook.url, filter="severity:>=high")
    loud, quiet = incident(boss), incident(boss, severity="low")
    for doc_id in (loud, quiet):
        update(boss, "incident", doc_id, {"status": "in_progress"})
    assert follow() == 1
    assert follow() == 0
    assert deliver() == 1
    assert deliver() == 0
    (got,) = hook.got
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(time.time() - int(got.headers["webhook-timestamp"])) < 5
    assert got.json["id"] == got.headers["webhook-id"] == Delivery.objects.get().pk
    (event,) = got.json["events"]
    assert event["events"] == ["status"]
    assert event["edited"] == [{"fieldName": "status", "oldValue": "new", "newValue": "in_progress"}]
    assert (event["object"]["id"], event["object"]["severity"], event["user"]) == (loud, "high", "admin")
    assert event["object"]["link"].endswith(f"/incidents/{loud}/")


def test_those_concerned_hear_of_assignments_and_mentions_in_the_console(
    boss: Actor, analyst: User, lead: User
) -> None:
    doc_id = incident(boss)
    update(boss, "incident", doc_id, {"reviewer": "analyst", "comment": "to @Lead, and ann@lead.example; @nobody."})
    assert follow() == 2
    (told,) = notices.listed(actor_of(analyst))[0]
    assert (told.data["events"], told.object_id) == (["assignment", "mention"], doc_id)
    assert notices.unread(actor_of(lead)) == 1
    assert notices.unread(boss) == 0
    notices.mark_read(actor_of(lead))
    assert notices.unread(actor_of(lead)) == 0

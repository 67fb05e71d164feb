"""Notifications: what is told to whom, sent again until it arrives, and never twice under another id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import Role, User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.grouping import tail
from imweb.grouping.models import TailCheckpoint
from imweb.incidents import access, history
from imweb.incidents.editing import create, update
from imweb.notifications import addresses, delivering, following, notices, tasks
from imweb.notifications.models import Delivery, Notice
from imweb.notifications.rules import RULES
from tests import services
from tests.integration.notified import (
    SECRET,
    VARIABLE,
    Receiver,
    answer,
    certify,
    deliver,
    follow,
    mailbox,
    make_due,
    receiver,
    rule,
)

Json = dict[str, Any]
pytestmark = [pytest.mark.django_db, pytest.mark.relational]


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


def test_what_fails_is_sent_again_later_and_later_under_one_id(boss: Actor, hook: Receiver) -> None:
    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    hook.behave = answer(500, b"out of order")
    for tried in range(1, 11):
        before = timezone.now()
        assert deliver() == 0
        row = Delivery.objects.get()
        assert (row.state, row.attempts, len(hook.got)) == ("waiting", tried, tried)
        whole = min(10.0 * 2 ** (tried - 1), 7_200)
        waits = (row.next_attempt_at - before).total_seconds()
        assert whole / 2 <= waits <= whole + 5
        # Before its time nothing is sent.
        assert deliver() == 0
        assert len(hook.got) == tried
        make_due()
    assert "500" in row.reason
    assert "out of order" in row.reason
    hook.behave = None
    assert deliver() == 1
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("delivered", 11)
    assert len({got.headers["webhook-id"] for got in hook.got}) == 1
    assert len({got.body for got in hook.got}) == 1
    assert [(t.number, t.status) for t in row.tries.all()] == [*((n, 500) for n in range(1, 11)), (11, 204)]


def test_what_is_given_up_can_be_tried_again(boss: Actor, hook: Receiver, settings: Any) -> None:
    settings.IM_NOTIFY_ATTEMPTS = 2
    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    hook.behave = answer(503, Retry_After="900")
    deliver()
    assert (Delivery.objects.get().next_attempt_at - timezone.now()).total_seconds() > 850
    make_due()
    deliver()
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("dead", 2)
    make_due()
    assert deliver() == 0
    hook.behave = None
    delivering.retry(row.pk)
    assert deliver() == 1
    assert {got.headers["webhook-id"] for got in hook.got} == {row.pk}


@pytest.mark.parametrize(("status", "state"), [(301, "dead"), (307, "dead"), (410, "dead"), (404, "waiting")])
def test_redirects_are_not_followed(boss: Actor, hook: Receiver, status: int, state: str) -> None:
    with receiver() as inner:
        rule(channel="webhook", url=hook.url)
        update(boss, "incident", incident(boss), {"status": "in_progress"})
        follow()
        hook.behave = answer(status, Location=inner.url)
        deliver()
        row = Delivery.objects.get()
        assert (row.state, len(hook.got), inner.got) == (state, 1, [])
        assert str(status) in row.reason


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"]
)
def test_private_addresses_get_nothing_unless_a_setting_allows_them(
    boss: Actor, hook: Receiver, settings: Any, host: str
) -> None:
    settings.IM_NOTIFY_PRIVATE = ()
    rule(channel="webhook", url=hook.url.replace("127.0.0.1", host))
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    assert deliver() == 0
    row = Delivery.objects.get()
    assert (row.state, hook.got) == ("dead", [])
    assert "IM_NOTIFY_PRIVATE" in row.reason


def test_the_address_that_was_checked_is_the_one_connected_to(
    boss: Actor, hook: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers otherwise the second time leads nowhere: it is asked once."""
    asked: list[Any] = []
    port = hook.url.split(":")[2].split("/")[0]

    def answers(host: str, *_args: Any, **_options: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        addresses.socket, "getaddrinfo", lambda h, *a, **o: answers(h) if h == "rebind.test" else real(h, *a, **o)
    )
    settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.1/32"),)
    rule(channel="webhook", url=f"http://rebind.test:{port}/hook")
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    assert deliver() == 1
    assert asked == ["rebind.test"]
    assert hook.got[0].headers["host"] == f"rebind.test:{port}"


def test_a_receiver_that_hangs_drips_or_floods_holds_nobody_up(boss: Actor, hook: Receiver) -> None:
    def drips(handler: Any) -> None:
        for _ in range(50):
            handler.wfile.write(b"H")
            time.sleep(0.1)

    def floods(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.0 500 no\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            handler.wfile.write(b"x" * 65_536)

    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    for behave, reason in ((lambda _h: time.sleep(5), "within"), (drips, "within"), (floods, "500")):
        hook.behave = behave
        make_due()
        started = time.monotonic()
        assert deliver() == 0
        assert time.monotonic() - started < 3
        row = Delivery.objects.get()
        assert row.state == "waiting"
        assert reason in row.reason
        assert len(row.reason) <= 500


def test_killed_between_sending_and_writing_it_down_it_is_sent_again_under_the_same_id(
    transactional_db: None, boss: Actor, hook: Receiver
) -> None:
    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    code = (
        "import os, django; django.setup()\n"
        "from imweb.notifications import delivering\n"
        "claim = delivering.claim_next('hook')\n"
        "rule = delivering._rule('hook')\n"
        "assert delivering._by_channel(claim.delivery, rule).ok\n"
        "os.kill(os.getpid(), 9)\n"
    )
    env = (
        os.environ
        | services.process_env()
        | {"DJANGO_SETTINGS_MODULE": "imweb.settings", "IM_NOTIFY_PRIVATE": "127.0.0.0/8"}
    )
    ended = subprocess.run([sys.executable, "-c", code], env=env, timeout=60, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert (Delivery.objects.get().state, len(hook.got)) == ("sending", 1)
    # Nobody takes over while the claim holds.
    assert deliver() == 0
    make_due()
    assert deliver() == 1
    assert hook.got[0].headers["webhook-id"] == hook.got[1].headers["webhook-id"]
    assert hook.got[0].body == hook.got[1].body


def test_a_history_that_is_read_again_tells_nothing_twice(boss: Actor, hook: Receiver) -> None:
    rule(channel="webhook", url=hook.url)
    rule("bell", users=["admin"], events=["new_incident"])
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    assert follow() == 2
    tail.forget(following.READER)
    assert follow() == 0
    assert (Delivery.objects.count(), Notice.objects.count()) == (1, 1)


def test_a_rule_does_not_tell_of_what_was_before_it(boss: Actor, hook: Receiver) -> None:
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    rule(channel="webhook", url=hook.url)
    assert follow() == 0


def test_a_bulk_change_is_told_as_one_after_a_minute(boss: Actor, hook: Receiver) -> None:
    rule(channel="webhook", url=hook.url)
    rule("bell")
    User.objects.create_user("lead").roles.set(Role.objects.filter(name="admin"))
    for _ in range(12):
        update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    row = Delivery.objects.get()
    assert row.count == 12
    assert 50 < (row.next_attempt_at - timezone.now()).total_seconds() <= 60
    assert Notice.objects.get().count == 12
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    follow()
    make_due()
    deliver()
    assert (hook.got[0].json["count"], len(hook.got[0].json["events"])) == (13, 13)


def test_rows_and_fields_hidden_from_a_user_are_not_told_to_him(boss: Actor) -> None:
    store.replace(access.ACCESS_FIELDS, [{"name": "source"}], by="admin")
    role = Role.objects.create(name="it", label="IT", permissions=[permissions.VIEW], row_filter="source:IT")
    role.hidden_fields = ["title"]
    role.save()
    User.objects.create_user("lead").roles.set([role])
    rule("bell", events=["new_incident"])
    mine, other = incident(boss, source="IT"), incident(boss, source="OT")
    follow()
    actor = actor_of(User.objects.get(username="lead"))
    assert [told.object_id for told in notices.listed(actor)[0]] == [mine]
    assert notices.unread(actor) == 1
    assert "title" not in notices.listed(actor)[0][0].about
    role.row_filter = "source:OT"
    role.save()
    actor = actor_of(User.objects.get(username="lead"))
    assert (notices.listed(actor)[0], notices.unread(actor)) == ([], 0)
    assert other not in str(Notice.objects.values_list("data", flat=True))


def test_a_mail_arrives_as_plain_text_with_hostile_titles_and_a_stable_id(
    boss: Actor, lead: User, settings: Any
) -> None:
    settings.IM_EMAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.IM_PUBLIC_URL = "https://soc.example"
    rule("mail", channel="email", events=["new_incident"])
    title = "x\r\nBcc: all@corp.example\r\n\r\n<script>alert(1)</script> \u202egnp.exe"
    doc_id = incident(boss, title=title)
    follow()
    with mailbox() as (port, got):
        settings.EMAIL_PORT = port
        assert deliver("mail") == 1
    (message,) = got
    assert message["To"] == "lead@example.test"
    assert message["Bcc"] is None
    assert message["Message-ID"] == f"<{Delivery.objects.get().pk}@localhost>"
    assert message.get_content_type() == "text/plain"
    assert message["Subject"].strip().startswith("[high] New incident: x Bcc: all@corp.example")
    text = message.get_content()
    assert f"https://soc.example/incidents/{doc_id}/" in text
    assert "⟨U+202E⟩gnp.exe" in text


def test_a_digest_gathers_what_its_recipient_may_see_when_it_is_sent(boss: Actor, lead: User, settings: Any) -> None:
    settings.IM_EMAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    rule("mail", channel="email", events=["new_incident"], digest_minutes=60)
    incident(boss, title="first")
    follow()
    incident(boss, title="second")
    follow()
    row = Delivery.objects.get()
    assert (row.count, row.next_attempt_at.minute, row.next_attempt_at.second) == (2, 0, 0)
    assert deliver("mail") == 0
    make_due()
    with mailbox() as (port, got):
        settings.EMAIL_PORT = port
        assert deliver("mail") == 1
    assert got[0]["Subject"] == "Mail: 2 events"
    assert "first" in got[0].get_content()
    assert "second" in got[0].get_content()
    incident(boss, title="third")
    follow()
    lead.roles.clear()
    make_due()
    assert deliver("mail") == 0
    assert Delivery.objects.exclude(pk=row.pk).get().state == "cancelled"


def test_a_real_worker_delivers(
    boss: Actor, hook: Receiver, celery_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IM_NOTIFY_PRIVATE", "127.0.0.0/8")
    celery_worker()
    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    tasks.follow.delay()
    services.until(lambda: bool(hook.got), 20)
    services.until(lambda: Delivery.objects.get().state == "delivered", 10)


def test_killed_between_reading_and_writing_nothing_is_lost_or_told_twice(
    transactional_db: None, boss: Actor, hook: Receiver
) -> None:
    rule(channel="webhook", url=hook.url)
    update(boss, "incident", incident(boss), {"status": "in_progress"})
    code = (
        "import os, django; django.setup()\n"
        "from imweb.notifications import following, outbox\n"
        "put = outbox.put\n"
        "def dies(found):\n"
        "    assert put(found) == 1\n"
        "    os.kill(os.getpid(), 9)\n"
        "outbox.put = dies\n"
        "following.follow()\n"
    )
    env = os.environ | services.process_env() | {"DJANGO_SETTINGS_MODULE": "imweb.settings"}
    ended = subprocess.run([sys.executable, "-c", code], env=env, timeout=60, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert Delivery.objects.count() == 0
    # The dead one's lease on the stretch runs out.
    TailCheckpoint.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert follow() == 1
    assert deliver() == 1
    assert len(hook.got) == 1


def test_a_receiver_is_known_by_its_certificate(boss: Actor, settings: Any, tmp_path: Path) -> None:
    authority = certify(tmp_path, "localhost")
    with receiver(tmp_path) as hook:
        rule(channel="webhook", url=hook.url.replace("127.0.0.1", "localhost"))
        update(boss, "incident", incident(boss), {"status": "in_progress"})
        follow()
        deliver()
        row = Delivery.objects.get()
        assert (row.state, hook.got) == ("waiting", [])
        assert "certificate" in row.reason
        settings.IM_NOTIFY_CA_CERTS = str(authority)
        # Of another name it is none, whatever address it stands at.
        rule(channel="webhook", url=hook.url)
        make_due()
        deliver()
        assert "certificate" in Delivery.objects.get().reason
        assert hook.got == []
        rule(channel="webhook", url=hook.url.replace("127.0.0.1", "localhost"))
        make_due()
        assert deliver() == 1
    assert len(hook.got) == 1


def test_what_happens_in_the_very_millisecond_of_a_new_rule_is_told(boss: Actor, hook: Receiver) -> None:
    rule(channel="webhook", url=hook.url)
    doc_id = incident(boss)
    update(boss, "incident", doc_id, {"status": "in_progress"})
    [entry] = [entry for entry in history.entries(boss, "incident", doc_id) if entry.type == "edit"]
    made = datetime.fromisoformat(entry.time) + timedelta(microseconds=900)
    Change.objects.filter(kind=RULES.name).update(at=made)
    assert follow() == 1

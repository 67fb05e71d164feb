"""A receiver of webhooks that fails in every way: what is sent, when it is tried again, and what the page shows.

The receivers are real servers on loopback, which a setting allows here. When the next try is due is read from the
outbox and that time is moved, so that nobody waits for it.
"""

from __future__ import annotations

import http.server
import re
import socket
import struct
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import User
from imweb.audit import trail
from imweb.audit.trail import Wanted
from imweb.configuration import store
from imweb.incidents.editing import create, update
from imweb.notifications import delivering, following
from imweb.notifications.models import Attempt, Delivery
from tests.integration.notified import SECRET, VARIABLE, Receiver, answer, deliver, follow, receiver, rule

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
SECONDS = 1
Behaviour = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _afresh(indices: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, SECRET)
    # This one address: every other of loopback is as forbidden as any private one.
    settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.1/32"),)
    settings.IM_NOTIFY_TIMEOUT = SECONDS
    store.forget()
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


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def tell(boss: Actor, url: str) -> str:
    """Make a rule and let happen what it tells; return the id of the message."""
    rule(channel="webhook", url=url)
    doc_id = create(boss, None, {"title": "Suspicious logon", "severity": "high"}).id
    update(boss, "incident", doc_id, {"status": "in_progress"})
    assert follow() == 1
    return Delivery.objects.get().pk


def pass_time() -> datetime:
    """Let the time come that the outbox waits for; return when it would have been."""
    row = Delivery.objects.get()
    due = row.next_attempt_at
    # Not a moment before: the task finds nothing to send.
    assert due > timezone.now()
    assert delivering.due() == []
    assert deliver() == 0
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    assert delivering.due() == ["hook"]
    return due


def page(client: Client, state: str = "") -> str:
    """Return the deliveries as a person reads them."""
    html = client.get(reverse("notification-deliveries"), {"state": state} if state else {}).content.decode()
    table = html[html.index("<table") : html.index("</table>")] if "<table" in html else ""
    return " ".join(re.sub(r"<[^>]+>", " ", table).split())


def retry(client: Client, delivery_id: str) -> None:
    """Press the button of a message that was given up."""
    html = client.get(reverse("notification-deliveries"), {"state": "dead"}).content.decode()
    assert f'name="id" value="{delivery_id}"' in html
    assert client.post(reverse("notification-retry"), {"id": delivery_id}).status_code == 302


def resets(handler: http.server.BaseHTTPRequestHandler) -> None:
    """End the connection as a process that is killed does: with a reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hangs(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Say nothing until the caller has gone."""
    handler.connection.recv(1)


def test_500_ten_times_then_given_up_then_tried_again_and_delivered(
    boss: Actor, client: Client, hook: Receiver, settings: Any, administrator: User
) -> None:
    settings.IM_NOTIFY_ATTEMPTS = 10
    hook.behave = answer(500, b"out of <order>")
    message = tell(boss, hook.url)
    pauses = []
    for number in range(1, 11):
        assert deliver() == 0
        tried = Attempt.objects.get(number=number)
        assert (tried.status, tried.reason) == (500, "500 Internal Server Error: out of <order>")
        if number < 10:
            pauses.append((pass_time() - tried.at).total_seconds())
    # 10 s, 20 s, 40 s … of which half is chance; the last of these is below the two hours' bound.
    for pause, whole in zip(pauses, [10 * 2**number for number in range(9)], strict=True):
        assert whole / 2 <= pause <= whole + SECONDS
    # What was sent: the same bytes under the same id, and nothing after it was given up.
    assert len(hook.got) == 10
    assert {got.headers["webhook-id"] for got in hook.got} == {message}
    assert len({got.body for got in hook.got}) == 1
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.finished_at is not None) == ("dead", 10, True)
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(days=1))
    assert deliver() == 0
    assert len(hook.got) == 10
    # What the page shows: given up, why, and every try with its time.
    shown = page(client, "dead")
    assert "given up" in shown
    assert "10 tries: 500 Internal Server Error: out of &lt;order&gt;" in shown
    for tried in Attempt.objects.all():
        assert f"{tried.at:%Y-%m-%d %H:%M:%S} 500 Internal Server Error" in shown
    assert "1 given up" in client.get(reverse("system")).content.decode()
    # The button: the same message, from its first try on.
    hook.behave = None
    retry(client, message)
    assert (Delivery.objects.get().state, Delivery.objects.get().attempts) == ("waiting", 0)
    assert deliver() == 1
    assert hook.got[-1].headers["webhook-id"] == message
    assert hook.got[-1].body == hook.got[0].body
    assert page(client, "dead") == ""
    shown = page(client, "delivered")
    assert "delivered 11 tries" in shown
    assert " 204 " in shown
    trail.ensure_index()
    (entry,) = trail.entries(actor_of(administrator), Wanted(kind="system")).entries
    assert (entry.user, entry.target, entry.details) == ("admin", f"delivery/{message}", {"action": "retry"})


@pytest.mark.parametrize(
    ("behave", "reason", "took"),
    [
        (resets, "no answer: ConnectionResetError", (0, 900)),
        (hangs, f"no answer within {SECONDS} seconds", (900, 2_500)),
    ],
    ids=["resets", "hangs"],
)
def test_no_answer_is_tried_again_later_and_the_page_says_when_and_why(
    boss: Actor, client: Client, hook: Receiver, behave: Behaviour, reason: str, took: tuple[int, int]
) -> None:
    hook.behave = behave
    message = tell(boss, hook.url)
    assert deliver() == 0
    row, tried = Delivery.objects.get(), Attempt.objects.get()
    assert (row.state, tried.status) == ("waiting", None)
    assert row.reason.startswith(reason)
    assert tried.took_ms is not None
    assert took[0] <= tried.took_ms <= took[1]
    assert 5 <= (row.next_attempt_at - tried.at).total_seconds() <= 10 + 2 * SECONDS
    shown = page(client, "waiting")
    assert f"waiting next at {row.next_attempt_at:%Y-%m-%d %H:%M:%S}" in shown
    assert reason in shown
    # The receiver got it, it only did not say so: what comes again has the id by which it knows a double.
    hook.behave = None
    pass_time()
    assert deliver() == 1
    assert [got.headers["webhook-id"] for got in hook.got] == [message, message]
    assert "delivered 2 tries" in page(client)


def test_a_receiver_that_is_not_there_is_tried_again(boss: Actor, client: Client, hook: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/hook"
    tell(boss, url)
    assert deliver() == 0
    assert "no answer: ConnectionRefusedError" in page(client, "waiting")
    assert hook.got == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_leads_nowhere(
    boss: Actor, client: Client, hook: Receiver, status: int
) -> None:
    with receiver(host="127.0.0.2") as inside:
        hook.behave = answer(status, Location=inside.url)
        message = tell(boss, hook.url)
        assert deliver() == 0
        assert (len(hook.got), inside.got) == (1, [])
        row = Delivery.objects.get()
        assert (row.state, row.attempts) == ("dead", 1)
        shown = page(client, "dead")
        assert "given up" in shown
        assert f"{status}: the receiver sends us elsewhere, and redirects are not followed" in shown
        hook.behave = None
        retry(client, message)
        assert deliver() == 1
        assert inside.got == []
    assert "delivered" in page(client, "delivered")


def test_the_private_address_itself_gets_nothing_until_a_setting_allows_it(
    boss: Actor, client: Client, settings: Any
) -> None:
    with receiver(host="127.0.0.2") as inside:
        message = tell(boss, inside.url)
        assert deliver() == 0
        assert inside.got == []
        assert "127.0.0.2 is not open to webhooks" in page(client, "dead")
        settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.2/32"),)
        retry(client, message)
        assert deliver() == 1
        assert inside.got[0].headers["webhook-id"] == message

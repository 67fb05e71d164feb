"""The pages of notifications over HTTP: who may open them, what they save and refuse, the bell, tests and retries."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents.editing import create, update
from imweb.notifications import following
from imweb.notifications.models import Delivery, Notice
from imweb.notifications.rules import RULES
from tests.integration.notified import SECRET, VARIABLE, answer, deliver, follow, receiver, rule

FORM: dict[str, Any] = {
    "name": "night-shift",
    "title": "Night shift",
    "enabled": "on",
    "filter": "severity:critical",
    "events": ["new_incident", "status"],
    "channel": "console",
    "users": "lead",
    "revision": "0",
}
HOOK = FORM | {"channel": "webhook", "url": "https://receiver.example/hook", "secret_env": VARIABLE}


@pytest.fixture(autouse=True)
def _afresh(indices: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, SECRET)
    settings.IM_NOTIFY_PRIVATE = (ip_network("127.0.0.0/8"),)
    settings.IM_NOTIFY_TIMEOUT = 1
    store.forget()
    following.begin()
    yield
    store.forget()


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


@pytest.mark.parametrize("url_name", ["settings-notifications", "settings-notification-new", "notification-deliveries"])
def test_only_an_administrator_opens_rules_and_deliveries(client: Client, lead: User, url_name: str) -> None:
    assert client.get(reverse(url_name)).status_code == 200
    other = Client()
    other.force_login(lead)
    assert other.get(reverse(url_name)).status_code == 403
    assert other.get(reverse("notices")).status_code == 200


def test_a_rule_is_defined_changed_tested_taken_back_and_removed(client: Client, lead: User) -> None:
    assert client.post(reverse("settings-notification-new"), FORM).status_code == 302
    page = client.get(reverse("settings-notifications")).content.decode()
    assert "Night shift" in page
    assert "Assignments and mentions" in page
    edit = reverse("settings-notification", args=["night-shift"])
    assert client.post(edit, FORM | {"title": "Day shift", "revision": "1"}).status_code == 302
    # Another administrator saved meanwhile.
    late = client.post(edit, FORM | {"title": "Late shift", "revision": "1"})
    assert late.status_code == 409
    assert "Day shift" in late.content.decode()
    client.post(reverse("settings-notification-test", args=["night-shift"]))
    assert "Day shift" in client.get(reverse("notices")).content.decode()
    last = client.get(reverse("settings-notifications")).context["last"]
    client.post(reverse("settings-notifications-undo"), {"change": last.pk})
    assert store.get(RULES, "night-shift", fresh=True).value.title == "Night shift"
    client.post(reverse("settings-notification-remove", args=["night-shift"]), {"revision": "3"})
    assert "night-shift" not in [item.value.name for item in store.items(RULES, fresh=True)]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("filter", "severty:critical", "did you mean"),
        ("events", [], "at least 1 item"),
        ("users", "nobody.here", "there is no user"),
        ("users", "", "name users or roles"),
        ("channel", "pigeon", "Input should be"),
        ("name", "Night Shift", "takes small letters, digits, _ and -"),
        ("digest_minutes", "x", ""),
    ],
)
def test_a_fault_is_named_and_nothing_is_saved(client: Client, lead: User, field: str, value: Any, reason: str) -> None:
    data = FORM | {field: value} | ({"channel": "email"} if field == "digest_minutes" else {})
    page = client.post(reverse("settings-notification-new"), data)
    assert page.status_code == 400
    assert reason in page.content.decode()
    assert field in page.context["form"].faults
    assert len(store.items(RULES, fresh=True)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://receiver.example/",
        "https://",
        "https://user:pw@receiver.example/",
        "https://receiver.example/\r\nX-Evil: 1",
        "https://receiver.example/a b",
        "https://receiver.example:99999/",
        "https://bücher.example/",
        "//receiver.example/",
        "https://[::1/",
    ],
)
def test_an_address_that_is_none_is_refused(client: Client, url: str) -> None:
    page = client.post(reverse("settings-notification-new"), HOOK | {"url": url})
    assert (page.status_code, list(page.context["form"].faults)) == (400, ["url"])


@pytest.mark.parametrize("name", ["", "IM_SECRET_KEY", "IM_NOTIFY_SECRET_", "IM_NOTIFY_SECRET_a"])
def test_a_secret_is_named_by_a_variable_of_its_own(client: Client, name: str) -> None:
    page = client.post(reverse("settings-notification-new"), HOOK | {"secret_env": name})
    assert (page.status_code, list(page.context["form"].faults)) == (400, ["secret_env"])


def test_the_preview_counts_the_last_day_and_points_at_a_fault(client: Client, administrator: User) -> None:
    boss = actor_of(administrator)
    for severity in ("critical", "low", "critical"):
        create(boss, None, {"title": "x", "severity": severity})
    follow()
    check = reverse("settings-notification-check")
    page = client.post(check, FORM)
    assert (page.context["check"].preview.told, page.context["check"].preview.asked) == (2, 3)
    page = client.post(check, FORM | {"filter": "severity:critical and ("})
    assert page.status_code == 200
    assert "im-caret" in page.content.decode()


def test_given_up_messages_are_shown_with_their_tries_and_tried_again(
    client: Client, administrator: User, settings: Any
) -> None:
    settings.IM_NOTIFY_ATTEMPTS = 1
    boss = actor_of(administrator)
    with receiver() as hook:
        hook.behave = answer(500, b"<b>out of order</b>")
        rule(channel="webhook", url=hook.url)
        doc_id = create(boss, None, {"title": "x", "severity": "low"}).id
        update(boss, "incident", doc_id, {"status": "in_progress"})
        follow()
        deliver()
        page = client.get(reverse("notification-deliveries") + "?state=dead").content.decode()
        assert "500 Internal Server Error: &lt;b&gt;out of order" in page
        assert "1 given up" in client.get(reverse("settings-notifications")).content.decode()
        hook.behave = None
        assert client.post(reverse("notification-retry"), {"id": Delivery.objects.get().pk}).status_code == 302
        assert deliver() == 1
    assert "delivered" in client.get(reverse("notification-deliveries")).content.decode()


def test_a_test_says_why_it_did_not_arrive(client: Client) -> None:
    with receiver() as hook:
        rule(channel="webhook", url=hook.url)
        client.post(reverse("settings-notification-test", args=["hook"]))
        assert hook.got[0].json["test"] is True
        hook.behave = answer(404)
        answered = client.post(reverse("settings-notification-test", args=["hook"]), follow=True)
        assert "404 Not Found" in answered.content.decode()
    states = sorted(Delivery.objects.values_list("state", flat=True))
    assert states == ["dead", "delivered"]


def test_the_bell_counts_and_hostile_texts_stay_text(client: Client, administrator: User, analyst: User) -> None:
    boss = actor_of(administrator)
    doc_id = create(boss, None, {"title": "<img src=x onerror=alert(1)>\u202e", "severity": "low"}).id
    update(boss, "incident", doc_id, {"reviewer": "analyst", "comment": "@analyst <script>alert(2)</script>"})
    follow()
    other = Client()
    other.force_login(analyst)
    page = other.get(reverse("notices")).content.decode()
    assert "Notifications, 1 unread" in page
    assert "&lt;img src=x" in page
    assert "<script>alert" not in page
    assert "U+202E" in page
    other.post(reverse("notices-read"), {"id": Notice.objects.get().pk})
    assert "1 unread" not in other.get(reverse("notices")).content.decode()
    # Another's notice is not his to mark.
    Notice.objects.update(read_at=None)
    client.post(reverse("notices-read"), {"id": Notice.objects.get().pk})
    assert Notice.objects.get().read_at is None
    assert other.get(reverse("notices") + "?before=x").status_code == 400

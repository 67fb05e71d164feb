"""Signing in: too many failures wait, sessions end when idle, old or told to, and a stolen cookie dies with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import ApiToken, User
from imweb.accounts.sessions import BEGUN, SEEN
from imweb.audit.models import Waiting
from tests.api_client import api_for

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
PASSWORD = "analyst-password"
HOME = "192.0.2.1"


@pytest.fixture(autouse=True)
def few_failures(settings: Any) -> None:
    """Three failures are enough."""
    settings.AXES_FAILURE_LIMIT = 3


def attempt(password: str, *, username: str = "analyst", address: str = HOME) -> Any:
    return Client().post(reverse("login"), {"username": username, "password": password}, REMOTE_ADDR=address)


def signed_in(password: str = PASSWORD) -> Client:
    client = Client()
    assert client.post(reverse("login"), {"username": "analyst", "password": password}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return bool(client.get(reverse("help")).status_code == 200)


def age(client: Client, **seconds: int) -> None:
    """Make a session look as if it had begun, or been used, so long ago."""
    session = client.session
    for name, value in seconds.items():
        session[{"begun": BEGUN, "seen": SEEN}[name]] -= value
    session.save()


class TestTooManyFailures:
    """django-axes counts by user name and by address."""

    def test_a_user_has_to_wait_wherever_he_comes_from(self, analyst: User) -> None:
        for number in range(3):
            attempt("wrong", address=f"192.0.2.{number + 10}")
        answer = attempt(PASSWORD)
        assert answer.status_code == 429
        assert answer["Retry-After"] == "900"
        assert "Try again in 15 minutes" in answer.content.decode()

    def test_an_address_has_to_wait_whomever_it_names(self, analyst: User) -> None:
        for number in range(3):
            attempt("wrong", username=f"guess{number}")
        assert attempt(PASSWORD).status_code == 429
        assert attempt(PASSWORD, address="192.0.2.99").status_code == 302

    def test_a_claimed_address_counts_for_nothing(self, analyst: User) -> None:
        for number in range(4):
            answer = Client().post(
                reverse("login"),
                {"username": f"guess{number}", "password": "x"},
                REMOTE_ADDR=HOME,
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
        assert answer.status_code == 429

    def test_behind_our_proxy_the_address_that_it_appended_counts(self, analyst: User, settings: Any) -> None:
        settings.IM_BEHIND_PROXY = True
        for number in range(4):
            answer = Client().post(
                reverse("login"),
                {"username": f"guess{number}", "password": "x"},
                REMOTE_ADDR="127.0.0.1",
                headers={"X-Forwarded-For": f"203.0.113.9, 198.51.100.{number}"},
            )
        assert answer.status_code == 200

    def test_after_the_wait_he_gets_in(self, analyst: User) -> None:
        for _ in range(3):
            attempt("wrong")
        for row in AccessAttempt.objects.all():
            row.attempt_time -= timedelta(minutes=16)
            row.save()
        assert attempt(PASSWORD).status_code == 302

    def test_success_forgets_the_failures_before_it(self, analyst: User) -> None:
        for _ in range(3):
            attempt("wrong")
            attempt("wrong")
            assert attempt(PASSWORD).status_code == 302

    def test_who_is_signed_in_stays(self, analyst: User) -> None:
        client = signed_in()
        for _ in range(5):
            attempt("wrong")
        assert is_in(client)

    def test_it_stands_in_the_audit_trail(self, analyst: User) -> None:
        for _ in range(4):
            attempt("wrong")
        kinds = [(row.entry["kind"], row.entry["user"], row.entry["address"]) for row in Waiting.objects.all()]
        assert kinds.count(("sign_in_failed", "analyst", HOME)) >= 3
        assert ("locked_out", "analyst", HOME) in kinds

    def test_a_token_is_not_touched(self, indices: None, analyst: User) -> None:
        for _ in range(5):
            attempt("wrong")
        api_for(analyst).call("GET", "incidents_full_types", {}).ok()


class TestSessions:
    """A session is one browser's, for a while."""

    def test_signing_in_gives_a_new_key(self, analyst: User) -> None:
        client = Client()
        client.get(reverse("login"))
        session = client.session
        session["planted"] = "1"
        session.save()
        before = session.session_key
        client.post(reverse("login"), {"username": "analyst", "password": PASSWORD})
        assert client.session.session_key != before
        assert not Client(cookies={}).session.get("planted")

    def test_it_ends_when_it_is_too_old_however_much_it_is_used(self, analyst: User, settings: Any) -> None:
        client = signed_in()
        assert is_in(client)
        age(client, begun=settings.IM_SESSION_HOURS * 3600 + 1)
        assert not is_in(client)

    def test_use_extends_it_and_a_page_that_refreshes_itself_does_not(self, indices: None, analyst: User) -> None:
        client = signed_in()
        is_in(client)
        age(client, seen=100)
        seen = client.session[SEEN]
        client.get(reverse("list-news"))
        assert client.session[SEEN] == seen
        is_in(client)
        assert client.session[SEEN] > seen

    def test_idle_it_ends(self, analyst: User, settings: Any) -> None:
        client = signed_in()
        assert is_in(client)
        assert client.session.get_expiry_age() == settings.SESSION_COOKIE_AGE == 720 * 60
        session = client.session
        session.set_expiry(-1)
        session.save()
        assert not is_in(client)

    def test_signing_out_everywhere_kills_a_stolen_cookie(self, analyst: User) -> None:
        client, thief = signed_in(), Client()
        thief.cookies = client.cookies.copy()
        other = signed_in()
        assert is_in(thief)
        assert other.post(reverse("security"), {"do": "everywhere"}).status_code == 302
        assert is_in(other)
        assert not is_in(thief)
        assert not is_in(client)

    def test_an_administrator_signs_somebody_out_everywhere(self, analyst: User, administrator: User) -> None:
        client, admin = signed_in(), Client()
        admin.force_login(administrator)
        admin.post(reverse("settings-user", args=["analyst"]), {"sessions": "1"})
        assert not is_in(client)
        assert signed_in()
        assert ApiToken.objects.filter(revoked_at__isnull=False).count() == 0

    def test_a_new_password_ends_the_other_sessions(self, analyst: User) -> None:
        client, other = signed_in(), signed_in()
        new = "kestrel-orbit-lantern-9"
        sent = {"do": "password", "old_password": PASSWORD, "new_password1": new, "new_password2": new}
        assert client.post(reverse("security"), sent).status_code == 302
        assert is_in(client)
        assert not is_in(other)
        assert signed_in(new)

    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({"old_password": "wrong"}, "old password was entered incorrectly"),
            ({"new_password2": "other-kestrel-orbit-1"}, "didn’t match"),
            ({"new_password1": "short", "new_password2": "short"}, "at least 12 characters"),
            ({"new_password1": "123456789012", "new_password2": "123456789012"}, "entirely numeric"),
            ({"new_password1": "analyst@example.te", "new_password2": "analyst@example.te"}, "too similar"),
        ],
    )
    def test_a_password_that_will_not_do_is_said_beside_its_field(
        self, analyst: User, sent: dict[str, str], said: str
    ) -> None:
        client = signed_in()
        good = "kestrel-orbit-lantern-9"
        form = {"do": "password", "old_password": PASSWORD, "new_password1": good, "new_password2": good}
        answer = client.post(reverse("security"), form | sent)
        assert answer.status_code == 400
        assert said in answer.content.decode()
        assert signed_in()

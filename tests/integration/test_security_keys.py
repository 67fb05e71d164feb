"""Security keys: added with the password, asked for after it, and every answer that is not one of theirs refused."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from imweb.accounts import second_factor, security_keys
from imweb.accounts.models import SecurityKey, User
from imweb.configuration.models import Change
from tests.authenticator import Authenticator

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
PASSWORD = "analyst-password"


def asked(client: Client, name: str = "second", **headers: str) -> str:
    """Return what a page has the browser ask a key for."""
    page = client.get(reverse(name), headers=headers).content.decode()
    found = re.search(r'data-options="([^"]+)"', page)
    assert found, page
    return html.unescape(found[1])


def add(client: Client, key: Authenticator, **changed: Any) -> Any:
    options = asked(client, "key-new")
    sent = {"name": "blue", "password": PASSWORD, "answer": changed.pop("answer", key.made)(options), **changed}
    return client.post(reverse("key-new"), sent)


def after_password(username: str = "analyst") -> Client:
    client = Client()
    answer = client.post(reverse("login"), {"username": username, "password": f"{username}-password"})
    assert answer["Location"] == reverse("second")
    return client


def is_in(client: Client) -> bool:
    return bool(client.get(reverse("help")).status_code == 200)


@pytest.fixture
def key(analyst: User) -> Authenticator:
    """The key that an analyst has added."""
    client, made = Client(), Authenticator()
    client.force_login(analyst)
    assert add(client, made).status_code == 200
    return made


def test_the_first_one_gives_recovery_codes_once(analyst: User) -> None:
    client, first = Client(), Authenticator()
    client.force_login(analyst)
    page = add(client, first).content.decode()
    codes = re.findall(r'<li><code class="im-code">(\w+)</code>', page)
    assert len(codes) == 10
    assert add(client, Authenticator(), name="red")["Location"] == reverse("security")
    page = client.get(reverse("security")).content.decode()
    assert "blue" in page
    assert "red" in page
    assert codes[0] not in page
    assert [change.new for change in Change.objects.filter(name="analyst")] == [
        {"security_key": "added", "name": "red"},
        {"security_key": "added", "name": "blue"},
    ]
    assert is_in(client)


def test_it_signs_in_after_the_password_and_not_without(analyst: User, key: Authenticator) -> None:
    client = after_password()
    assert not is_in(client)
    options = asked(client)
    assert [item["id"] for item in json.loads(options)["allowCredentials"]] == [SecurityKey.objects.get().credential]
    answer = client.post(reverse("second"), {"answer": key.proved(options)})
    assert answer["Location"] == reverse("incidents")
    assert is_in(client)
    assert SecurityKey.objects.get().last_used_at
    assert client.post(reverse("second"), {"answer": "{}"})["Location"] == reverse("login")


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://console.evil.example"},
        {"origin": "http://testserver:8080"},
        {"host": "evil.example"},
        {"present": False},
    ],
)
def test_an_answer_to_another_site_or_without_a_touch(key: Authenticator, wrong: dict[str, Any]) -> None:
    client = after_password()
    answer = client.post(reverse("second"), {"answer": key.proved(asked(client), **wrong)})
    assert answer.status_code == 400
    assert "did not answer as it should" in answer.content.decode()
    assert not is_in(client)


def test_an_answer_opens_once_and_in_its_own_session(key: Authenticator) -> None:
    client, other = after_password(), after_password()
    answer = key.proved(asked(client))
    asked(other)
    assert other.post(reverse("second"), {"answer": answer}).status_code == 400
    assert client.post(reverse("second"), {"answer": answer}).status_code == 302
    again = after_password()
    asked(again)
    assert again.post(reverse("second"), {"answer": answer}).status_code == 400


def test_a_challenge_ends_after_five_minutes(key: Authenticator) -> None:
    client = after_password()
    answer = key.proved(asked(client))
    session = client.session
    session[security_keys.CHALLENGE] = [*session[security_keys.CHALLENGE][:2], int(time.time()) - 301]
    session.save()
    assert client.post(reverse("second"), {"answer": answer}).status_code == 400


def test_the_key_of_somebody_else(lead: User, key: Authenticator) -> None:
    client, his = Client(), Authenticator()
    client.force_login(lead)
    add(client, his, password="lead-password")
    client = after_password()
    assert client.post(reverse("second"), {"answer": his.proved(asked(client))}).status_code == 400


def test_another_pair_under_the_id_of_the_key(key: Authenticator) -> None:
    client = after_password()
    forged = Authenticator(id=key.id).proved(asked(client))
    assert client.post(reverse("second"), {"answer": forged}).status_code == 400


def test_a_copy_falls_behind_the_original(key: Authenticator) -> None:
    copy = Authenticator(count=key.count, id=key.id, pair=key.pair)
    client = after_password()
    assert client.post(reverse("second"), {"answer": key.proved(asked(client))}).status_code == 302
    client = after_password()
    assert client.post(reverse("second"), {"answer": copy.proved(asked(client))}).status_code == 400


def test_an_answer_that_was_for_adding_proves_nothing(key: Authenticator) -> None:
    client = after_password()
    answer = client.post(reverse("second"), {"answer": key.made(asked(client))})
    assert answer.status_code == 400


JUNK = [
    "",
    "{}",
    "[]",
    "null",
    "1",
    '"x"',
    "{",
    '{"id": "a", "rawId": "a", "type": "public-key", "response": {}}',
    "x" * 30_000,
]


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_answer_is_refused(analyst: User, key: Authenticator, junk: str) -> None:
    client = after_password()
    asked(client)
    assert client.post(reverse("second"), {"answer": junk}).status_code == 400
    client.force_login(analyst)
    answer = add(client, key, answer=lambda _options: junk)
    assert answer.status_code == 400
    assert "try again" in answer.content.decode()


@pytest.mark.parametrize(
    "path", [("response", "attestationObject"), ("response", "clientDataJSON"), ("rawId",), ("id",)]
)
@pytest.mark.parametrize("value", ["AAAA", "!", "", 7, None, "_____w"])
def test_a_twisted_answer_adds_nothing(analyst: User, path: tuple[str, ...], value: Any) -> None:
    def twisted(options: str) -> str:
        answer = json.loads(Authenticator().made(options))
        place = answer
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return json.dumps(answer)

    client = Client()
    client.force_login(analyst)
    assert add(client, Authenticator(), answer=twisted).status_code == 400
    assert not SecurityKey.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "The password is not right"),
        ({"name": ""}, "1 to 60 characters"),
        ({"name": "x" * 61}, "1 to 60 characters"),
    ],
)
def test_adding_asks_for_the_password_and_a_name(analyst: User, changed: dict[str, str], said: str) -> None:
    client = Client()
    client.force_login(analyst)
    answer = add(client, Authenticator(), **changed)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not second_factor.is_set(analyst)


def test_the_same_key_twice(analyst: User, key: Authenticator) -> None:
    client = Client()
    client.force_login(analyst)
    answer = add(client, key)
    assert answer.status_code == 400
    assert "added already" in answer.content.decode()


def test_no_more_than_twenty(analyst: User, monkeypatch: pytest.MonkeyPatch, key: Authenticator) -> None:
    monkeypatch.setattr(security_keys, "MAX_KEYS", 1)
    client = Client()
    client.force_login(analyst)
    assert "remove one first" in add(client, Authenticator()).content.decode()


def test_a_recovery_code_opens_for_who_lost_the_key(analyst: User, key: Authenticator) -> None:
    code = StaticDevice.objects.get(user=analyst).token_set.first().token
    client = after_password()
    assert client.post(reverse("second"), {"code": code}).status_code == 302
    assert is_in(client)


def test_one_is_removed_with_the_password_and_with_the_last_the_codes(analyst: User, key: Authenticator) -> None:
    client = Client()
    client.force_login(analyst)
    add(client, Authenticator(), name="red")
    first, second = SecurityKey.objects.order_by("pk")
    client.post(reverse("second-remove"), {"key": first.pk, "password": "wrong"})
    assert SecurityKey.objects.count() == 2
    for one in (first, second):
        assert StaticDevice.objects.exists()
        client.post(reverse("second-remove"), {"key": one.pk, "password": PASSWORD})
    assert not second_factor.is_set(analyst)
    assert not StaticDevice.objects.exists()


@pytest.mark.parametrize("pk", ["0", "x", "-1", "9" * 30, "٣"])
def test_a_key_that_is_not_ones_own_is_not_removed(analyst: User, key: Authenticator, lead: User, pk: str) -> None:
    client = Client()
    client.force_login(lead)
    for sent in (pk, str(SecurityKey.objects.get().pk)):
        assert client.post(reverse("second-remove"), {"key": sent, "password": "lead-password"}).status_code == 302
    assert SecurityKey.objects.count() == 1


def test_guessing_the_password_with_a_stolen_session_ends_in_the_lock_out(
    analyst: User, key: Authenticator, settings: Any
) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    thief = Client()
    thief.force_login(analyst)
    thief.post(reverse("security"), {"do": "password", "old_password": "wrong"})
    for name in ("second-remove", "key-new"):
        last = thief.post(reverse(name), {"password": "wrong"})
    assert last.status_code == 429
    thief.post(reverse("second-remove"), {"password": PASSWORD})
    assert second_factor.is_set(analyst)


def test_where_the_console_has_no_name_it_says_so(analyst: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "[::1]"]
    client = Client()
    client.force_login(analyst)
    for host in ("127.0.0.1:8000", "[::1]"):
        assert "by its name" in client.get(reverse("key-new"), headers={"host": host}).content.decode()

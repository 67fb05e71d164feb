"""Sign-in by a trusted proxy's headers: off by default, refused from elsewhere, roles as the proxy names them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import User
from imweb.accounts.setup import ensure_roles
from imweb.audit.models import Waiting
from imweb.configuration.models import Change

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
PROXY, ELSEWHERE = "10.1.2.3", "203.0.113.5"


@pytest.fixture
def on(settings: Any) -> None:
    """The proxies of 10.1.2.0/24 are trusted."""
    ensure_roles()
    settings.IM_PROXY_SIGN_IN = (ipaddress.ip_network("10.1.2.0/24"),)


def ask(client: Client, name: str = "help", *, address: str = PROXY, **headers: str) -> Any:
    sent = {header.replace("_", "-"): value for header, value in headers.items()}
    return client.get(reverse(name), headers=sent, REMOTE_ADDR=address)


def test_it_is_off_by_default(analyst: User) -> None:
    answer = ask(Client(), x_proxy_user="analyst")
    assert answer["Location"].startswith(reverse("login"))


def test_who_the_proxy_names_is_signed_in(on: None, analyst: User) -> None:
    client = Client()
    assert ask(client, x_proxy_user="analyst").status_code == 200
    assert ask(client, x_proxy_user="analyst").status_code == 200
    assert [row.entry["kind"] for row in Waiting.objects.all()].count("sign_in") == 1


@pytest.mark.parametrize("address", [ELSEWHERE, "10.1.3.3", "", "::1", "unknown"])
def test_from_elsewhere_the_header_is_refused(on: None, analyst: User, address: str) -> None:
    client = Client()
    assert ask(client, address=address, x_proxy_user="analyst").status_code == 403
    assert ask(client, address=address)["Location"].startswith(reverse("login"))


def test_a_claimed_address_helps_nobody(on: None, analyst: User, settings: Any) -> None:
    settings.IM_BEHIND_PROXY = True
    assert ask(Client(), address=ELSEWHERE, x_proxy_user="analyst", x_forwarded_for=PROXY).status_code == 403


def test_somebody_new_is_made_with_the_roles_named(on: None) -> None:
    client = Client()
    assert ask(client, x_proxy_user="nina", x_proxy_roles="analyst, nothing").status_code == 200
    user = User.objects.get(username="nina")
    assert [role.name for role in user.roles.all()] == ["analyst"]
    assert not user.has_usable_password()
    assert [(change.name, change.action, change.by) for change in Change.objects.filter(kind="user")] == [
        ("nina", "changed", "proxy"),
        ("nina", "created", "proxy"),
    ]


def test_without_a_role_nothing_is_open(on: None) -> None:
    assert ask(Client(), x_proxy_user="nina").status_code == 403


def test_other_roles_count_at_once(on: None) -> None:
    client = Client()
    ask(client, x_proxy_user="nina", x_proxy_roles="admin")
    assert ask(client, "settings-users", x_proxy_user="nina", x_proxy_roles="admin").status_code == 200
    assert ask(client, "settings-users", x_proxy_user="nina", x_proxy_roles="analyst").status_code == 403


def test_another_user_takes_the_place_of_the_first(on: None, analyst: User, lead: User) -> None:
    client = Client()
    ask(client, x_proxy_user="analyst")
    ask(client, x_proxy_user="lead")
    assert client.session["_auth_user_id"] == str(lead.pk)


def test_who_came_by_the_proxy_goes_with_it(on: None, analyst: User) -> None:
    client = Client()
    ask(client, x_proxy_user="analyst")
    assert ask(client)["Location"].startswith(reverse("login"))


def test_a_password_still_signs_in_without_the_header(on: None, analyst: User) -> None:
    client = Client()
    client.post(reverse("login"), {"username": "analyst", "password": "analyst-password"})
    assert ask(client).status_code == 200


def test_who_may_not_sign_in_does_not(on: None, analyst: User) -> None:
    User.objects.update(is_active=False)
    assert ask(Client(), x_proxy_user="analyst").status_code == 403


@pytest.mark.parametrize("name", ["a b", "x" * 200, "<script>", "a/b"])
def test_what_cannot_be_a_name_is_refused(on: None, name: str) -> None:
    assert ask(Client(), x_proxy_user=name).status_code == 403
    assert not User.objects.exists()


def test_the_api_needs_no_session_for_it(on: None, indices: None, analyst: User) -> None:
    client = Client()
    answer = client.get("/_im/incidents_full_types", headers={"x-proxy-user": "analyst"}, REMOTE_ADDR=PROXY)
    assert answer.status_code == 200
    assert not client.cookies
    refused = client.get("/_im/incidents_full_types", headers={"x-proxy-user": "analyst"}, REMOTE_ADDR=ELSEWHERE)
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "permission_denied"

"""Service accounts: no password and no way to sign in; tokens that administrators make, narrowed and ending."""

from __future__ import annotations

import ipaddress
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from imweb.accounts import administration, identities
from imweb.accounts.models import ApiToken, Identity, Role, User
from imweb.accounts.oidc import Person, Refused
from imweb.accounts.setup import ensure_roles
from imweb.configuration.models import Change
from imweb.errors import PermissionDenied, ValidationFailed
from tests.api_client import Api

pytestmark = [pytest.mark.django_db, pytest.mark.relational]


@pytest.fixture
def admin(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def robot(admin: Client) -> User:
    """A service account with an analyst's roles, made in the browser."""
    answer = admin.post(reverse("settings-user-new"), {"username": "robot", "role": "analyst", "service": "on"})
    assert answer["Location"] == f"{reverse('settings-tokens')}?for=robot"
    return User.objects.get(username="robot")


def test_it_has_no_password_and_nobody_signs_in_as_it(admin: Client, robot: User) -> None:
    assert robot.is_service
    assert not robot.has_usable_password()
    for password in ("", "!", robot.password):
        answer = Client().post(reverse("login"), {"username": "robot", "password": password})
        assert answer.status_code == 200
    page = admin.get(reverse("settings-user", args=["robot"])).content.decode()
    assert "Make a new password" not in page
    assert f"{reverse('settings-tokens')}?for=robot" in page
    assert admin.post(reverse("settings-user", args=["robot"]), {"password": "1"}).status_code == 400
    with pytest.raises(ValidationFailed, match="a service account has none"):
        administration.reset_password(robot, by="admin")


def test_neither_a_proxy_nor_a_provider_names_it(robot: User, settings: Any) -> None:
    settings.IM_PROXY_SIGN_IN = (ipaddress.ip_network("10.1.2.0/24"),)
    answer = Client().get(reverse("help"), headers={"x-proxy-user": "robot"}, REMOTE_ADDR="10.1.2.3")
    assert answer.status_code == 403
    with pytest.raises(Refused, match="named robot already"):
        identities.account_of(Person("https://sso.example", "1", "robot"))
    Identity.objects.create(user=robot, issuer="https://sso.example", subject="1")
    with pytest.raises(Refused, match="deactivated"):
        identities.account_of(Person("https://sso.example", "1", "robot"))


def test_its_tokens_are_made_by_who_manages_users(indices: None, admin: Client, robot: User) -> None:
    url = reverse("settings-tokens")
    page = admin.get(url, {"for": "robot"}).content.decode()
    assert "Make a token for robot" in page
    assert 'value="incident.comment"' in page
    assert 'value="settings.manage"' not in page
    sent = {"for": "robot", "name": "nightly", "days": "30", "scope": "incident.view"}
    found = re.search(r"data-secret>(im_[\w-]+)<", admin.post(url, sent).content.decode())
    assert found
    token = ApiToken.objects.get()
    assert (token.user, token.scopes) == (robot, ["incident.view"])
    api = Api(Client(), {"Authorization": f"Bearer {found[1]}"})
    api.call("GET", "incidents_full_types", {}).ok()
    assert api.call("POST", "incidents", {"title": "x"}).status == 403
    change = Change.objects.filter(kind="token").get()
    assert (change.name, change.by) == ("robot", "admin")
    beyond = admin.post(url, sent | {"scope": "settings.manage"})
    assert beyond.status_code == 400
    assert "robot does not have" in beyond.content.decode()
    admin.post(reverse("settings-token-revoke", args=[token.pk]))
    assert api.call("GET", "incidents_full_types", {}).status == 401


def test_nobody_else_makes_tokens_of_others(admin: Client, robot: User, analyst: User, lead: User) -> None:
    client = Client()
    client.force_login(analyst)
    sent = {"name": "mine", "days": "30"}
    for name in ("robot", "lead", "nobody"):
        assert client.post(reverse("settings-tokens"), sent | {"for": name}).status_code == 404
    # Not even an administrator makes those of a person.
    assert admin.post(reverse("settings-tokens"), sent | {"for": "lead"}).status_code == 404
    assert not ApiToken.objects.exists()
    for maker, owner in ((analyst, robot), (User.objects.get(username="admin"), lead)):
        with pytest.raises(PermissionDenied):
            administration.issue_token(owner, "x", 30, [], by=maker)


def test_a_deactivated_one_is_offered_no_more_and_its_tokens_open_nothing(
    indices: None, admin: Client, robot: User
) -> None:
    _token, secret = ApiToken.issue(robot, "x")
    admin.post(reverse("settings-user", args=["robot"]), {"role": "analyst", "email": ""})
    api = Api(Client(), {"Authorization": f"Bearer {secret}"})
    assert api.call("GET", "incidents_full_types", {}).status == 401
    assert admin.get(reverse("settings-tokens"), {"for": "robot"}).status_code == 404


def test_the_command_makes_one_too_and_that_is_recorded() -> None:
    ensure_roles()
    robot = User.objects.create_user("robot", is_service=True)
    robot.roles.set(Role.objects.filter(name="analyst"))
    said = StringIO()
    call_command("create_token", "robot", stdout=said)
    assert ApiToken.objects.get().digest == ApiToken.digest_of(said.getvalue().strip())
    change = Change.objects.get(kind="token")
    assert (change.name, change.by) == ("robot", "manage.py create_token")
    assert said.getvalue().strip() not in str(change.new)

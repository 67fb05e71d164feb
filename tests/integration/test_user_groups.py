"""Groups of users: what their roles give, everywhere that roles are asked for; what is refused and recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from imweb.accounts import groups, permissions
from imweb.accounts.groups import GroupDefinition
from imweb.accounts.models import HELD, ApiToken, Role, User, UserGroup
from imweb.accounts.roles import remove_role
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.errors import ValidationFailed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def afresh(indices: None) -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def nobody() -> User:
    return User.objects.create_user("nina", password="x-long-enough-1")


def role(name: str, row_filter: str = "", *granted: str) -> Role:
    return Role.objects.create(name=name, label=name, permissions=[permissions.VIEW, *granted], row_filter=row_filter)


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_a_group_gives_its_roles_and_filters_are_joined_by_or(nobody: User) -> None:
    nobody.roles.add(role("it", "source:IT"))
    group = UserGroup.objects.create(name="shift", label="Shift")
    group.roles.add(role("hr", "source:HR", permissions.COMMENT))
    assert fresh(nobody).scope.rows == ("source:IT",)
    group.members.add(nobody)
    for user in (fresh(nobody), User.objects.prefetch_related(*HELD).get(pk=nobody.pk)):
        assert user.scope.rows == ("source:HR", "source:IT")
        assert user.may(permissions.COMMENT)
    group.roles.add(role("every"))
    assert fresh(nobody).scope.rows is None


def test_a_token_and_a_page_open_through_a_group_alone_and_close_with_it(nobody: User, client: Client) -> None:
    group = UserGroup.objects.create(name="shift", label="Shift")
    group.roles.add(role("watch", "", permissions.TOKEN), role("it", "source:IT"))
    _token, secret = ApiToken.issue(nobody, "script")
    browser = Client()
    browser.force_login(nobody)

    def answers() -> tuple[int, int]:
        headers = {"Authorization": f"Bearer {secret}"}
        api = Client().get("/_im/incidents", headers=headers)
        return api.status_code, browser.get(reverse("settings-tokens")).status_code

    assert answers() == (403, 403)
    group.members.add(nobody)
    assert answers() == (200, 200)
    assert client.post(reverse("settings-group-remove", args=["shift"])).status_code == 302
    assert answers() == (403, 403)


def test_a_group_is_made_changed_and_removed_in_the_browser_and_recorded(nobody: User, client: Client) -> None:
    form = {"name": "night", "label": "Night shift", "role": ["analyst"], "member": ["nina"]}
    assert client.post(reverse("settings-group-new"), form).status_code == 302
    assert fresh(nobody).may(permissions.BULK)
    page = client.get(reverse("settings-users")).content.decode()
    assert "Night shift" in page
    assert "Night shift" in client.get(reverse("settings-user", args=["nina"])).content.decode()
    assert client.get(reverse("settings-group", args=["night"])).status_code == 200
    assert client.post(reverse("settings-group", args=["night"]), form | {"member": []}).status_code == 302
    assert not fresh(nobody).granted
    assert client.post(reverse("settings-group-remove", args=["night"])).status_code == 302
    changes = list(Change.objects.filter(kind="user_group", name="night").order_by("pk"))
    assert [change.action for change in changes] == ["created", "changed", "removed"]
    assert (changes[1].old["members"], changes[1].new["members"]) == (["nina"], [])


def test_each_fault_of_a_group_is_named_and_nothing_is_kept(client: Client) -> None:
    form = {"name": "Night Shift", "label": "", "role": ["ghost"], "member": ["<nobody>"]}
    answer = client.post(reverse("settings-group-new"), form)
    text = answer.content.decode()
    assert answer.status_code == 400
    for reason in ("small letters, digits", "1 to 100 characters", "there is no role", "there is no user named"):
        assert reason in text
    assert not UserGroup.objects.exists()
    assert client.get(reverse("settings-group", args=["none"])).status_code == 404


def test_the_last_manager_is_kept_also_when_he_is_one_through_a_group(administrator: User, client: Client) -> None:
    group = UserGroup.objects.create(name="chiefs", label="Chiefs")
    group.roles.add(Role.objects.get(name="admin"))
    group.members.add(administrator)
    administrator.roles.clear()
    answer = client.post(reverse("settings-group-remove", args=["chiefs"]))
    assert answer.status_code == 400
    assert "has to be able to manage users" in answer.content.decode()
    with pytest.raises(ValidationFailed):
        groups.save_group(GroupDefinition("chiefs", "Chiefs", frozenset({"admin"})), by="x")
    assert fresh(administrator).may(permissions.USERS)


def test_a_role_that_a_group_has_is_not_removed() -> None:
    UserGroup.objects.create(name="shift", label="Shift").roles.add(role("it", "source:IT"))
    with pytest.raises(ValidationFailed) as caught:
        remove_role("it", by="x")
    assert "Shift" in str(caught.value.details)

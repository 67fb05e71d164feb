"""The second factor: nobody gets in by the password alone, a code opens once, and what is lost can be replaced."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from imweb.accounts import second_factor
from imweb.accounts.models import User
from imweb.web import views_second
from tests.api_client import api_for

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
PASSWORD = "analyst-password"


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    return f"{totp(device.bin_key, drift=steps):06}"


def forget_wrong_ones() -> None:
    """Take back the pause after a wrong code, and that a code was used."""
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    TOTPDevice.objects.update(last_t=-1)


@pytest.fixture
def codes(analyst: User) -> list[str]:
    """The recovery codes of an analyst who has set up a second factor."""
    device = second_factor.begin(analyst)
    found = second_factor.confirm(analyst, code_of(device))
    assert found
    forget_wrong_ones()
    return found


def after_password(**more: str) -> Client:
    client = Client()
    sent = {"username": "analyst", "password": PASSWORD, **more}
    answer = client.post(reverse("login"), sent)
    assert (answer.status_code, answer["Location"]) == (302, reverse("second"))
    return client


def is_in(client: Client) -> bool:
    return bool(client.get(reverse("help")).status_code == 200)


def device_of(user: User) -> TOTPDevice:
    return TOTPDevice.objects.get(user=user, confirmed=True)


def test_it_is_set_up_with_a_code_and_gives_recovery_codes_once(analyst: User) -> None:
    client = Client()
    client.force_login(analyst)
    page = client.get(reverse("second-setup")).content.decode()
    device = TOTPDevice.objects.get(user=analyst)
    assert "<svg" in page
    assert second_factor.secret_of(device) in page
    assert not second_factor.is_set(analyst)
    wrong = client.post(reverse("second-setup"), {"code": "000000", "password": PASSWORD})
    assert wrong.status_code == 400
    assert "Compare the clock" in wrong.content.decode()
    assert not second_factor.is_set(analyst)
    forget_wrong_ones()
    page = client.post(reverse("second-setup"), {"code": code_of(device), "password": PASSWORD}).content.decode()
    found = re.findall(r'<li><code class="im-code">(\w+)</code>', page)
    assert len(found) == len(set(found)) == 10
    assert second_factor.is_set(analyst)
    assert found[0] not in client.get(reverse("security")).content.decode()


def test_setting_it_up_asks_for_the_password(analyst: User, codes: list[str]) -> None:
    client = _with(codes[0])
    client.get(reverse("second-setup"))
    first, new = device_of(analyst), TOTPDevice.objects.get(user=analyst, confirmed=False)
    answer = client.post(reverse("second-setup"), {"code": code_of(new), "password": "wrong"})
    assert answer.status_code == 400
    assert "The password is not right" in answer.content.decode()
    assert device_of(analyst) == first


def test_the_password_alone_opens_nothing(indices: None, codes: list[str]) -> None:
    client = after_password()
    for name in ("help", "incidents", "security", "second-setup"):
        assert client.get(reverse(name)).status_code == 302
    assert client.get("/_im/incidents_full_types").status_code == 401


def test_a_code_of_the_app_signs_in_and_goes_on_where_one_was(analyst: User, codes: list[str]) -> None:
    client = after_password(next="/help")
    answer = client.post(reverse("second"), {"code": code_of(device_of(analyst))})
    assert (answer.status_code, answer["Location"]) == (302, "/help")
    assert is_in(client)


def test_nobody_is_sent_to_another_site(analyst: User, codes: list[str]) -> None:
    client = after_password(next="https://evil.example/")
    answer = client.post(reverse("second"), {"code": code_of(device_of(analyst))})
    assert answer["Location"] == reverse("incidents")


def test_a_code_opens_once(analyst: User, codes: list[str]) -> None:
    code = code_of(device_of(analyst))
    assert after_password().post(reverse("second"), {"code": code}).status_code == 302
    again = after_password()
    assert again.post(reverse("second"), {"code": code}).status_code == 400
    assert not is_in(again)


@pytest.mark.parametrize("code", ["", "000000", "abc", "1" * 500, "٠٠٠٠٠٠", "-1", "1e5"])
def test_what_is_no_code_is_refused(codes: list[str], code: str) -> None:
    client = after_password()
    answer = client.post(reverse("second"), {"code": code})
    assert answer.status_code == 400
    assert "not right" in answer.content.decode()
    assert not is_in(client)


def test_a_recovery_code_opens_once(analyst: User, codes: list[str]) -> None:
    assert is_in(_with(codes[0].upper()))
    assert second_factor.remaining(analyst) == 9
    client = after_password()
    assert client.post(reverse("second"), {"code": codes[0]}).status_code == 400


def _with(code: str) -> Client:
    client = after_password()
    assert client.post(reverse("second"), {"code": code}).status_code == 302
    return client


def test_guessing_is_slowed_down_and_ends_in_the_lock_out(analyst: User, codes: list[str], settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 4
    client = after_password()
    client.post(reverse("second"), {"code": "000000"})
    right = {"code": code_of(device_of(analyst))}
    assert client.post(reverse("second"), right).status_code == 400, "right, but too soon"
    for _ in range(3):
        last = client.post(reverse("second"), {"code": "000000"})
    assert last.status_code == 429
    forget_wrong_ones()
    client.post(reverse("second"), right)
    assert not is_in(client)


def test_the_password_counts_for_five_minutes(analyst: User, codes: list[str]) -> None:
    client = after_password()
    session = client.session
    half = session[views_second.HALF]
    session[views_second.HALF] = [half[0], half[1], int(time.time()) - 301, half[3]]
    session.save()
    answer = client.post(reverse("second"), {"code": code_of(device_of(analyst))})
    assert answer["Location"] == reverse("login")
    assert not is_in(client)


def test_without_a_password_before_it_there_is_no_second_step(analyst: User, codes: list[str]) -> None:
    client = Client()
    assert client.get(reverse("second"))["Location"] == reverse("login")
    assert client.post(reverse("second"), {"code": code_of(device_of(analyst))})["Location"] == reverse("login")


def test_removing_it_asks_for_the_password(analyst: User, codes: list[str]) -> None:
    client = _with(codes[0])
    client.post(reverse("second-remove"), {"password": "wrong"})
    assert second_factor.is_set(analyst)
    client.post(reverse("second-remove"), {"password": PASSWORD})
    assert not second_factor.is_set(analyst)
    assert not StaticDevice.objects.exists()


def test_another_device_takes_the_place_of_the_first(analyst: User, codes: list[str]) -> None:
    client = _with(codes[0])
    client.get(reverse("second-setup"))
    first = device_of(analyst)
    new = TOTPDevice.objects.get(user=analyst, confirmed=False)
    client.post(reverse("second-setup"), {"code": code_of(new), "password": PASSWORD})
    assert device_of(analyst).pk == new.pk
    assert not TOTPDevice.objects.filter(pk=first.pk).exists()
    assert not StaticDevice.objects.get().token_set.filter(token__in=codes).exists()


def test_an_administrator_removes_it_for_who_lost_all(analyst: User, administrator: User, codes: list[str]) -> None:
    admin = Client()
    admin.force_login(administrator)
    address = reverse("settings-user", args=["analyst"])
    assert "Remove it" in admin.get(address).content.decode()
    admin.post(address, {"second": "1"})
    assert not second_factor.is_set(analyst)


class TestRequired:
    """`IM_SECOND_FACTOR_REQUIRED`: whoever signs in by password sets one up first."""

    @pytest.fixture(autouse=True)
    def required(self, settings: Any) -> None:
        settings.IM_SECOND_FACTOR_REQUIRED = True

    def test_everything_else_waits_until_it_is_set_up(self, indices: None, analyst: User) -> None:
        client = Client()
        client.post(reverse("login"), {"username": "analyst", "password": PASSWORD})
        assert client.get(reverse("incidents"))["Location"] == reverse("security")
        fragment = client.get(reverse("incidents"), headers={"HX-Request": "true"})
        assert (fragment.status_code, fragment["HX-Redirect"]) == (204, reverse("security"))
        assert client.get("/_im/incidents_full_types").status_code == 401
        assert "asks everybody for a second factor" in client.get(reverse("security")).content.decode()
        client.get(reverse("second-setup"))
        device = TOTPDevice.objects.get(user=analyst)
        client.post(reverse("second-setup"), {"code": code_of(device), "password": PASSWORD})
        assert is_in(client)
        assert client.get("/_im/incidents_full_types").status_code == 200

    def test_a_session_of_before_proves_it_anew(self, analyst: User, codes: list[str]) -> None:
        client = Client()
        client.force_login(analyst)
        sent_to = client.get(reverse("help"))["Location"]
        assert sent_to.startswith(reverse("login"))
        assert client.get(sent_to).status_code == 200

    def test_a_token_needs_none(self, indices: None, analyst: User) -> None:
        api_for(analyst).call("GET", "incidents_full_types", {}).ok()

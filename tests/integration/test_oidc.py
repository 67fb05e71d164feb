"""Sign-in with a real OpenID Connect provider: who gets in as whom, and every answer that does not get anybody in."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from imweb.accounts import oidc
from imweb.accounts.models import Identity, Role, User
from imweb.accounts.setup import ensure_roles
from imweb.audit.models import Waiting
from imweb.configuration.models import Change
from imweb.env import issuer, roles_by_group
from imweb.opensearch.node import free_port
from tests.provider import PASSWORD, Provider
from tests.provider.users import GROUPS, TWISTS

pytestmark = [pytest.mark.django_db, pytest.mark.relational]
OWN_PASSWORD = "analyst-password"
CAUSES = {
    "nonce": "Invalid claim: 'nonce'",
    "no-nonce": "Missing claim: 'nonce'",
    "audience": "Invalid claim: 'aud'",
    "issuer": "Invalid claim: 'iss'",
    "old": "expired",
    "subject": "no subject",
    "unsigned": "'none' is not allowed",
    "forged": "BadSignature",
    "other-subject": "user info is of another subject",
}


@pytest.fixture
def on(identity_provider: Provider, settings: Any, db: None) -> Provider:
    """The provider is the one that people sign in with; its groups give roles."""
    ensure_roles()
    identity_provider.use(settings, roles=GROUPS)
    return identity_provider


def sent_to_provider(client: Client, go_on: str = "") -> str:
    answer = client.get(reverse("oidc"), {"next": go_on} if go_on else {})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def at_provider(address: str, username: str) -> str:
    """Sign in at the provider; return where it sends the browser back to."""
    with requests.Session() as browser:
        form = browser.get(address, timeout=30)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        assert token, form.text
        data = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = browser.post(form.url, data, allow_redirects=False, timeout=30)
        while answer.is_redirect and "/login/oidc/back" not in answer.headers["Location"].partition("?")[0]:
            address = requests.compat.urljoin(answer.url, answer.headers["Location"])
            answer = browser.get(address, allow_redirects=False, timeout=30)
        assert answer.is_redirect, answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def sign_in(username: str, client: Client | None = None, go_on: str = "") -> tuple[Client, Any]:
    client = client or Client()
    return client, client.get(at_provider(sent_to_provider(client, go_on), username))


def is_in(client: Client) -> bool:
    return bool(client.get(reverse("help")).status_code == 200)


def refusals() -> list[str]:
    """Return why sign-ins were refused, as the audit trail keeps it."""
    entries = [row.entry for row in Waiting.objects.all()]
    return [entry["details"]["reason"] for entry in entries if entry["kind"] == "sign_in_failed"]


class TestOff:
    """Without an issuer there is none of it."""

    def test_nothing_is_offered_and_nothing_answers(self, analyst: User) -> None:
        client = Client()
        assert reverse("oidc") not in client.get(reverse("login")).content.decode()
        for name in ("oidc", "oidc-back"):
            assert client.get(reverse(name)).status_code == 404
        client.force_login(analyst)
        assert "oidc" not in client.get(reverse("security")).content.decode()
        assert client.post(reverse("oidc-change"), {"password": OWN_PASSWORD}).status_code == 404


class TestSigningIn:
    """The way there and back."""

    def test_the_browser_is_sent_there_with_all_that_guards_the_way(self, on: Provider) -> None:
        client = Client()
        assert f'href="{reverse("oidc")}"' in client.get(reverse("login")).content.decode()
        first, second = (parse_qs(urlsplit(sent_to_provider(client)).query) for _ in range(2))
        assert first["response_type"] == ["code"]
        assert first["code_challenge_method"] == ["S256"]
        assert first["redirect_uri"] == ["http://testserver/login/oidc/back"]
        assert {"openid", "profile"} <= set(first["scope"][0].split())
        for name in ("state", "nonce", "code_challenge"):
            assert len(first[name][0]) >= 20
            assert first[name] != second[name]

    def test_somebody_new_gets_an_account_with_the_roles_of_his_groups(self, on: Provider) -> None:
        client, answer = sign_in("nina", go_on="/preferences")
        assert (answer.status_code, answer["Location"]) == (302, "/preferences")
        assert is_in(client)
        user = User.objects.get(username="nina")
        assert [role.name for role in user.roles.all()] == ["analyst"]
        assert (user.email, user.get_full_name()) == ("nina@example.test", "Nina Noor")
        assert not user.has_usable_password()
        assert [(change.action, change.by) for change in Change.objects.filter(name="nina")] == [
            ("changed", "provider"),
            ("changed", "provider"),
            ("created", "provider"),
        ]
        entry = next(row.entry for row in Waiting.objects.all() if row.entry["kind"] == "sign_in")
        assert (entry["user"], entry["details"]) == ("nina", {"by": "openid connect"})

    def test_the_session_begins_anew(self, on: Provider) -> None:
        client = Client()
        address = at_provider(sent_to_provider(client), "nina")
        before = client.session.session_key
        client.get(address)
        assert client.session.session_key != before

    def test_he_comes_back_to_the_same_account_with_the_roles_of_today(self, on: Provider, settings: Any) -> None:
        sign_in("nina")
        settings.IM_OIDC_ROLES = {"canteen": ["lead"]}
        sign_in("nina")
        assert User.objects.count() == Identity.objects.count() == 1
        assert [role.name for role in User.objects.get().roles.all()] == ["lead"]

    def test_roles_are_given_here_where_no_groups_are_mapped(self, on: Provider, settings: Any) -> None:
        settings.IM_OIDC_ROLES = {}
        client, answer = sign_in("nina")
        assert answer.status_code == 302
        user = User.objects.get(username="nina")
        assert not user.roles.exists()
        assert client.get(reverse("help")).status_code == 403
        user.roles.set(Role.objects.filter(name="lead"))
        sign_in("nina")
        assert [role.name for role in user.roles.all()] == ["lead"]

    @pytest.mark.parametrize("username", ["told", "one-group"])
    def test_groups_in_the_user_info_alone_or_as_one_word(self, on: Provider, username: str) -> None:
        sign_in(username)
        assert [role.name for role in User.objects.get().roles.all()] == ["analyst", "lead"]

    def test_an_address_that_nobody_has_proved_is_not_taken(self, on: Provider) -> None:
        sign_in("omar")
        assert User.objects.get().email == ""

    def test_it_stands_for_the_second_factor(self, on: Provider, settings: Any) -> None:
        settings.IM_SECOND_FACTOR_REQUIRED = True
        assert is_in(sign_in("nina")[0])

    @pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
    def test_it_goes_on_to_our_own_pages_alone(self, on: Provider, address: str) -> None:
        assert sign_in("nina", go_on=address)[1]["Location"] == reverse("incidents")

    def test_two_tabs_at_once(self, on: Provider) -> None:
        client = Client()
        addresses = [at_provider(sent_to_provider(client, page), "nina") for page in ("/help", "/preferences")]
        assert [client.get(address)["Location"] for address in addresses] == ["/help", "/preferences"]
        assert User.objects.count() == 1


class TestRefused:
    """Each answer that does not let anybody in: a sentence, an entry, no account, no session."""

    def refused(self, answer: Any, status: int, reason: str, client: Client) -> None:
        assert answer.status_code == status
        assert reason in answer.content.decode()
        assert SESSION_KEY not in client.session

    @pytest.mark.parametrize("twist", TWISTS)
    def test_a_token_that_is_not_as_it_should_be(self, on: Provider, twist: str) -> None:
        client, answer = sign_in(f"twist-{twist}")
        self.refused(answer, 403, "could not be verified", client)
        assert not User.objects.exists()
        assert len(refusals()) == 1

    def test_an_answer_to_another_browser(self, on: Provider) -> None:
        address = at_provider(sent_to_provider(Client()), "nina")
        other = Client()
        sent_to_provider(other)
        self.refused(other.get(address), 400, "another browser", other)

    def test_an_answer_that_was_taken_before(self, on: Provider) -> None:
        client = Client()
        address = at_provider(sent_to_provider(client), "nina")
        assert client.get(address).status_code == 302
        client.logout()
        self.refused(client.get(address), 400, "Begin again", client)

    def test_a_code_of_another_flow(self, on: Provider) -> None:
        """Code injection: the verifier of this browser does not fit it (RFC 9700, section 4.5)."""
        client, thief = Client(), Client()
        stolen = parse_qs(urlsplit(at_provider(sent_to_provider(client), "nina")).query)["code"][0]
        state = parse_qs(urlsplit(sent_to_provider(thief)).query)["state"][0]
        answer = thief.get(reverse("oidc-back"), {"state": state, "code": stolen})
        self.refused(answer, 403, "could not be verified", thief)

    def test_an_answer_of_another_issuer(self, on: Provider) -> None:
        client = Client()
        address = at_provider(sent_to_provider(client), "nina")
        self.refused(client.get(f"{address}&iss=https://elsewhere.example"), 403, "could not be verified", client)

    def test_who_said_no_at_the_provider(self, on: Provider) -> None:
        client = Client()
        state = parse_qs(urlsplit(sent_to_provider(client)).query)["state"][0]
        sent = {"state": state, "error": "access_denied", "error_description": "<b>not today</b>"}
        answer = client.get(reverse("oidc-back"), sent)
        self.refused(answer, 403, "&lt;b&gt;not today&lt;/b&gt;", client)
        assert refusals() == ["the provider said access_denied"]

    @pytest.mark.parametrize("username", ["outsider", "groupless"])
    def test_whose_groups_open_nothing(self, on: Provider, username: str) -> None:
        client, answer = sign_in(username)
        self.refused(answer, 403, "None of your groups", client)
        assert not User.objects.exists()

    def test_who_has_lost_his_groups_loses_his_roles(self, on: Provider, settings: Any) -> None:
        earlier, _answer = sign_in("nina")
        settings.IM_OIDC_ROLES = {"leads": ["lead"]}
        client, answer = sign_in("nina")
        self.refused(answer, 403, "None of your groups", client)
        assert not is_in(earlier)

    @pytest.mark.parametrize("username", ["analyst", "Admin"])
    def test_nobody_takes_over_an_account_by_its_name_or_address(
        self, on: Provider, analyst: User, administrator: User, username: str
    ) -> None:
        client, answer = sign_in(username)
        self.refused(answer, 403, "connect it", client)
        assert not Identity.objects.exists()
        assert sorted(user.username for user in User.objects.all()) == ["admin", "analyst"]

    def test_a_name_that_cannot_be_one(self, on: Provider) -> None:
        client, answer = sign_in("spaces")
        self.refused(answer, 403, "“two words”, which cannot be a user name", client)

    def test_who_is_deactivated_here(self, on: Provider) -> None:
        sign_in("nina")
        User.objects.update(is_active=False)
        client, answer = sign_in("nina")
        self.refused(answer, 403, "deactivated", client)

    def test_a_provider_that_is_away(self, on: Provider, settings: Any) -> None:
        client = Client()
        address = at_provider(sent_to_provider(client), "nina")
        Provider(f"http://127.0.0.1:{free_port()}/o").use(settings)
        for answer in (Client().get(reverse("oidc")), client.get(address)):
            assert answer.status_code == 502
            assert "does not answer as it should" in answer.content.decode()

    def test_a_provider_that_calls_itself_something_else(self, on: Provider, settings: Any) -> None:
        Provider(f"{on.issuer}/").use(settings)
        assert Client().get(reverse("oidc")).status_code == 502
        assert "calls itself" in refusals()[0]

    def test_a_provider_that_signs_with_a_shared_secret_alone(self, on: Provider) -> None:
        assert oidc._provider().server_metadata["id_token_signing_alg_values_supported"] == ["RS256"]
        oidc._provider().server_metadata["id_token_signing_alg_values_supported"] = ["HS256", "none"]
        assert Client().get(reverse("oidc")).status_code == 502
        assert "signs with none of" in refusals()[0]

    def test_a_secret_that_the_provider_does_not_know(self, on: Provider, settings: Any) -> None:
        on.use(settings, client_secret="another")
        client, answer = sign_in("nina")
        self.refused(answer, 403, "could not be verified", client)
        assert "invalid_client" in refusals()[0]


class TestConnecting:
    """An account that stands already is opened by the provider once its owner says so, with his password."""

    def armed(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        page = client.post(reverse("oidc-change"), {"do": "connect", "password": OWN_PASSWORD})
        assert f'href="{reverse("oidc")}"' in page.content.decode()
        return client

    def test_it_is_connected_and_disconnected(self, on: Provider, analyst: User) -> None:
        client, answer = sign_in("omar", self.armed(analyst))
        assert answer["Location"] == reverse("security")
        assert "opens this account" in client.get(reverse("security")).content.decode()
        other, _answer = sign_in("omar")
        assert other.session[SESSION_KEY] == str(analyst.pk)
        assert [role.name for role in analyst.roles.all()] == ["analyst", "lead"]
        client.post(reverse("oidc-change"), {"do": "disconnect", "password": OWN_PASSWORD})
        assert not Identity.objects.exists()
        changes = [change.new for change in Change.objects.filter(name="analyst")]
        assert [new["provider"] for new in changes if "provider" in new] == ["disconnected", "connected"]

    @pytest.mark.parametrize("do", ["connect", "disconnect"])
    def test_the_password_is_asked_for(self, on: Provider, analyst: User, do: str) -> None:
        oidc_user = Identity.objects.create(user=analyst, issuer=on.issuer, subject="x")
        client = Client()
        client.force_login(analyst)
        client.post(reverse("oidc-change"), {"do": do, "password": "wrong"})
        assert client.get(reverse("oidc"))["Location"] == reverse("incidents")
        assert Identity.objects.filter(pk=oidc_user.pk).exists()

    def test_the_proof_opens_once(self, on: Provider, analyst: User) -> None:
        client = self.armed(analyst)
        sent_to_provider(client)
        assert client.get(reverse("oidc"))["Location"] == reverse("incidents")

    def test_not_who_is_another_account_already(self, on: Provider, analyst: User) -> None:
        sign_in("nina")
        _client, answer = sign_in("nina", self.armed(analyst))
        assert answer.status_code == 403
        assert "somebody else" in answer.content.decode()
        assert Identity.objects.get().user.username == "nina"

    def test_not_a_second_user_of_the_provider(self, on: Provider, analyst: User) -> None:
        sign_in("omar", self.armed(analyst))
        _client, answer = sign_in("nina", self.armed(analyst))
        assert answer.status_code == 400
        assert "Disconnect it first" in answer.content.decode()

    def test_not_for_somebody_who_signed_in_meanwhile(self, on: Provider, analyst: User, lead: User) -> None:
        client = self.armed(analyst)
        address = at_provider(sent_to_provider(client), "omar")
        client.force_login(lead)
        assert client.get(address).status_code == 400
        assert not Identity.objects.exists()

    def test_who_has_no_password_stays_connected(self, on: Provider) -> None:
        client, _answer = sign_in("nina")
        page = client.get(reverse("security")).content.decode()
        assert reverse("oidc-change") not in page
        assert "Change your password" not in page
        client.post(reverse("oidc-change"), {"do": "disconnect", "password": ""})
        assert Identity.objects.exists()


class TestSettings:
    """Nonsense is refused at the start."""

    @pytest.mark.parametrize("value", ["[]", '{"a": 1}', '{"a": [1]}', "analyst", '"a"'])
    def test_groups_that_are_no_map(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("IM_OIDC_ROLES", value)
        with pytest.raises(ImproperlyConfigured, match="IM_OIDC_ROLES must be JSON"):
            roles_by_group("IM_OIDC_ROLES")

    def test_groups_that_are_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IM_OIDC_ROLES", '{"a": "lead", "CN=b,DC=c": ["x", "y"]}')
        assert roles_by_group("IM_OIDC_ROLES") == {"a": ("lead",), "CN=b,DC=c": ("x", "y")}

    def test_a_provider_without_tls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IM_OIDC_ISSUER", "http://sso.example")
        assert issuer("IM_OIDC_ISSUER", insecure=True) == "http://sso.example"
        with pytest.raises(ImproperlyConfigured, match="https"):
            issuer("IM_OIDC_ISSUER", insecure=False)

    def test_no_algorithm_of_a_shared_secret(self) -> None:
        assert not {"none", "HS256", "HS384", "HS512"} & oidc.ALGORITHMS

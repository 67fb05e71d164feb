"""The audit trail: each kind of action leaves its entry, nothing is lost while OpenSearch is away, few may read it."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from imweb.accounts import administration
from imweb.accounts.actor import actor_of
from imweb.accounts.models import ApiToken, Role, User
from imweb.api.authentication import MAX_ADDRESSES
from imweb.audit import trail
from imweb.audit.models import Waiting
from imweb.audit.trail import Entry, Wanted
from imweb.configuration import store
from imweb.errors import PermissionDenied, ValidationFailed
from imweb.incidents import editing
from imweb.incidents.severities import SEVERITIES
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from imweb.settings import BASE_DIR
from tests import stored
from tests.api_client import api_for
from tests.integration.pits_ground import servers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indices")]
PASSWORD = "analyst-password"


@pytest.fixture(autouse=True)
def empty_trail(indices: None) -> None:
    """A trail that holds nothing of earlier tests."""
    trail.ensure_index()
    Waiting.objects.all().delete()


def found(administrator: User, **wanted: Any) -> list[Entry]:
    return list(trail.entries(actor_of(administrator), Wanted(**wanted)).entries)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class TestEachKindLeavesItsEntry:
    """What happened, who did it, from where, on what."""

    def test_signing_in_and_out(self, client: Client, analyst: User, administrator: User) -> None:
        sent = {"username": "analyst", "password": PASSWORD}
        assert client.post(reverse("login"), sent, REMOTE_ADDR="192.0.2.7").status_code == 302
        client.post(reverse("logout"), REMOTE_ADDR="192.0.2.8")
        entries = found(administrator, user="analyst")
        assert [(entry.kind, entry.address) for entry in entries] == [
            ("sign_out", "192.0.2.8"),
            ("sign_in", "192.0.2.7"),
        ]
        assert all(entry.request for entry in entries)

    def test_a_sign_in_that_failed_keeps_no_word_that_may_be_a_password(
        self, client: Client, analyst: User, administrator: User
    ) -> None:
        client.post(reverse("login"), {"username": "analyst", "password": "wrong-secret"})
        client.post(reverse("login"), {"username": "my-real-password", "password": "x"})
        entries = found(administrator, kind="sign_in_failed")
        assert [(entry.user, entry.outcome) for entry in entries] == [("", "refused"), ("analyst", "refused")]
        kept = json.dumps([hit["_source"] for hit in _hits()])
        assert "wrong-secret" not in kept
        assert "my-real-password" not in kept

    def test_refusals_of_pages_and_of_the_api(self, analyst: User, administrator: User) -> None:
        assert signed_in(analyst).get(reverse("settings-fields")).status_code == 403
        assert api_for(analyst).call("DELETE", "incidents/x").status == 403
        entries = found(administrator, kind="refused")
        assert [entry.user for entry in entries] == ["analyst", "analyst"]
        assert [entry.target.split()[0] for entry in entries] == ["DELETE", "GET"]
        assert [entry.details["path"] for entry in entries] == ["/_im/incidents/x", "/settings/fields"]
        assert all(entry.details["reason"] for entry in entries)

    def test_what_is_allowed_is_no_refusal(self, analyst: User, administrator: User) -> None:
        signed_in(analyst).get(reverse("incidents"))
        assert not found(administrator, kind="refused")

    def test_settings_with_old_and_new(self, administrator: User) -> None:
        level = {**SEVERITIES.stored(store.values(SEVERITIES)[0]), "label": "Worst"}
        store.save(SEVERITIES, level, by="admin")
        [entry] = found(administrator, kind="settings")
        assert (entry.user, entry.target) == ("admin", f"severity/{level['name']}")
        assert entry.old["label"] != entry.new["label"] == "Worst"

    def test_users_roles_and_tokens(self, administrator: User, analyst: User) -> None:
        administration.create_user({"username": "nina", "email": "", "active": True, "roles": []}, by="admin")
        token, secret = administration.issue_token(analyst, "nightly", 30, [])
        administration.revoke_token(token.pk, by=analyst)
        entries = found(administrator, kind="settings")
        assert [(entry.target, entry.details["action"]) for entry in entries] == [
            ("token/analyst", "removed"),
            ("token/analyst", "created"),
            ("user/nina", "created"),
        ]
        assert secret not in json.dumps([hit["_source"] for hit in _hits()])

    def test_a_token_used_from_each_address_once_an_hour(self, administrator: User, analyst: User) -> None:
        _token, secret = ApiToken.issue(analyst, "nightly")

        def use(address: str) -> int:
            headers = {"authorization": f"Bearer {secret}"}
            return Client().get("/_im/incidents_full_types", headers=headers, REMOTE_ADDR=address).status_code

        assert [use("192.0.2.7") for _ in range(3)] == [200, 200, 200]
        assert [entry.target for entry in found(administrator, kind="token_used")] == ["nightly"]
        # A thief's first call leaves its entry at once, and the owner's go on without another.
        assert [use(address) for address in ("198.51.100.9", "192.0.2.7", "198.51.100.9")] == [200, 200, 200]
        assert [e.address for e in found(administrator, kind="token_used")] == ["198.51.100.9", "192.0.2.7"]
        # However busy a token is, an hour later it is told again.
        token = ApiToken.objects.get()
        ApiToken.objects.update(uses={address: at - 3_600 for address, at in token.uses.items()})
        use("192.0.2.7")
        assert found(administrator, kind="token_used")[0].address == "192.0.2.7"
        assert len(found(administrator, kind="token_used")) == 3
        # … and addresses of before are forgotten.
        assert list(ApiToken.objects.get().uses) == ["192.0.2.7"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"revoked_at": timezone.now()}, "was revoked"),
            ({"expires_at": timezone.now() - timedelta(minutes=1)}, "has expired"),
        ],
    )
    def test_a_token_that_opens_nothing_any_more(
        self, administrator: User, analyst: User, change: dict[str, Any], reason: str
    ) -> None:
        token, secret = ApiToken.issue(analyst, "nightly")
        ApiToken.objects.filter(pk=token.pk).update(**change)
        for _ in range(3):
            headers = {"authorization": f"Bearer {secret}"}
            assert Client().get("/_im/incidents", headers=headers, REMOTE_ADDR="192.0.2.7").status_code == 401
        [entry] = found(administrator, kind="refused")
        assert (entry.user, entry.target, entry.address) == ("analyst", "nightly", "192.0.2.7")
        assert reason in entry.details["reason"]
        assert ApiToken.objects.get().last_used_at is None

    def test_a_token_of_ever_new_addresses_keeps_few_of_them(self, indices: None, analyst: User) -> None:
        _token, secret = ApiToken.issue(analyst, "nightly")
        for number in range(MAX_ADDRESSES + 5):
            headers = {"authorization": f"Bearer {secret}"}
            Client().get("/_im/openapi.json", headers=headers, REMOTE_ADDR=f"192.0.2.{number}")
        kept = ApiToken.objects.get().uses
        assert len(kept) == MAX_ADDRESSES
        assert f"192.0.2.{MAX_ADDRESSES + 4}" in kept

    def test_an_export_with_what_was_asked(self, administrator: User, analyst: User) -> None:
        answer = signed_in(analyst).get(reverse("export"), {"format": "csv", "q": "severity:high"})
        assert answer.status_code == 200
        b"".join(answer.streaming_content)
        [entry] = found(administrator, kind="export")
        assert (entry.user, entry.target) == ("analyst", "incidents.csv")
        assert entry.details["asked"]["q"] == ["severity:high"]

    def test_bulk_and_sync_without_their_texts(self, administrator: User, lead: User) -> None:
        api = api_for(lead)
        stored.group("g1", {"i1": {}})
        line = '{"update": {"_id": "i1"}}\n{"reviewer": "lead", "comment": "very private"}\n'
        api.send("POST", "incidents/bulkUpdate", line.encode(), "application/x-ndjson").ok()
        editing.update_aggregation(
            actor_of(lead), "by-host", "g1", {"severity": "low", "comment": "private"}, sync=True
        )
        sync, bulk = found(administrator, kind="bulk")
        assert (bulk.user, bulk.details["items"], bulk.details["fields"]) == ("lead", 1, ["comment", "reviewer"])
        assert (sync.target, sync.new, sync.details["matched"]) == ("g1", {"severity": "low"}, 1)
        assert "private" not in json.dumps([hit["_source"] for hit in _hits()])


class TestNothingIsLost:
    """An entry is in the database until OpenSearch has acknowledged it, and in the index once."""

    def test_shipped_twice_it_stands_once(self, administrator: User) -> None:
        trail.record("export", user="nina")
        row = Waiting.objects.get()
        assert trail.ship() == 1
        Waiting.objects.create(key=row.key, entry=row.entry)
        assert trail.ship() == 1
        assert len(found(administrator, user="nina")) == 1
        assert not trail.waiting()

    def test_while_opensearch_is_away_entries_wait_and_nobody_else_does(
        self, client: Client, analyst: User, administrator: User, settings: Any
    ) -> None:
        with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
            client.post(reverse("login"), {"username": "analyst", "password": PASSWORD})
            assert not trail.try_ship()
            answer = signed_in(administrator).get(reverse("audit"))
            assert answer.status_code == 503
            assert "nothing is lost" in answer.content.decode()
        assert trail.waiting() >= 1
        assert [entry.user for entry in found(administrator, kind="sign_in", user="analyst")] == ["analyst"]

    def test_an_index_that_is_missing_is_made_and_not_guessed(self, administrator: User) -> None:
        gateway().raw("DELETE", f"/{schema.audit_alias()}-000001")
        trail.record("export", user="nina")
        assert len(found(administrator, user="nina")) == 1
        assert gateway().alias_indices(schema.audit_alias()) == [f"{schema.audit_alias()}-000001"]

    def test_what_is_rolled_back_was_never_recorded(self, administrator: User) -> None:
        with pytest.raises(ValidationFailed):
            store.save(SEVERITIES, {"name": "x"}, by="admin")
        assert not found(administrator, kind="settings")


class TestNobodyEditsIt:
    """The program adds entries and never changes or removes one."""

    def test_one_module_alone_reaches_the_index_and_only_creates(self) -> None:
        root = Path(BASE_DIR) / "imweb"
        naming = {str(p.relative_to(root)) for p in root.rglob("*.py") if "audit_alias" in p.read_text()}
        assert naming == {"audit/trail.py", "opensearch/schema.py", "incidents/management/commands/bootstrap.py"}
        called = set(re.findall(r"gateway\(\)\.(\w+)\(", (root / "audit/trail.py").read_text()))
        assert called == {"bulk", "refresh", "search"}
        assert set(re.findall(r'\[\{"(\w+)": \{"_index"', (root / "audit/trail.py").read_text())) == {"create"}

    def test_an_entry_that_stands_is_not_overwritten(self, administrator: User) -> None:
        trail.record("export", user="nina", target="first")
        key = Waiting.objects.get().key
        trail.ship()
        Waiting.objects.create(key=key, entry={**_hits()[0]["_source"], "user": "somebody else", "target": "forged"})
        trail.ship()
        assert [(entry.user, entry.target) for entry in found(administrator, kind="export")] == [("nina", "first")]

    def test_every_kind_of_entry_is_written_somewhere(self) -> None:
        root = Path(BASE_DIR) / "imweb"
        code = "".join(path.read_text() for path in root.rglob("*.py"))
        assert {kind for kind in trail.KINDS if re.search(rf'record\(\s*"{kind}"', code)} == set(trail.KINDS)


class TestReading:
    """Newest first, filtered, paged, as a page and as a download; for who may."""

    def test_it_is_filtered_and_paged(self, administrator: User) -> None:
        for number in range(25):
            trail.record("export", user=f"user{number % 2}", target=f"file {number}")
        actor = actor_of(administrator)
        first = trail.entries(actor, Wanted(user="USER0"), size=10)
        second = trail.entries(actor, Wanted(user="USER0"), size=10, before=first.next)
        targets = [entry.target for entry in (*first.entries, *second.entries)]
        assert (first.total, len(first.entries), len(second.entries), second.next) == (13, 10, 3, None)
        assert sorted(targets) == sorted(f"file {number}" for number in range(0, 25, 2))
        assert [entry.target for entry in found(administrator, text="file 7")] == ["file 7"]
        later = timezone.now() + timedelta(minutes=1)
        assert not found(administrator, start=later)
        assert len(list(trail.every(actor, Wanted(end=later)))) == 25

    @pytest.mark.parametrize("before", ["x", "1", "/", "1/", "x/y"])
    def test_a_cursor_that_is_none_is_refused(self, administrator: User, before: str) -> None:
        with pytest.raises(ValidationFailed):
            trail.entries(actor_of(administrator), Wanted(), before=before)

    def test_others_may_not(self, lead: User, analyst: User) -> None:
        for user in (lead, analyst):
            with pytest.raises(PermissionDenied):
                trail.entries(actor_of(user), Wanted())
            assert signed_in(user).get(reverse("audit")).status_code == 403

    def test_the_page_shows_them_as_text(self, administrator: User) -> None:
        trail.record("settings", user="nina", target="severity/<b>high</b>", old={"a": "<i>"}, new={"a": "</script>"})
        answer = signed_in(administrator).get(reverse("audit"), {"user": "nina"})
        text = answer.content.decode()
        assert "nina" in text
        assert "severity/&lt;b&gt;high&lt;/b&gt;" in text
        assert "<i>" not in text

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ({"kind": "nothing"}, "kind"),
            ({"start": "yesterday"}, "date"),
            ({"start": "2026-02-02", "end": "2026-02-01"}, "end"),
            ({"before": "x"}, "place"),
        ],
    )
    def test_a_wrong_filter_is_said(self, administrator: User, asked: dict[str, str], reason: str) -> None:
        answer = signed_in(administrator).get(reverse("audit"), asked)
        assert answer.status_code == 400
        assert reason in answer.content.decode()

    def test_it_is_downloaded_whole_and_that_is_recorded(self, administrator: User) -> None:
        trail.record("export", user="nina", target="=cmd()")
        client = signed_in(administrator)
        text = b"".join(client.get(reverse("audit-export"), {"format": "csv", "user": "nina"}).streaming_content)
        [row] = csv.DictReader(io.StringIO(text.decode("utf-8-sig")))
        assert (row["user"], row["target"]) == ("nina", "'=cmd()")
        lines = b"".join(client.get(reverse("audit-export"), {"format": "ndjson", "user": "nina"}).streaming_content)
        assert json.loads(lines)["target"] == "=cmd()"
        assert client.get(reverse("audit-export"), {"format": "exe"}).status_code == 400
        assert [e.target for e in found(administrator, kind="export", user=administrator.username)] == [
            "audit.ndjson",
            "audit.csv",
        ]

    def test_a_role_that_sees_some_incidents_only_does_not_read_it(self, administrator: User) -> None:
        Role.objects.filter(users=administrator).update(row_filter="source:IT")
        user = User.objects.get(pk=administrator.pk)
        with pytest.raises(PermissionDenied):
            trail.entries(actor_of(user), Wanted())


def _hits() -> list[Any]:
    trail.ship()
    gateway().refresh(schema.audit_alias())
    hits: list[Any] = gateway().search({"size": 1_000}, index=schema.audit_alias())["hits"]["hits"]
    return hits

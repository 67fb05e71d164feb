"""The pages as somebody restricted sees them: nothing of what is forbidden or hidden stands anywhere in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.test import Client

from imweb.accounts.models import Role, User
from imweb.accounts.setup import ensure_roles
from imweb.configuration import store
from imweb.incidents import declaring
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from tests import stored
from tests.stored import at

pytestmark = pytest.mark.django_db
SECRET = "Zanzibar"
WINDOW = "start=2025-11-01&end=2025-12-31"
HX = {"HX-Request": "true"}


@pytest.fixture
def documents(indices: None) -> Iterator[None]:
    """Three incidents and a group of the tenant acme, and as many of another, which say so in every field."""
    store.forget()
    CustomField.objects.create(name="tenant", label="Tenant", type="select", options=["acme"], bulk_editable=True)
    CustomField.objects.create(name="code", label="Code word", type="text", bulk_editable=True, in_list=True)
    apply_custom_fields()
    declaring.declare("tenant", by="test")
    for tenant in ("acme", SECRET):
        same = {
            "tenant": tenant,
            "title": f"Logon {tenant}",
            "code": tenant,
            "severity": "high",
            "rule": {"name": f"Rule {tenant}", "id": tenant},
            "entities": {"host": f"WS-{tenant}", "user": "shared"},
            "mitre": ["T1059.001"] if tenant == "acme" else ["T1486"],
        }
        short = "a" if tenant == "acme" else "z"
        stored.incidents({f"{short}{n}": {**same, "@timestamp": at(-n)} for n in range(3)})
        stored.group(f"g{short}", {f"{short}m{n}": same for n in range(2)}, **same, partition=["tenant"])
    yield
    store.forget()


def browser(row_filter: str = "", hidden: tuple[str, ...] = ()) -> Client:
    """Return the browser of a team lead who sees less."""
    ensure_roles()
    granted = Role.objects.get(name="lead").permissions
    role = Role.objects.create(
        name="less", label="Less", permissions=granted, row_filter=row_filter, hidden_fields=list(hidden)
    )
    user = User.objects.create_user("lars", "lars@example.test", "x")
    user.roles.add(role)
    client = Client()
    client.force_login(user)
    return client


PAGES = [
    f"/incidents/?{WINDOW}",
    f"/incidents/?{WINDOW}&mode=all&size=100",
    f"/incidents/?{WINDOW}&q=logon&sort=title:desc",
    f"/incidents/export?{WINDOW}&mode=all&format=csv",
    f"/incidents/export?{WINDOW}&mode=all&format=ndjson",
    "/incidents/suggestions?q=tenant:&cursor=7",
    "/incidents/suggestions?q=host:&cursor=5",
    "/incidents/suggestions?q=rule:&cursor=5",
    "/incidents/a0/",
    "/aggregations/ga/",
    "/groups/",
    f"/statistics/?{WINDOW}",
    f"/attack/?{WINDOW}",
    f"/attack/layer?{WINDOW}",
    "/views/",
    "/help",
]


def test_no_page_holds_anything_of_a_forbidden_incident(documents: None) -> None:
    client = browser("tenant:acme")
    for url in PAGES:
        text = _followed(client, url)
        assert SECRET.lower() not in text.lower(), url
        assert not re.search(r"\b(z[0-2]|zm[01]|gz)\b", text), url


def _followed(client: Client, url: str) -> str:
    answer = client.get(url)
    while answer.status_code in (301, 302):
        assert not answer["Location"].startswith("/login")
        answer = client.get(answer["Location"])
    assert answer.status_code == 200, (url, answer.status_code)
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()  # type: ignore[attr-defined]


def test_a_filter_names_a_group_that_may_be_seen_and_of_another_the_id_alone(documents: None) -> None:
    client = browser("tenant:acme")
    own, other = (
        client.get(f"/incidents/?{WINDOW}&incident_aggregation_result_id={one}").content.decode()
        for one in ("ga", "gz")
    )
    assert "Group: <b>Logon acme</b>" in own
    assert "Group: <b>gz</b>" in other
    assert SECRET not in other


def test_the_pages_of_what_is_forbidden_are_those_of_what_does_not_exist(documents: None) -> None:
    client = browser("tenant:acme")

    def read(url: str, here: str) -> tuple[int, str]:
        answer = client.get(url)
        text = answer.content.decode().replace(quote(url), "URL").replace(here, "ID")
        # Each page has its own request id and CSRF token.
        return answer.status_code, re.sub(r'[0-9a-f]{32}|csrfmiddlewaretoken" value="\w+"|X-CSRFToken[^}]*', "", text)

    for there, nowhere in (("/incidents/z0/", "/incidents/q0/"), ("/aggregations/gz/", "/aggregations/gq/")):
        first, second = read(there, there.split("/")[2]), read(nowhere, nowhere.split("/")[2])
        assert first[0] == second[0] == 404
        assert first[1] == second[1]
    changed = [client.post(f"/incidents/{one}/change", {"set": "comment", "v.comment": "x"}) for one in ("z0", "q0")]
    assert [answer.status_code for answer in changed] == [404, 404]
    members = [client.get(f"/incidents/list/members/{one}", headers=HX).content for one in ("gz", "gq")]
    assert members[0].replace(b"gz", b"gq") == members[1]


def test_counts_in_the_navigation_and_of_new_rows_are_of_what_may_be_seen(documents: None) -> None:
    client = browser("tenant:acme")
    client.post("/views/save", {"name": "Everything", "next": f"/incidents/?{WINDOW}&mode=incidents", "pinned": "1"})
    html = client.get("/views/").content.decode()
    assert re.search(r"<span>Everything</span><b>(\d+)</b>", html).group(1) == "5"  # type: ignore[union-attr]
    news = client.get(f"/incidents/list/news?{WINDOW}&mode=all&since=0").content.decode()
    assert "<b>6 new</b>" in news
    # Another filter of the role counts anew at once.
    Role.objects.filter(name="less").update(row_filter="tenant:nobody")
    html = client.get("/views/").content.decode()
    assert re.search(r"<span>Everything</span><b>(\d+)</b>", html).group(1) == "0"  # type: ignore[union-attr]


def test_a_bulk_change_of_everything_is_of_what_the_list_showed(documents: None) -> None:
    client = browser("tenant:acme")
    page = client.get(f"/incidents/?{WINDOW}&mode=incidents").content.decode()
    rs = re.findall(r'data-rs="([^"]+)"', page)[0]
    form = {"next": f"/incidents/?{WINDOW}&mode=incidents&rs={rs}", "scope": "all", "set.severity": "low"}
    for other in ("incident/z0", "incident/q0"):
        ticked = {**form, "scope": "ticked", "keys": f"incident/a0 {other}", "total": "2", "step": "apply"}
        assert "nothing was changed" in client.post("/incidents/bulk/", ticked).content.decode()
    offered = client.post("/incidents/bulk/", {**form, "total": "5"}).content.decode()
    assert {"code", "severity"} <= (fields := set(re.findall(r'name="set\.(\w+)"', offered)))
    assert "tenant" not in fields
    done = client.post("/incidents/bulk/", {**form, "total": "5", "step": "apply"}).content.decode()
    assert "5" in done
    severities = {one: _severity(one) for one in ("a0", "am0", "z0", "zm0")}
    assert severities == {"a0": "low", "am0": "low", "z0": "high", "zm0": "high"}


def _severity(doc_id: str) -> str:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return str(found.source["severity"])


def test_an_access_field_is_shown_on_the_card_and_not_edited_there(documents: None) -> None:
    client = browser("tenant:acme")
    html = client.get("/incidents/a0/").content.decode()
    edited = re.findall(r'name="set" value="(\w+)"', html)
    assert "code" in edited
    assert "tenant" not in edited
    assert "Tenant" in html
    answer = client.post("/incidents/a0/change", {"set": "tenant", "v.tenant": "other"})
    assert answer.status_code == 400
    assert "is an access field" in answer.content.decode()


def test_no_page_holds_a_hidden_field(documents: None) -> None:
    entities = ("entities.host", "rule.name", "rule.id", "mitre")
    client = browser(hidden=("code", "tenant", "resolution", "description", "comment", *entities))
    stored.incidents({"a0": {"title": "Logon", "code": SECRET, "entities": {"host": SECRET}, "rule": {"name": SECRET}}})
    for url in PAGES:
        text = _followed(client, url)
        for held in ("Code word", f"WS-{SECRET}", f"Rule {SECRET}", 'value="code"'):
            assert held not in text, url


def test_the_card_offers_no_form_for_what_is_hidden(documents: None) -> None:
    hidden = ("code", "resolution", "resolution_note", "description", "comment")
    html = browser(hidden=hidden).get("/incidents/a0/").content.decode()
    assert not set(re.findall(r'name="set" value="(\w+)"', html)) & set(hidden)
    # Whoever does not see verdicts still ends the work.
    assert 'name="v.status" value="closed"' in html

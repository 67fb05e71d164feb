"""The card against the stored documents: what it shows, what its forms change, and what it says when they may not."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.incidents import editing
from imweb.incidents.models import CustomField
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from imweb.web.card.markdown import render
from tests import stored
from tests.integration.pits_ground import servers
from tests.stored import at

HX = {"HX-Request": "true", "HX-Target": "card"}
HOSTILE = "<script>alert(1)</script>\u202e{{ 7 }}"


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


@pytest.fixture
def one(indices: None) -> str:
    CustomField.objects.create(name="site", label="Site", type="select", options=["north", "south"])
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a", "b"])
    CustomField.objects.create(name="score", label="Score", type="number")
    apply_custom_fields()
    stored.incidents(
        {
            "i1": {
                "@timestamp": at(0),
                "title": HOSTILE,
                "description": "**bold** <img src=x onerror=alert(1)> [no](javascript:alert(1)) [site](https://example.org)",
                "severity": "high",
                "rule": {"id": "7", "name": "Rule seven"},
                "entities": {"host": "WS-1", "user": "CORP\\ann", "command_line": "x" * 10_000},
                "mitre": ["TA0002", "T1059.001", "T9999"],
                "event": {"process": {"pid": 7, "name": HOSTILE}},
                "site": "north",
            }
        }
    )
    return "/incidents/i1/"


def source(doc_id: str = "i1", kind: Any = "incident") -> dict[str, Any]:
    found = gateway().get(schema.alias_of(kind), doc_id)
    assert found is not None
    return found.source


def revision(html: str) -> str:
    found = re.search(r'name="rev" value="(\d+)"', html)
    assert found
    return found[1]


def test_the_page_shows_the_document_and_hostile_text_as_text(client: Client, one: str) -> None:
    html = client.get(one).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html
    assert "U+202E" in html
    assert "<strong>bold</strong>" in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "https://attack.mitre.org/techniques/T1059/001" in html
    assert "T9999" in html
    assert "process.name" in html


def test_markdown_keeps_its_marks_and_nothing_that_acts() -> None:
    html = render("# Head\n\n- a\n- `b`\n\n[x](https://a.test) <b onclick=1>raw</b>")
    assert "<h3>Head</h3>" in html
    assert "<li>a</li>" in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "<b " not in html


def test_htmx_gets_the_card_alone_and_a_missing_one_is_explained_in_the_flyout(client: Client, one: str) -> None:
    html = client.get(one, headers=HX).content.decode()
    assert "<html" not in html
    assert "data-close-card" in html
    gone = client.get("/incidents/nothing/", headers=HX)
    assert gone.status_code == 200
    assert "not there any more" in gone.content.decode()
    assert client.get("/incidents/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ({"set": "reviewer", "v.reviewer": "ann"}, "reviewer", "ann"),
        ({"set": "severity", "v.severity": "low"}, "severity", "low"),
        ({"set": "status", "v.status": "in_progress"}, "status", "in_progress"),
        ({"set": "comment", "v.comment": "Looking into it"}, "comment", "Looking into it"),
        ({"set": "description", "v.description": "New"}, "description", "New"),
        ({"set": "site", "v.site": "south"}, "site", "south"),
        ({"set": "tags", "v.tags": ["a", "b"]}, "tags", ["a", "b"]),
        ({"set": "score", "v.score": "7.5"}, "score", 7.5),
        ({"take": "1"}, "reviewer", "lead"),
    ],
)
def test_each_field_is_changed_by_its_own_form(
    client: Client, one: str, form: dict[str, Any], name: str, value: Any
) -> None:
    rev = revision(client.get(one).content.decode())
    response = client.post(f"{one}change", form | {"rev": rev})
    assert response.status_code == 302
    assert response["Location"] == one
    assert source()[name] == value
    client.post(f"{one}change", form | {"rev": rev, "where": "flyout"}, headers=HX)
    assert source()[name] == value


def test_a_verdict_closes_with_resolution_and_note(client: Client, one: str) -> None:
    form = {"set": ["status", "resolution", "resolution_note"], "v.status": "closed", "v.resolution": "false_positive"}
    response = client.post(f"{one}change", form | {"v.resolution_note": "Known tool"}, headers=HX)
    assert response["X-Im-Saved"] == "1"
    assert 'data-row="incident/i1"' in response.content.decode()
    held = source()
    assert (held["status"], held["resolution"], held["resolution_note"]) == ("closed", "false_positive", "Known tool")


def test_the_second_to_take_it_hears_who_has_it(client: Client, one: str, analyst: User) -> None:
    rev = revision(client.get(one).content.decode())
    other = Client()
    other.force_login(analyst)
    other.post(f"{one}change", {"take": "1", "rev": rev})
    response = client.post(f"{one}change", {"take": "1", "rev": rev}, headers=HX)
    html = response.content.decode()
    assert "Somebody was faster" in html
    assert "analyst" in html
    assert "Use mine" in html
    assert "X-Im-Saved" not in response
    assert source()["reviewer"] == "analyst"
    client.post(f"{one}change", {"take": "1", "rev": revision(html)}, headers=HX)
    assert source()["reviewer"] == "lead"


def test_an_error_keeps_the_text_and_names_the_field(client: Client, one: str) -> None:
    html = client.post(f"{one}change", {"set": "score", "v.score": "many"}, headers=HX).content.decode()
    assert "Score: a number" in html
    form = {"set": ["severity", "comment"], "v.severity": "awful", "v.comment": "typed text"}
    response = client.post(f"{one}change", form)
    assert response.status_code == 400
    assert "typed text" in response.content.decode()


def test_an_analyst_may_not_change_what_is_the_leads(one: str, analyst: User) -> None:
    client = Client()
    client.force_login(analyst)
    html = client.get(one).content.decode()
    assert 'id="severity"' not in html
    assert 'name="take"' in html
    response = client.post(f"{one}change", {"set": "severity", "v.severity": "low"})
    assert response.status_code == 403
    assert source()["severity"] == "high"
    assert client.post(f"{one}delete").status_code == 403


def test_history_shows_old_and_new(client: Client, one: str) -> None:
    client.post(f"{one}change", {"set": "severity", "v.severity": "low"})
    html = client.get(one).content.decode()
    assert "<s>High</s>" in html
    assert "<mark>Low</mark>" in html


def test_the_group_shows_its_incidents_and_spreads_a_change(client: Client, indices: None) -> None:
    stored.group("g1", {f"m{n}": {"@timestamp": at(-60 * n), "title": f"Member {n}"} for n in range(30)})
    html = client.get("/aggregations/g1/").content.decode()
    assert "30 incidents" in html
    assert "Member 0<" in html
    assert "Member 29" not in html
    assert "Member 29" in client.get("/aggregations/g1/?from=25").content.decode()
    assert 'data-chart="severity"' in html
    response = client.post("/aggregations/g1/change", {"set": "reviewer", "v.reviewer": "ann", "sync": "1"})
    assert response.status_code == 302
    assert "/incidents/bulk/" in response["Location"]
    assert source("g1", "aggregation")["reviewer"] == "ann"
    assert {source(f"m{n}").get("reviewer") for n in range(30)} == {"ann"}


def test_the_groups_entry_lists_groups_alone(client: Client, indices: None) -> None:
    stored.group("g1", {"m1": {}}, title="A group")
    stored.incidents({"alone": {}})
    address = client.get("/groups/")["Location"]
    html = client.get(address.replace("start=now-7d", "start=2025-11-01&end=2025-12-31")).content.decode()
    assert 'data-key="aggregation/g1"' in html
    assert 'data-key="incident/alone"' not in html
    assert _where(html) == ["Groups"]
    assert _where(client.get("/incidents/").content.decode()) == ["Incidents"]
    assert _where(client.get("/incidents/?mode=incidents&incidents_count=%3E%3D1").content.decode()) == ["Incidents"]


def _where(html: str) -> list[str]:
    """Return the entries of the side navigation that are marked as where one stands."""
    side = html[html.index('<nav class="im-nav') : html.index("</nav>")]
    return [
        re.sub(r"<[^>]+>", "", line).strip() for line in re.findall(r'<a [^>]*aria-current="page".*?</a>', side, re.S)
    ]


def test_an_administrator_deletes_and_the_card_says_so(one: str, administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    assert client.post(f"{one}delete").status_code == 302
    assert client.get(one).status_code == 404
    assert client.post(f"{one}change", {"set": "comment", "v.comment": "x"}).status_code == 404
    gone = client.post(f"{one}change", {"set": "comment", "v.comment": "x"}, headers=HX)
    assert "not there any more" in gone.content.decode()


def test_opensearch_down_is_said_in_the_flyout_and_on_the_page(client: Client, one: str, settings: Any) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        flyout = client.get(one, headers=HX)
        assert "The search does not answer" in flyout.content.decode()
        page = client.get(one)
        assert page.status_code == 503
        assert "The search does not answer" in page.content.decode()
        typed = client.post(f"{one}change", {"set": "comment", "v.comment": "kept"}, headers=HX)
        assert typed.status_code == 503
        assert typed["HX-Reswap"] == "beforeend", "the card with what was typed stays"


def test_a_history_of_any_length_is_paged_through_to_its_beginning(client: Client, one: str, lead: User) -> None:
    for number in range(230):
        editing.update(actor_of(lead), "incident", "i1", {"comment": f"said {number:03}"})
    seen: list[str] = []
    page = client.get(one).content.decode()
    pages = 0
    while True:
        seen += re.findall(r"said \d{3}", page[page.index('class="im-tl"') :] if pages == 0 else page)
        pages += 1
        link = re.search(r'hx-get="(/incidents/i1/history\?before=[^"]+)"', page)
        if link is None:
            break
        page = client.get(link[1].replace("&amp;", "&"), headers=HX).content.decode()
    assert seen == [f"said {number:03}" for number in reversed(range(230))]
    assert pages == 3


def test_older_entries_have_an_address_without_a_script(client: Client, one: str, lead: User) -> None:
    for number in range(105):
        editing.update(actor_of(lead), "incident", "i1", {"comment": f"said {number:03}"})
    page = client.get(one).content.decode()
    assert "said 003" not in page
    link = re.search(r'href="(/incidents/i1/\?before=[^"]+)#card-history"', page)
    assert link
    older = client.get(link[1]).content.decode()
    assert "said 003" in older
    assert "said 050" not in older
    assert "Back to the newest entries" in older
    assert client.get("/incidents/i1/?before=nonsense").status_code == 400
    assert client.get("/incidents/i1/history?before=nonsense", headers=HX).status_code == 400
    assert client.get("/incidents/nobody/history?before=x", headers=HX).status_code == 404


def test_a_choice_takes_its_options_and_what_stands_there_already(client: Client, indices: None) -> None:
    CustomField.objects.create(name="site", label="Site", type="select", options=["north", "south"])
    CustomField.objects.create(name="tags", label="Tags", type="multiselect", options=["a", "b"])
    CustomField.objects.create(name="town", label="Town", type="select", options=["x"], live_options=True)
    apply_custom_fields()
    stored.incidents({"i1": {"@timestamp": at(0), "site": "gone", "tags": ["old"]}})
    for name, value in (("site", "west"), ("tags", ["a", "west"])):
        page = client.post("/incidents/i1/change", {"set": name, f"v.{name}": value, "rev": "1"}).content.decode()
        assert "“west” is none of the options" in page
    assert source()["site"] == "gone"
    for name, value in (("site", "gone"), ("tags", ["old", "b"]), ("town", "anywhere")):
        client.post("/incidents/i1/change", {"set": name, f"v.{name}": value})
        assert source()[name] == value


def test_minus_zero_is_stored_as_zero(client: Client, indices: None) -> None:
    CustomField.objects.create(name="score", label="Score", type="number")
    apply_custom_fields()
    stored.incidents({"i1": {"@timestamp": at(0), "score": 5.0}})
    client.post("/incidents/i1/change", {"set": "score", "v.score": "-0"})
    assert str(source()["score"]) == "0.0"


def test_a_duplicate_names_the_one_that_stays(client: Client, indices: None) -> None:
    stored.incidents({"i1": {"@timestamp": at(0)}, "i2": {"@timestamp": at(1)}})
    form = {"set": ["status", "resolution", "duplicate_of"], "v.status": "closed", "v.resolution": "duplicate"}
    for wrong, reason in (("nobody", "there is no incident with this id"), ("i1", "is this very incident")):
        page = client.post("/incidents/i1/change", form | {"v.duplicate_of": wrong}).content.decode()
        assert reason in page
        assert source()["status"] == "new"
    client.post("/incidents/i1/change", form | {"v.duplicate_of": "i2"})
    assert (source()["status"], source()["duplicate_of"]) == ("closed", "i2")
    assert '<a href="/incidents/i2/">i2</a>' in client.get("/incidents/i1/").content.decode()


def test_what_was_typed_for_a_duplicate_is_nothing_for_another_verdict(client: Client, indices: None) -> None:
    stored.incidents({"i1": {"@timestamp": at(0)}})
    form = {"set": ["status", "resolution", "duplicate_of"], "v.status": "closed", "v.resolution": "benign"}
    client.post("/incidents/i1/change", form | {"v.duplicate_of": "nobody"})
    assert source()["resolution"] == "benign"
    assert "duplicate_of" not in source()


def test_a_verdict_goes_on_to_the_open_ones_like_it(client: Client, indices: None) -> None:
    now = datetime.now(UTC).isoformat()
    alike = {"@timestamp": now, "rule": {"name": "R"}, "entities": {"host": "WS-1"}}
    stored.incidents(
        {
            "i1": alike,
            "i2": alike,
            "i3": {**alike, "status": "in_progress"},
            "closed": {**alike, "status": "closed"},
            "elsewhere": {**alike, "entities": {"host": "WS-2"}},
        }
    )
    form = {
        "set": ["status", "resolution", "resolution_note"],
        "v.status": "closed",
        "v.resolution": "false_positive",
        "v.resolution_note": "The scanner",
        "then": "similar",
    }
    page = client.post("/incidents/i1/change", form, headers=HX).content.decode()
    hidden = dict(
        re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page[page.index("<form hidden") :])
    )
    assert hidden["total"] == "2"
    hidden = {name: html.unescape(value) for name, value in hidden.items()}
    preview = client.post("/incidents/bulk/", hidden, headers=HX).content.decode()
    assert "2 rows will change like this" in preview
    assert client.post("/incidents/bulk/", hidden | {"step": "apply"}, headers=HX).status_code == 200
    verdicts = {name: source(name).get("resolution") for name in ("i1", "i2", "i3", "closed", "elsewhere")}
    given = "false_positive"
    assert verdicts == {"i1": given, "i2": given, "i3": given, "closed": None, "elsewhere": None}

    # Without a script: the list of them, to be changed there; and a word where there is none.
    stored.incidents({"i4": alike, "i5": alike})
    answer = client.post("/incidents/i4/change", form)
    assert answer.status_code == 302
    assert "status=new" in answer["Location"]
    client.post("/incidents/i5/change", form | {"then": ""})
    stored.incidents({"i6": alike})
    page = client.post("/incidents/i6/change", form, follow=True).content.decode()
    assert "No other open one is like it." in page

"""The list page against the API: the same rows in the same order, and what the page says when it cannot show any."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client

from imweb.accounts.models import Role, User
from imweb.incidents.models import CustomField
from imweb.incidents.pits import release_all
from imweb.incidents.pits.models import ResultSet
from imweb.incidents.setup import apply_custom_fields
from imweb.opensearch.node import free_port
from tests import stored
from tests.integration.pits_ground import servers
from tests.stored import at

WINDOW = {"start_time": "2025-11-01", "end_time": "2025-12-31"}
WINDOW_URL = "start=2025-11-01&end=2025-12-31"
LEVELS = ["critical", "high", "medium", "low", "informational"]


class Seen(HTMLParser):
    """What a person finds on the page: rows by key, the pager's links, the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.next = ""
        self.words: list[str] = []
        self.url = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr" and found.get("data-key"):
            self.keys.append(str(found["data-key"]))
        if tag == "a" and "data-next" in found:
            self.next = str(found["href"])
        if found.get("id") == "view":
            self.url = str(found["data-url"])

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


@pytest.fixture
def detections(indices: None) -> list[str]:
    """120 incidents, 20 of them in four groups, and a custom field of each type that filters."""
    for name, kind in (("site", "select"), ("tags", "multiselect"), ("score", "number"), ("ticket", "text")):
        CustomField.objects.create(name=name, label=name.capitalize(), type=kind, options=["north", "south", "a", "b"])
    apply_custom_fields()
    for number in range(4):
        members = {f"g{number}-{n}": _incident(number * 5 + n) for n in range(5)}
        stored.group(f"result-{number}", members, severity=LEVELS[number], title=f"Group {number}")
    return stored.incidents({f"i{n:03}": _incident(n) for n in range(20, 120)})


def _incident(number: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "@timestamp": at(-60 * (number // 2)),
        "title": f"Detection {number % 7}",
        "severity": LEVELS[number % 5],
        "status": ["new", "in_progress", "closed"][number % 3],
        "source": ["EDR", "Firewall"][number % 2],
        "rule": {"id": str(number % 7), "name": f"Rule {number % 7}"},
        "entities": {"host": f"WS-{number % 9}"},
        "mitre": ["TA0002", "T1059.001"] if number % 2 else ["TA0006", "T1003"],
        "site": ["north", "south"][number % 2],
        "tags": ["a", "b"] if number % 3 else ["b"],
        "score": float(number),
        "ticket": f"INC-{number}",
    }
    if number % 4:
        fields["reviewer"] = f"analyst{number % 4}"
    return fields


def _field(name: str, kind: str, value: Any, *, exclude: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "value": value, "exclude": exclude}


SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("", {"collapse_grouped": True}),
    "everything": ("mode=all", {}),
    "incidents only": ("mode=incidents", {"is_show_aggs": False}),
    "two severities": (
        "severity=critical&severity=high&sort=severity:desc",
        {
            "collapse_grouped": True,
            "additional_fields": [_field("severity", "multiselect", ["critical", "high"])],
            "sort": [{"severity": "desc"}],
        },
    ),
    "all but one status, by title": (
        "not.status=closed&mode=all&sort=title:asc",
        {
            "additional_fields": [_field("status", "multiselect", ["closed"], exclude=True)],
            "sort": [{"title": "asc"}],
        },
    ),
    "nobody": (
        "not.reviewer=*&mode=incidents&sort=@timestamp:asc",
        {
            "is_show_aggs": False,
            "additional_fields": [_field("reviewer", "text", "*", exclude=True)],
            "sort": [{"@timestamp": "asc"}],
        },
    ),
    "a number": (
        "score=30..77&mode=all",
        {"additional_fields": [_field("score", "number", "30..77")]},
    ),
    "a pattern": (
        "ticket=inc-1*&mode=all",
        {"additional_fields": [_field("ticket", "text", "inc-1*")]},
    ),
    "a select and a multiselect, by reviewer": (
        "site=north&tags=a&mode=all&sort=reviewer:asc",
        {
            "additional_fields": [_field("site", "multiselect", ["north"]), _field("tags", "multiselect", ["a"])],
            "sort": [{"reviewer": "asc"}],
        },
    ),
    "a tactic and a rule": (
        "mitre=TA0006&rule.name=Rule+3&mode=all&sort=status:desc",
        {
            "additional_fields": [
                _field("mitre", "multiselect", ["TA0006"]),
                _field("rule.name", "multiselect", ["Rule 3"]),
            ],
            "sort": [{"status": "desc"}],
        },
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_page_and_api_agree_on_total_and_order(client: Client, detections: list[str], name: str) -> None:
    query, body = SAME[name]
    answer = client.post(
        "/_im/incidents_full_types",
        json.dumps({**WINDOW, **body, "size": 1000, "with_total_docs": True}),
        content_type="application/json",
    ).json()
    expected = [f"{doc['_meta']['type']}/{doc['_meta']['id']}" for doc in answer["docs"]]
    assert expected, "a filter that finds nothing shows nothing"

    url = f"/incidents/?{WINDOW_URL}&{query}"
    walked: list[str] = []
    while url:
        page = Seen(client.get(url).content.decode())
        assert f"{answer['total_docs']:,} row" in page.text
        walked += page.keys
        url = page.next
    assert walked == expected


def test_pages_of_one_address_share_one_point_in_time(client: Client, detections: list[str], lead: User) -> None:
    first = Seen(client.get(f"/incidents/?{WINDOW_URL}&mode=all").content.decode())
    stored.incidents({f"later{n}": {"@timestamp": at(30)} for n in range(40)})
    second = Seen(client.get(first.next).content.decode())
    assert not set(first.keys) & set(second.keys)
    assert not [key for key in second.keys if "later" in key]
    assert ResultSet.objects.filter(user_id=lead.pk).count() == 1


def test_an_ended_point_in_time_is_opened_again_at_the_same_row(client: Client, detections: list[str]) -> None:
    first = Seen(client.get(f"/incidents/?{WINDOW_URL}&mode=all").content.decode())
    second = Seen(client.get(first.next).content.decode())
    stored.incidents({f"later{n}": {"@timestamp": at(30)} for n in range(7)})
    release_all(User.objects.get(username="lead").pk)
    page = Seen(client.get(second.url).content.decode())
    assert "opened again" in page.text
    # Seven newer rows stand before it now; it begins with its old first row, or with another of the same moment.
    assert second.keys[0] in page.keys[:2]
    assert second.keys[1:20] == page.keys[page.keys.index(second.keys[0]) + 1 :][:19]


def test_signing_out_ends_the_page_s_point_in_time(client: Client, detections: list[str], lead: User) -> None:
    client.get(f"/incidents/?{WINDOW_URL}")
    assert ResultSet.objects.filter(user_id=lead.pk).exists()
    client.post("/logout")
    assert not ResultSet.objects.filter(user_id=lead.pk).exists()


def test_new_filters_release_the_set_that_they_leave(client: Client, detections: list[str], lead: User) -> None:
    old = Seen(client.get(f"/incidents/?{WINDOW_URL}").content.decode())
    left = dict(parse_qsl(urlsplit(old.url).query))["rs"]
    headers = {"HX-Request": "true", "HX-Target": "view", "HX-Current-URL": f"http://testserver{old.url}"}
    answer = client.get(f"/incidents/?{WINDOW_URL}&status=new", headers=headers)
    assert answer["HX-Push-Url"].startswith("/incidents/?")
    keys = set(ResultSet.objects.filter(user_id=lead.pk).values_list("key", flat=True))
    assert left not in keys
    assert len(keys) == 1


FAULTS = {
    "from=-1": "0 or more",
    "size=1000000000": "25, 50 or 100",
    "size=ten": "25, 50 or 100",
    "start=yesterday": "is no time",
    "start=2025-12-01&end=2025-01-01": "is after To; swap",
    "nonsense=1": "is no field",
    "severty=high": "did you mean 'severity'",
    # A name that no other test brings a mapping for.
    "ransom_level=abc": "is no field",
    "sort=nonsense:asc": "cannot be sorted by “nonsense:asc”",
    "sort=mitre:asc": "cannot be sorted by “mitre:asc”",
    "sort=severity": "cannot be sorted by “severity”",
    "rs=%2E%2E": "key of a result set",
}


@pytest.mark.parametrize("query", FAULTS)
def test_a_mistaken_address_is_answered_in_the_page(client: Client, indices: None, query: str) -> None:
    answer = client.get(f"/incidents/?{query}")
    page = Seen(answer.content.decode())
    assert answer.status_code == 400
    assert FAULTS[query] in page.text
    assert "Refresh" in page.text, "the frame stands around the error"


def test_an_order_that_is_not_known_is_no_filter_and_the_page_leads_out_of_it(client: Client, indices: None) -> None:
    answer = client.get("/incidents/?sort=severity&severity=high")
    page = Seen(answer.content.decode())
    assert "This order is not known" in page.text
    assert "filter is not understood" not in page.text
    found = re.search(r'href="([^"]+)">Show the newest first', answer.content.decode())
    assert found
    out = found[1].replace("&amp;", "&")
    assert "severity=high" in out
    assert client.get(out).status_code == 200


def test_a_severity_has_one_name_on_the_page(client: Client, detections: list[str]) -> None:
    html = client.get(f"/incidents/?{WINDOW_URL}&mode=all").content.decode()
    assert "Informational" not in html
    assert "Info" in Seen(html).words


def test_a_query_that_is_not_understood_keeps_its_text(client: Client, indices: None) -> None:
    pytest.importorskip("imweb.incidents.querylang")
    answer = client.get("/incidents/", {"q": "severity:(critical or"})
    html = answer.content.decode()
    assert answer.status_code == 400
    assert "severity:(critical or" in html
    assert "The search text is not understood" in html
    reason = Seen(client.get("/incidents/", {"q": "and"}).content.decode()).text
    expected = 'a field such as severity:, a word, a quoted text, "(", "not" or the end.'
    assert f'Cannot read "and"; expected {expected}' in reason


def test_hostile_text_stays_text(client: Client, indices: None) -> None:
    evil = "<script>alert(1)</script>{{ 7 }}\u202egnp.exe\"'" + "A" * 10_000
    stored.incidents({"evil": {"title": evil, "entities": {"host": evil, "command_line": evil}, "reviewer": evil[:99]}})
    html = client.get(f"/incidents/?{WINDOW_URL}").content.decode()
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "U+202E" in html
    assert len(html) < 120_000


def test_who_may_not_see_incidents_is_told_so(indices: None, analyst: User) -> None:
    role = Role.objects.create(name="nothing", label="Nothing", permissions=["incident.comment"])
    analyst.roles.set([role])
    client = Client()
    client.force_login(analyst)
    answer = client.get("/incidents/")
    assert answer.status_code == 403
    assert "“See incidents and groups”" in answer.content.decode()


def test_a_visitor_is_sent_to_sign_in_and_back(db: None) -> None:
    answer = Client().get("/incidents/?severity=high")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=")
    assert "severity%3Dhigh" in answer["Location"]


def test_a_filter_by_a_group_is_called_as_the_group_and_by_its_id_where_there_is_none(
    client: Client, detections: list[str], lead: User
) -> None:
    named = f"{WINDOW_URL}&mode=all&incident_aggregation_result_id="
    assert "Group: Group 1" in Seen(client.get(f"/incidents/?{named}result-1").content.decode()).text
    assert "Group: Group 1" in Seen(client.get(f"/statistics/?{named}result-1").content.decode()).text
    several = f"{named}result-1&incident_aggregation_result_id=gone&incident_aggregation_result_id=result-*"
    assert "Group: Group 1 or gone or result-*" in Seen(client.get(f"/incidents/?{several}").content.decode()).text
    assert "any value" in Seen(client.get(f"/incidents/?{named}*").content.decode()).text
    for odd in ("x" * 600, "%00", "..%2F_all", "%F0%9F%92%A5" * 200):
        assert client.get(f"/incidents/?{named}{odd}").status_code == 200, odd[:9]
    # Whoever may not read titles reads the id.
    role = Role.objects.get(name="lead")
    role.hidden_fields = ["title"]
    role.save()
    blind = Client()
    blind.force_login(User.objects.get(pk=lead.pk))
    assert "Group: result-1" in Seen(blind.get(f"/incidents/?{named}result-1").content.decode()).text


def test_opensearch_down_is_said_in_the_page(client: Client, indices: None, settings: Any) -> None:
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        answer = client.get("/incidents/?severity=high")
        fragment = client.get("/incidents/?severity=high", headers={"HX-Request": "true", "HX-Target": "rows"})
    html = answer.content.decode()
    assert answer.status_code == 503
    assert "The search does not answer" in html
    assert "Refresh" in html, "the frame stands around the error"
    assert fragment.status_code == 503
    assert fragment["HX-Retarget"] == "#toasts", "the rows that stand stay as they are"


def test_redis_down_shows_the_list_all_the_same(client: Client, detections: list[str], settings: Any) -> None:
    with servers(settings, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
        answer = client.get(f"/incidents/?{WINDOW_URL}&mode=all")
    assert answer.status_code == 200
    assert len(Seen(answer.content.decode()).keys) == 25


def test_pages_travel_compressed_with_a_blurred_length_and_the_api_as_it_is(
    client: Client, detections: list[str]
) -> None:
    lengths = set()
    for _attempt in range(6):
        answer = client.get(
            f"/incidents/?{WINDOW_URL}", headers={"HX-Request": "true", "HX-Target": "rows", "Accept-Encoding": "gzip"}
        )
        assert answer["Content-Encoding"] == "gzip"
        assert len(answer.content) < 30_000
        lengths.add(len(answer.content))
    assert len(lengths) > 1
    api = client.get("/_im/me", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in api


def test_at_the_limit_of_points_in_time_the_page_shows_its_rows_and_says_that_they_are_not_frozen(
    indices: None, client: Client, settings: Any
) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(n), "severity": LEVELS[n % 5]} for n in range(60)})
    settings.IM_PIT_BUDGET = 1
    for order in ("", "&sort=severity:desc", "&mode=all", "&group_by=severity"):
        answer = client.get(f"/incidents/?{WINDOW_URL}{order}")
        assert answer.status_code == 200
        seen = Seen(answer.content.decode())
        assert "not frozen" in seen.text
        assert "60 rows" in seen.text
        assert "rs=" not in seen.url
    first = Seen(client.get(f"/incidents/?{WINDOW_URL}").content.decode())
    second = Seen(client.get(first.next).content.decode())
    assert [*first.keys, *second.keys] == [f"incident/i{n}" for n in range(59, 9, -1)]

    # A place in an unfrozen list is kept when there is room again, and then it is frozen.
    settings.IM_PIT_BUDGET = 40
    again = Seen(client.get(first.next).content.decode())
    assert "not frozen" not in again.text
    assert again.keys == second.keys
    assert "rs=" in again.url


def test_a_list_whose_point_in_time_ended_at_the_limit_is_shown_unfrozen(
    indices: None, client: Client, lead: User, settings: Any
) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(n)} for n in range(30)})
    url = Seen(client.get(f"/incidents/?{WINDOW_URL}").content.decode()).url
    release_all(lead.pk)
    settings.IM_PIT_BUDGET = 1
    seen = Seen(client.get(url).content.decode())
    assert "not frozen" in seen.text
    assert seen.keys == [f"incident/i{n}" for n in range(29, 4, -1)]
    bulk = Seen(client.post("/incidents/bulk/", {"scope": "all", "next": url, "total": "30"}).content.decode())
    assert "A point in time costs 2 contexts" in bulk.text
    assert "This cannot be done" in bulk.text


def test_a_field_that_is_no_text_can_be_asked_for_having_a_value(indices: None, client: Client) -> None:
    CustomField.objects.create(name="score", label="Score", type="number")
    apply_custom_fields()
    stored.incidents({"with": {"score": 3}, "without": {}})
    for operator, expected in (("any", "incident/with"), ("none", "incident/without")):
        answer = client.get(f"/incidents/?start=any&end=any&add=score&op={operator}&value=", follow=True)
        assert Seen(answer.content.decode()).keys == [expected]


def test_a_facet_leads_to_the_values_that_it_has_no_room_for(indices: None, client: Client) -> None:
    stored.incidents({f"i{n:02}": {"@timestamp": at(-n), "rule": {"name": f"Rule {n % 9}"}} for n in range(27)})
    page = client.get(f"/incidents/?{WINDOW_URL}").content.decode()
    assert "9 with other values" in Seen(page).text
    # The filter by the field itself would leave out what is asked for; any other stays.
    narrowed = client.get(f"/incidents/?{WINDOW_URL}&rule.name=Rule+1&severity=medium").content.decode()
    for html in (page, narrowed):
        [url] = re.findall(r'<p class="im-note"><a href="([^"]+)"', html)
        folded = Seen(client.get(url.replace("&amp;", "&")).content.decode()).text
        assert "9 groups" in folded
        assert all(f"Rule {n}" in folded for n in range(9))
    assert "severity=medium" in url
    assert "rule.name=" not in url

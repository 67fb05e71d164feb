"""A custom field's whole way in a browser: defined, filled in, filtered by, listed, changed in bulk, exported.

Then each definition is changed, and what was filled in before is still there to be read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from imweb.accounts.actor import actor_of
from imweb.accounts.models import User
from imweb.configuration import store
from imweb.incidents import custom_fields, history
from imweb.opensearch import gateway, schema
from tests import stored
from tests.api_client import api_for
from tests.e2e.conftest import WINDOW
from tests.stored import at

Desk = Callable[..., Page]
LABELS = {
    "ticket": ("Ticket", "text"),
    "score": ("Score", "number"),
    "site": ("Site", "select"),
    "tags": ("Tags", "multiselect"),
    "due": ("Due", "datetime"),
    "notes": ("Notes", "markdown"),
}
FILLED: dict[str, Any] = {
    "ticket": "INC-7",
    "score": 7.5,
    "site": "north",
    "tags": ["a", "b"],
    "due": "2025-11-23T13:00:00.000Z",
    "notes": "**seen** before",
}
SHOWN = {
    "ticket": "INC-7",
    "score": "7.5",
    "site": "north",
    "tags": "a, b",
    "due": "2025-11-23 14:00",
    "notes": "seen before",
}
# The list has a column for all but long texts.
LISTED = ["INC-7", "7.5", "north", "a, b", "2025-11-23 14:00"]
ASKED: list[dict[str, Any]] = [
    {"name": "ticket", "type": "text", "value": "inc-*"},
    {"name": "score", "type": "number", "value": "7..8"},
    {"name": "site", "type": "select", "value": "north"},
    {"name": "tags", "type": "multiselect", "value": ["b", "c"]},
    {"name": "notes", "type": "text", "value": "*seen*"},
]
SEARCHED = ["ticket:INC-7", "score:>=7", "site:north", "tags:b", "due:[2025-11-23 TO 2025-11-24]", "notes:seen"]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    store.forget()
    yield
    store.forget()


@pytest.fixture
def four(new_indices: None) -> None:
    """Four incidents that nobody has filled anything into."""
    stored.incidents({f"i{n}": {"@timestamp": at(-60 * n), "title": f"Detection {n}"} for n in range(1, 5)})


def source(doc_id: str = "i1") -> dict[str, Any]:
    found = gateway().get(schema.incidents_alias(), doc_id)
    assert found is not None
    return found.source


def filled(doc_id: str = "i1") -> dict[str, Any]:
    return {name: source(doc_id).get(name) for name in FILLED}


def define_in_the_browser(page: Page, base: str) -> None:
    for name, (label, kind) in LABELS.items():
        page.goto(f"{base}/settings/fields/new")
        page.get_by_label("Label", exact=True).fill(label)
        page.locator(f"[name=type][value={kind}]").check()
        if "select" in kind:
            page.get_by_label("Options, one a line").fill("north\nsouth" if kind == "select" else "a\nb\nc")
        page.get_by_role("checkbox", name="Editable in bulk").check()
        page.get_by_role("checkbox", name="Column in the list").check()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(f"tr[data-name={name}]")).to_be_visible()


def define_at_once() -> None:
    for name, (label, kind) in LABELS.items():
        options = {"site": ["north", "south"], "tags": ["a", "b", "c"]}.get(name, [])
        data = {"name": name, "label": label, "type": kind, "options": options, "in_list": True, "bulk_editable": True}
        custom_fields.save(data, by="admin", revision=0)


def editor(page: Page, name: str) -> Locator:
    """Return the place of a field on the card, opened for an edit."""
    place = page.locator("#card details.im-inline", has=page.locator(f"input[name=set][value={name}]"))
    place.locator("summary").click()
    return place


def fact(page: Page, label: str) -> Locator:
    """Return what the card shows under a label; below it stands the form."""
    return page.locator("#card dt", has_text=re.compile(f"^{label}$")).locator(
        "xpath=following-sibling::dd[1]//summary"
    )


def fill_on_the_card(page: Page) -> None:
    for name, (label, kind) in LABELS.items():
        place = editor(page, name)
        if kind == "multiselect":
            for option in FILLED[name]:
                place.get_by_role("checkbox", name=option, exact=True).check()
        elif kind == "select":
            place.get_by_label(label).select_option(FILLED[name])
        elif kind == "datetime":
            place.get_by_label(label).fill("2025-11-23T14:00")
        else:
            place.get_by_label(label).fill(str(FILLED[name]))
        place.get_by_role("button", name="Save").click()
        expect(fact(page, label)).to_have_text(SHOWN[name])


def columns(page: Page) -> Locator:
    """Return the cells of the first incident's further columns."""
    return page.locator('tr[data-key="incident/i1"] .im-c-field')


def rows(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)")
    return [key.removeprefix("incident/") for key in found]


def found_by(user: User, **filters: Any) -> list[str]:
    """Return the ids that the API lists under these filters."""
    window = {"start_time": "2025-11-01", "end_time": "2025-12-31"}
    answer = api_for(user).call("GET", "incidents_full_types", window | filters).ok()
    return [doc["_meta"]["id"] for doc in answer["docs"]]


def exported(page: Page, base: str, kind: str) -> str:
    answer = page.request.get(f"{base}/incidents/export?{WINDOW}&format={kind}")
    assert answer.ok
    return answer.text().removeprefix("\ufeff")


def change(page: Page, base: str, name: str, act: Callable[[Page], Any]) -> None:
    """Change a definition on its settings page."""
    page.goto(f"{base}/settings/fields/edit/{name}")
    act(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".im-toast")).to_contain_text("is saved.")


def into_a_choice(page: Page) -> None:
    page.locator("[name=type][value=select]").check()
    page.get_by_label("Options, one a line").fill("INC-1")


def test_each_type_goes_the_whole_way(desk: Desk, four: None, live_server: Any, administrator: User) -> None:
    base = live_server.url
    page = desk(administrator)
    define_in_the_browser(page, base)
    page.goto(f"{base}/incidents/i1/")
    fill_on_the_card(page)
    expect(fact(page, "Notes").locator("strong")).to_have_text("seen")
    assert filled() == FILLED

    page.goto(f"{base}/incidents/?{WINDOW}")
    expect(columns(page)).to_have_text(LISTED)
    for label in ("Ticket", "Score", "Site", "Tags", "Due"):
        expect(page.get_by_role("columnheader", name=label)).to_be_visible()

    bar = page.get_by_role("form", name="Custom filters")
    for name, (label, value) in {"ticket": ("Ticket", "inc-*"), "score": ("Score", ">=7")}.items():
        bar.get_by_label(label).fill(value)
        bar.get_by_label(label).press("Enter")
        expect(page.locator("tr[data-key]")).to_have_count(1)
        expect(page).to_have_url(re.compile(rf"[&?]{name}="))
        assert rows(page) == ["i1"]
        page.goto(f"{base}/incidents/?{WINDOW}")
    bar.get_by_label("Site").select_option("north")
    expect(page.locator("tr[data-key]")).to_have_count(1)
    page.goto(f"{base}/incidents/?{WINDOW}")
    bar.locator("summary", has_text="Tags").click()
    bar.get_by_role("checkbox", name="b", exact=True).check()
    bar.get_by_role("button", name="Apply").first.click()
    expect(page.locator("tr[data-key]")).to_have_count(1)
    assert rows(page) == ["i1"]
    for text in SEARCHED:
        page.goto(f"{base}/incidents/?{WINDOW}")
        page.locator("[name=q]").first.fill(text)
        page.locator("[name=q]").first.press("Enter")
        expect(page.locator("tr[data-key]")).to_have_count(1)
        assert rows(page) == ["i1"], text
        assert found_by(administrator, query_string=text) == ["i1"]
    for one in ASKED:
        assert found_by(administrator, additional_fields=[one]) == ["i1"]
        assert sorted(found_by(administrator, additional_fields=[one | {"exclude": True}])) == ["i2", "i3", "i4"]


def test_many_are_changed_at_once_and_the_files_hold_what_they_have(
    desk: Desk, four: None, live_server: Any, administrator: User
) -> None:
    base = live_server.url
    define_at_once()
    page = desk(administrator)
    page.goto(f"{base}/incidents/?{WINDOW}")
    for doc_id in ("i2", "i3"):
        page.locator(f'tr[data-key="incident/{doc_id}"] input[data-tick]').check()
    page.get_by_role("button", name="Change…", exact=True).click()
    dialog = page.locator("#bulk")
    for name, (label, kind) in LABELS.items():
        control = dialog.locator(f"[name='set.{name}']")
        expect(dialog.get_by_label(label, exact=True)).to_be_visible()
        if "select" in kind:
            control.select_option(FILLED[name])
        else:
            control.fill(str(FILLED[name]))
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Change 2 rows").click()
    expect(dialog.get_by_role("heading", name="Done")).to_be_visible()
    assert [filled(doc_id) for doc_id in ("i2", "i3")] == [FILLED, FILLED]
    assert filled("i4") == dict.fromkeys(FILLED)

    table = {line["id"]: line for line in csv.DictReader(io.StringIO(exported(page, base, "csv")))}
    assert [table["i2"][name] for name in FILLED] == [
        "INC-7", "7.5", "north", "a; b", "2025-11-23T14:00:00+01:00", "**seen** before",
    ]  # fmt: skip
    assert [table["i4"][name] for name in FILLED] == [""] * 6
    lines = {doc["_meta"]["id"]: doc for doc in map(json.loads, exported(page, base, "ndjson").splitlines())}
    assert {name: lines["i3"].get(name) for name in FILLED} == FILLED


def test_what_was_filled_in_stays_readable_whatever_becomes_of_the_definition(
    desk: Desk, four: None, live_server: Any, administrator: User
) -> None:
    base = live_server.url
    define_at_once()
    stored.incidents({"i1": {"@timestamp": at(-60), "title": "Detection 1", **FILLED}})
    page = desk(administrator)

    # Another label: the data stays under its name.
    for name, (label, _kind) in LABELS.items():
        change(page, base, name, lambda p, label=label: p.get_by_label("Label", exact=True).fill(f"{label} anew"))  # type: ignore[misc]
    page.goto(f"{base}/incidents/i1/")
    for name, (label, _kind) in LABELS.items():
        expect(fact(page, f"{label} anew")).to_have_text(SHOWN[name])
    page.goto(f"{base}/incidents/?{WINDOW}")
    expect(columns(page)).to_have_text(LISTED)
    expect(page.get_by_role("form", name="Custom filters").get_by_label("Ticket anew")).to_be_visible()
    assert [found_by(administrator, additional_fields=[one]) for one in ASKED] == [["i1"]] * len(ASKED)

    # Other options: a value that is none of them any more is shown, found, and not lost by an edit of the others.
    change(page, base, "site", lambda p: p.get_by_label("Options, one a line").fill("east"))
    change(page, base, "tags", lambda p: p.get_by_label("Options, one a line").fill("b\nd"))
    page.goto(f"{base}/incidents/?{WINDOW}&f.site=north")
    expect(columns(page)).to_have_text(LISTED)
    page.goto(f"{base}/incidents/i1/")
    expect(fact(page, "Site anew")).to_have_text("north")
    place = editor(page, "tags")
    place.get_by_role("checkbox", name="d", exact=True).check()
    place.get_by_role("button", name="Save").click()
    expect(fact(page, "Tags anew")).to_have_text("b, d, a")
    assert (source()["site"], source()["tags"]) == ("north", ["b", "d", "a"])
    assert found_by(administrator, query_string="site:north tags:a") == ["i1"]
    held = filled()

    # Another type over the same data, and back; one that would need other data is refused and changes nothing.
    change(page, base, "ticket", into_a_choice)
    page.goto(f"{base}/incidents/i1/")
    expect(fact(page, "Ticket anew")).to_have_text("INC-7")
    desk(administrator, tolerate=("status of 400",))
    page.goto(f"{base}/settings/fields/edit/score")
    page.locator("[name=type][value=text]").check()
    expect(page.locator("#check")).to_contain_text("is in the index already as numbers")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("stored as numbers; that cannot become text")
    assert custom_fields.get("score").value.type == "number"

    # Removed: hidden everywhere on the pages; scripts and the search still read it, and so does its history.
    for name in LABELS:
        page.goto(f"{base}/settings/fields/edit/{name}")
        page.get_by_role("button", name="Remove the field").click()
        expect(page.locator(".im-set-removed li", has=page.locator("code", has_text=name))).to_be_visible()
    page.goto(f"{base}/incidents/i1/")
    expect(page.locator("#card dt", has_text="anew")).to_have_count(0)
    page.goto(f"{base}/incidents/?{WINDOW}")
    expect(columns(page)).to_have_count(0)
    expect(page.get_by_role("form", name="Custom filters").get_by_label("Ticket anew")).to_have_count(0)
    assert filled() == held
    got = api_for(administrator).call("GET", "incidents/i1").ok()
    assert {name: got.get(name) for name in FILLED} == held
    assert found_by(administrator, query_string="ticket:INC-7 score:>=7") == ["i1"]
    assert found_by(administrator, additional_fields=[ASKED[1]]) == ["i1"]
    (edit,) = (entry for entry in history.entries(actor_of(administrator), "incident", "i1") if entry.edited)
    assert (edit.edited[0]["fieldName"], edit.edited[0]["newValue"]) == ("tags", ["b", "d", "a"])

    # Shown again: everything stands where it stood.
    page.goto(f"{base}/settings/fields")
    for _name in LABELS:
        page.get_by_role("button", name="Show again").first.click()
        expect(page.locator(".im-toast")).to_contain_text("shown again")
    page.goto(f"{base}/incidents/i1/")
    for name, text in (SHOWN | {"tags": "b, d, a"}).items():
        expect(fact(page, f"{LABELS[name][0]} anew")).to_have_text(text)
    assert filled() == held

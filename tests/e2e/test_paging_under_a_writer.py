"""Paging while fifty incidents a second come in: nothing moves, ticks stay, and the counter of what is new is right."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from imweb.accounts.models import User
from imweb.incidents.documents import new_source
from imweb.opensearch import gateway, schema
from tests import stored
from tests.e2e.test_list import Desk, keys
from tests.stored import at

RATE, BATCH = 50, 5  # incidents a second, and how many are sent at once
PAGES = 10


class Writer:
    """Adds incidents in front of all others, at an even rate."""

    def __init__(self) -> None:
        self.written = 0
        self.error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            began = time.monotonic()
            for number in itertools.count():
                if self._ended.wait(max(0.0, began + number * BATCH / RATE - time.monotonic())):
                    return
                self._write(number)
        except BaseException as error:
            self.error = error

    def _write(self, number: int) -> None:
        lines = []
        for part in range(BATCH):
            doc_id = f"new{number:05}-{part}"
            fields = {**stored.DEFAULTS, "@timestamp": at(1 + number), "title": "Just in"}
            source = new_source("incident", doc_id, fields, user="test", now_ms=int(time.time() * 1000))
            lines += [{"create": {"_index": schema.incidents_alias(), "_id": doc_id}}, source]
        assert not [item for item in gateway().bulk(lines) if "error" in item["create"]]
        self.written += BATCH

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Write for as long as the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(30)
        if self.error is not None:
            raise self.error


def _turn(page: Page, link: str, number: int) -> None:
    page.get_by_role("link", name=link).click()
    expect(page.locator(".im-pages [aria-current]")).to_have_text(str(number))


@pytest.fixture
def many(indices: None) -> None:
    stored.incidents({f"i{n:03}": {"@timestamp": at(-n // 3), "title": f"T {n}"} for n in range(PAGES * 25 + 40)})


def test_ten_pages_forward_and_back_show_the_same_rows_while_others_come_in(
    desk: Desk, many: None, live_server: object, analyst: User
) -> None:
    analyst.preferences = {"list": {"auto": 15}}
    analyst.save()
    page = desk(analyst)
    page.clock.install()
    writer = Writer()
    page.goto(f"{live_server.url}/incidents/?start=2025-11-01&end=2025-12-31")  # type: ignore[attr-defined]
    with writer.at_work():
        seen = {1: keys(page)}
        page.locator("input[data-tick]").nth(1).check()
        page.locator("input[data-tick]").nth(3).check()
        for number in range(2, PAGES + 1):
            _turn(page, "Next page", number)
            seen[number] = keys(page)
            if number == 5:
                page.locator("input[data-tick]").nth(7).check()
        ids = [key for number in seen for key in seen[number]]
        assert ids == [f"incident/i{n:03}" for n in range(PAGES * 25)]

        for number in range(PAGES - 1, 0, -1):
            _turn(page, "Previous page", number)
            assert keys(page) == seen[number], number
            ticked = page.locator("input[data-tick]:checked").evaluate_all("boxes => boxes.map(box => box.value)")
            assert ticked == [seen[number][at] for at in {1: (1, 3), 5: (7,)}.get(number, ())]
        expect(page.locator("[data-ticked]")).to_have_text("3 ticked")
        # The counter comes by itself while nothing else does.
        place = page.locator("tr[data-key]").first.bounding_box()
        page.clock.run_for(16_000)
        expect(page.locator("#news")).to_contain_text("new")
        assert keys(page) == seen[1]
        assert page.locator("tr[data-key]").first.bounding_box() == place
        expect(page.locator(".im-bar h1 b")).to_have_text(f"{PAGES * 25 + 40} rows")
    assert writer.written >= 3 * RATE

    gateway().refresh(schema.document_aliases())
    page.clock.run_for(16_000)
    expect(page.locator("#news")).to_contain_text(f"{writer.written:,} new")
    # Ticks are kept until somebody lets them go; their bar stands where the counter is.
    page.get_by_role("button", name="Clear the ticks").click()
    page.locator("#news").get_by_role("link", name="show").click()
    expect(page.locator(".im-bar h1 b")).to_have_text(f"{PAGES * 25 + 40 + writer.written:,} rows")
    assert keys(page)[0].startswith("incident/new")

"""`make measure`: what the pages cost a real browser, against 100,000 incidents and the built static files.

Each figure is the median of several visits by a browser that has never been here. Bytes are those on the wire, headers
included, as Chromium counts them; a request that its cache answers is none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import ground
from imweb.demo.processes import ROOT

SWAPPED = """
() => {
  // What an earlier swap of the same page left watching would count from its own click.
  window.imWatch?.abort();
  window.imWatch = new AbortController();
  const { signal } = window.imWatch;
  const swap = { shift: 0, ms: null };
  window.imSwap = swap;
  new PerformanceObserver((list) => {
    // A click makes shifts "expected" to the browser; to a reader they are not.
    for (const entry of list.getEntries()) swap.shift += entry.value;
  }).observe({ type: "layout-shift" });
  let clicked = 0;
  document.addEventListener("click", () => { clicked = performance.now(); }, { capture: true, once: true });
  document.addEventListener("htmx:afterSettle", () => {
    requestAnimationFrame(() => requestAnimationFrame(() => { swap.ms ??= performance.now() - clicked; }));
  }, { signal });
}
"""
# The first paint shows a header; what somebody waits for is the first row, two frames after it stands in the page.
FIRST_ROW = """
const waiting = new MutationObserver(() => {
  if (!document.querySelector("tr[data-key]")) return;
  waiting.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.imFirstRow = performance.now(); }));
});
waiting.observe(document, { childList: true, subtree: true });
"""


@dataclass
class Wire:
    """What went over the wire since it was last asked."""

    bytes: float = 0
    requests: int = 0
    cached: set[str] = field(default_factory=set)

    def take(self) -> tuple[float, int]:
        """Return bytes and requests, and begin anew."""
        taken = self.bytes, self.requests - len(self.cached)
        self.bytes, self.requests, self.cached = 0, 0, set()
        return taken


@dataclass(frozen=True)
class Measure:
    """One figure, its goal (UX: Measures) and how it is written."""

    name: str
    unit: str
    goal: float | None = None


MEASURES = {
    "first_kb": Measure("first visit, on the wire", "KB", 350),
    "first_requests": Measure("first visit, requests", "", 25),
    "first_ms": Measure("first visit, until the first row is painted", "ms"),
    "later_kb": Measure("a later page, on the wire", "KB", 40),
    "later_requests": Measure("a later page, requests", ""),
    "later_ms": Measure("a later page, until the first row is painted", "ms"),
    "swap_kb": Measure("the next 25 rows, on the wire", "KB", 30),
    "swap_ms": Measure("the next 25 rows, click to paint", "ms"),
    "swap_shift": Measure("layout shift of that", "", 0),
    "filter_kb": Measure("a filter from the facets, on the wire", "KB"),
    "filter_ms": Measure("a filter from the facets, click to paint", "ms"),
    "filter_shift": Measure("layout shift of that", "", 0),
    "card_kb": Measure("a card beside the list, on the wire", "KB"),
    "card_ms": Measure("a card beside the list, click to paint", "ms"),
}


def main() -> None:
    """Fill, serve as production does, visit, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="incidents")
    parser.add_argument("--visits", type=int, default=5, help="how often everything is measured")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no chromium on PATH (apt-get install chromium)")
    with ground.servers(options.size) as where:
        from benchmarks import data

        ground.say(f"{options.size:,} incidents")
        data.ensure(options.size)
        data.settle()
        # Hashed, compressed files with lasting addresses, as they leave a real installation.
        os.environ["IM_PLAIN_STATIC"] = "0"
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
        subprocess.run(collect, cwd=ROOT, check=True)
        with ground.web(where):
            ground.say("visiting")
            found = visits(where.web_url, chromium, options.visits)
        show(found, options, where)


def visits(url: str, chromium: str, count: int) -> list[dict[str, float]]:
    """Return the figures of so many visits, a warming one left out."""
    from playwright.sync_api import sync_playwright

    cookie = signed_in()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            return [visit(browser, url, cookie) for _number in range(count + 1)][1:]
        finally:
            browser.close()


def signed_in() -> str:
    """Return the session key of a lead."""
    from django.test import Client

    from imweb.accounts.models import Role, User
    from imweb.accounts.setup import ensure_roles

    ensure_roles()
    user, _new = User.objects.get_or_create(username="measure")
    user.roles.set(Role.objects.filter(name="lead"))
    client = Client()
    client.force_login(user)
    from django.conf import settings

    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def visit(browser: Any, url: str, session: str) -> dict[str, float]:
    """Visit once with an empty cache."""
    from django.conf import settings

    from benchmarks.data import BEGIN, END

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])
        context.add_init_script(FIRST_ROW)
        page = context.new_page()
        wire = _watched(context.new_cdp_session(page))
        address = f"{url}/incidents/?start={BEGIN}&end={END}&mode=all"
        found: dict[str, float] = {}
        page.goto(address, wait_until="networkidle")
        if page.locator("tr[data-key]").count() != 25:
            raise SystemExit("the list does not show 25 rows; nothing was measured")
        found["first_kb"], found["first_requests"] = _kb(wire.take())
        found["first_ms"] = page.evaluate("window.imFirstRow")
        page.goto(f"{address}&severity=high", wait_until="networkidle")
        found["later_kb"], found["later_requests"] = _kb(wire.take())
        found["later_ms"] = page.evaluate("window.imFirstRow")
        found["swap_kb"], found["swap_ms"], found["swap_shift"] = _swap(page, wire, "a[data-next]")
        found["filter_kb"], found["filter_ms"], found["filter_shift"] = _swap(page, wire, ".im-facets li a:not(.is-on)")
        found["card_kb"], found["card_ms"], _shift = _swap(page, wire, "a[data-open]")
        return found
    finally:
        context.close()


def _swap(page: Any, wire: Wire, selector: str) -> tuple[float, float, float]:
    page.evaluate(SWAPPED)
    wire.take()
    page.locator(selector).first.click()
    until = time.monotonic() + 30
    # Asked again and again from here: the page's policy lets nobody wait inside by a string of code.
    while page.evaluate("window.imSwap.ms") is None:
        if time.monotonic() > until:
            raise SystemExit(f"nothing was swapped by {selector}")
        page.wait_for_timeout(50)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    swap = page.evaluate("window.imSwap")
    return _kb(wire.take())[0], float(swap["ms"]), float(swap["shift"])


def _kb(taken: tuple[float, int]) -> tuple[float, int]:
    return taken[0] / 1000, taken[1]


def _watched(session: Any) -> Wire:
    wire = Wire()
    listeners: dict[str, Callable[[dict[str, Any]], None]] = {
        "Network.requestWillBeSent": lambda _event: setattr(wire, "requests", wire.requests + 1),
        "Network.requestServedFromCache": lambda event: wire.cached.add(event["requestId"]),
        "Network.responseReceived": lambda event: (
            wire.cached.add(event["requestId"]) if event["response"].get("fromDiskCache") else None
        ),
        "Network.loadingFinished": lambda event: setattr(wire, "bytes", wire.bytes + event["encodedDataLength"]),
    }
    for name, listener in listeners.items():
        session.on(name, listener)
    session.send("Network.enable")
    return wire


def show(found: Sequence[dict[str, float]], options: argparse.Namespace, where: ground.Ground) -> None:
    """Print the table and keep the figures in var/bench."""
    from benchmarks import report

    medians = {name: statistics.median(item[name] for item in found) for name in MEASURES}
    lines = [
        f"{options.size:,} incidents, {options.visits} visits; load {where.load[0]} before",
        "",
        "| | median | goal | met |",
        "|---|--:|--:|---|",
    ]
    for name, measure in MEASURES.items():
        value = medians[name]
        met = "–" if measure.goal is None else "yes" if round(value, 3) <= measure.goal else "**no**"
        goal = "" if measure.goal is None else f"{measure.goal:g} {measure.unit}".strip()
        shown = f"{value:,.3f}" if name.endswith("_shift") else f"{value:,.0f}"
        lines.append(f"| {measure.name} | {shown} {measure.unit} | {goal} | {met} |".replace("  |", " |"))
    print("\n".join(lines))
    result = {"machine": report.machine(), "load_before": where.load, "medians": medians, "visits": list(found)}
    (ground.folder() / "measure.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""The rows of the table that read: lists at any depth, the order of the index, statistics."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client

from benchmarks import analysts, data, grouping, writing
from benchmarks.bench import LIST, STATISTICS, Bench
from benchmarks.calls import Connection, encoded, in_turns, recorded, summary, timed
from benchmarks.ground import Ground, say
from benchmarks.report import Row
from imweb.incidents import services
from imweb.incidents.params import parse_statistics
from imweb.incidents.pits.models import ResultSet
from imweb.incidents.registry import registry
from imweb.opensearch import gateway

Json = dict[str, Any]
DEPTHS = (100_000, 900_000)


def measure(ground: Ground, options: argparse.Namespace) -> list[Row]:
    """Measure every row, or those asked for."""
    bench = Bench(ground, options)
    rows: list[Row] = []
    say("warming up")
    bench.warm(15)
    for name, row in ROWS.items():
        if options.only and name not in options.only:
            continue
        say(name)
        try:
            rows += row(bench)
        except (Exception, SystemExit) as error:
            # The others have been measured, or will be: an hour's numbers are not thrown away for one row.
            say(f"{name} failed: {error!r}")
            rows.append(Row(name, None, None, "", False, f"could not be measured: {error}"[:300]))
    return rows


def listing(bench: Bench) -> list[Row]:
    """Page 1, newest first, 25 documents in a point in time."""
    page = bench.page_one()
    ours, raw = page["ours"]["p50"], page["raw"]["p50"]
    return [
        Row(
            "`incidents_full_types`, 25 documents, newest first, p50",
            ours,
            raw,
            "raw + 3 ms",
            ours <= raw + 3,
            f"{ours - raw:+.1f} ms, {ours / raw:.2f} × raw; {len(page['searches'])} search",
            {"ours": page["ours"], "raw": page["raw"]},
        )
    ]


def with_total(bench: Bench) -> list[Row]:
    """The same page with its exact total."""
    lease = bench.lease()
    asked = bench.asked(lease, with_total_docs=True)
    body = encoded(asked)
    ours, raw = in_turns(
        bench.rounds, lambda _n: bench.ours.send("GET", LIST, body), bench.replay(bench.listing(asked))
    )
    bench.release(lease)
    mine, theirs = summary(ours), summary(raw)
    return [
        Row(
            "the same page with its exact total, p50",
            mine["p50"],
            theirs["p50"],
            "",
            None,
            "",
            {"ours": mine, "raw": theirs},
        )
    ]


def unsorted(bench: Bench) -> list[Row]:
    """The same query on an index without our sort order."""
    if bench.options.without_plain:
        return []
    page = bench.page_one()
    pit = gateway().create_pit(data.plain_indices(), "10m")
    try:
        ((path, content),) = page["searches"]
        body = json.loads(content)
        body["pit"] = {"id": pit.id, "keep_alive": "10m"}
        rounds = max(10, bench.rounds // 10)
        (times,) = in_turns(rounds, bench.replay([(path, encoded(body))]))
    finally:
        gateway().delete_pits([pit.id])
    plain = summary(times)
    ratio = plain["p50"] / page["ours"]["p50"]
    return [
        Row(
            "the same query on an index without our sort order, raw, p50",
            page["ours"]["p50"],
            plain["p50"],
            "ours ≥ 20 × faster",
            ratio >= 20,
            f"ours is {ratio:.1f} × faster; raw against raw {plain['p50'] / page['raw']['p50']:.1f} ×",
            {"plain": plain},
        )
    ]


def next_pages(bench: Bench) -> list[Row]:
    """The next page far down."""
    first = bench.page_one()["ours"]["p50"]
    rows = []
    for depth in (depth for depth in DEPTHS if depth + 25 < bench.options.size):
        lease = bench.lease()
        cursor = bench.ours.json("GET", LIST, bench.asked(lease, **{"from": depth - 25}))["next"]
        body = encoded(bench.asked(lease, search_after=cursor))
        (times,) = in_turns(bench.rounds, lambda _n, body=body: bench.ours.send("GET", LIST, body))  # type: ignore[misc]
        bench.release(lease)
        found = summary(times)
        ratio = found["p50"] / first
        name = f"next page at depth {depth:,}, p50"
        rows.append(Row(name, found["p50"], first, "1.2 × page 1", ratio <= 1.2, f"{ratio:.2f} × page 1", found))
    return rows


def jump(bench: Bench) -> list[Row]:
    """A jump to an offset far down, another each time, and whether it lands where it should."""
    first = bench.page_one()["ours"]["p50"]
    depth = min(DEPTHS[-1], bench.options.size * 9 // 10)
    lease = bench.lease()
    rng = random.Random(1)
    asked = [bench.asked(lease, **{"from": depth + rng.randrange(50_000)}) for _ in range(400)]
    fresh = bench.lease()
    # Nothing of this point in time is in the request cache yet.
    cold = timed(lambda: bench.ours.send("GET", LIST, encoded(bench.asked(fresh, **{"from": depth}))))
    bench.release(fresh)
    rounds = max(20, bench.rounds // 2)
    (times,) = in_turns(rounds, lambda number: bench.ours.send("GET", LIST, encoded(asked[number % len(asked)])))
    exact = _lands(bench, lease, depth)
    bench.release(lease)
    found = summary(times)
    ratio = found["p50"] / first
    return [
        Row(
            f"a jump to offset {depth:,} and beyond, exact, p50",
            found["p50"],
            first,
            "5 × page 1",
            ratio <= 5 and exact,
            f"{ratio:.2f} × page 1; the first of a point in time {cold:.0f} ms;"
            f" {'exact, counted raw' if exact else 'NOT where it should be'}",
            found | {"first": round(cold, 1), "exact": exact},
        )
    ]


def _lands(bench: Bench, lease: str, depth: int) -> bool:
    """Return whether exactly `depth` documents go before the one that stands at the offset."""
    from imweb.incidents.pits import use_pit

    doc = bench.ours.json("GET", LIST, bench.asked(lease, **{"from": depth, "size": 1}))["docs"][0]
    key = f"{doc['_meta']['type']}/{doc['_meta']['id']}"
    same = {"bool": {"filter": [{"term": {"@timestamp": doc["@timestamp"]}}, {"range": {"key": {"lt": key}}}]}}
    later = {"range": {"@timestamp": {"gt": doc["@timestamp"], "lte": data.END}}}
    query = {"bool": {"should": [later, same], "must_not": [{"term": {"deleted": True}}]}}
    raw_id = use_pit(lease, bench.actor.user_id).raw_id
    body = {"size": 0, "track_total_hits": True, "query": query, "pit": {"id": raw_id, "keep_alive": "60s"}}
    found = bench.raw.json("POST", "/_search", body)["hits"]["total"]["value"]
    return bool(found == depth)


def statistics(bench: Bench) -> list[Row]:
    """Statistics repeated in one slot of the pool: what a thousand analysts ask for."""
    lease = bench.lease()
    asked = bench.asked(lease, interval="auto")
    body = encoded(asked)
    with recorded() as searches:
        services.severity_statistics(bench.actor, parse_statistics(asked, registry=registry(), zone="UTC"))
    ours, raw = in_turns(bench.rounds, lambda _n: bench.ours.send("POST", STATISTICS, body), bench.replay(searches))
    bench.release(lease)
    mine, theirs = summary(ours), summary(raw)
    return [
        Row(
            "statistics with histogram, repeated in one slot, p50",
            mine["p50"],
            theirs["p50"],
            "raw cached + 3 ms",
            mine["p50"] <= theirs["p50"] + 3,
            f"{mine['p50'] - theirs['p50']:+.1f} ms",
            {"ours": mine, "raw": theirs},
        )
    ]


def fragment(bench: Bench) -> list[Row]:
    """The page's table as htmx asks for it, paging on in a result set that is open."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(bench.user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    page = Connection(bench.ground.web_url)
    page.headers = {"Cookie": cookie, "HX-Request": "true", "HX-Target": "rows"}
    found: dict[str, Row] = {}
    for mode, name in (("all", "incidents and groups alike"), ("grouped", "grouped: members behind their groups")):
        query = urlencode({"start": data.BEGIN, "end": data.END, "mode": mode})
        page.send("GET", f"/incidents/?{query}")
        (key,) = ResultSet.objects.filter(user_id=bench.user.pk).order_by("-pk").values_list("key", flat=True)[:1]
        url = f"/incidents/?{query}&rs={key}&from=25"
        page.headers["HX-Current-URL"] = bench.ground.web_url + url
        headers = {name: value for name, value in page.headers.items() if name != "Cookie"}
        with recorded() as searches:
            answer = client.get(url, headers=headers)
        if answer.status_code != 200 or b"<tr" not in answer.content or b"<html" in answer.content:
            raise SystemExit(f"{url} is no fragment: {answer.status_code} {answer.content[:300]!r}")
        ours, raw = in_turns(bench.rounds, lambda _n, url=url: page.send("GET", url), bench.replay(searches))  # type: ignore[misc]
        mine, theirs = summary(ours), summary(raw)
        found[mode] = Row(
            f"HTML table fragment, 25 rows, {name}, p50",
            mine["p50"],
            theirs["p50"],
            "raw + 8 ms",
            mine["p50"] <= theirs["p50"] + 8,
            f"{mine['p50'] - theirs['p50']:+.1f} ms; {len(searches)} searches",
            {"ours": mine, "raw": theirs},
        )
    return list(found.values())


ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    "listing": listing,
    "total": with_total,
    "unsorted": unsorted,
    "next": next_pages,
    "jump": jump,
    "statistics": statistics,
    "fragment": fragment,
    "bulk": writing.bulk,
    "sync": writing.sync,
    "analysts": analysts.paging,
    "grouping": grouping.grouping,
}

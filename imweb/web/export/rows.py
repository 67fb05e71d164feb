"""A frozen list as lines of CSV or NDJSON, a page at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from imweb.accounts.actor import Actor
from imweb.errors import ImError
from imweb.incidents import pits, services
from imweb.incidents.documents import LIST_EXCLUDES, Document
from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.params import ListQuery
from imweb.incidents.results import Page
from imweb.incidents.resultset import API_EXCLUDES

PAGE = 1_000
CORE = (
    "severity",
    "status",
    "reviewer",
    "title",
    "rule.name",
    "source",
    "mitre",
    "entities.host",
    "entities.user",
    "entities.command_line",
    "resolution",
    "resolution_note",
    "incidents_count",
    "created_at",
    "updated_at",
)
DATES = frozenset({"@timestamp", "created_at", "updated_at"})
# What a spreadsheet would run as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file for `csv` that hands each line back."""

    def write(self, value: str) -> str:
        return value


def first_page(actor: Actor, query: ListQuery, *, whole: bool) -> Page:
    """Return the first page; `whole` with the raw event. Raises what `services.list_documents` raises."""
    wanted = replace(query, offset=0, size=PAGE, cursor=None, with_total=False)
    return services.list_documents(actor, wanted, excludes=API_EXCLUDES if whole else tuple(LIST_EXCLUDES))


def pages(actor: Actor, query: ListQuery, first: Page, *, whole: bool) -> Iterator[Sequence[Document]]:
    """Yield the documents of every page, the first one already read."""
    page = first
    excludes = API_EXCLUDES if whole else tuple(LIST_EXCLUDES)
    while True:
        yield page.docs
        if page.next is None:
            return
        following = replace(query, offset=0, size=PAGE, cursor=page.next, with_total=False)
        page = services.list_documents(actor, following, excludes=excludes)


def held(found: Iterator[Sequence[Document]], lease: pits.Lease) -> Iterator[Sequence[Document]]:
    """Yield pages and end their lease with the last of them, or when the download is broken off."""
    try:
        yield from found
    finally:
        # The file is complete by now; a lease that cannot be given back ends by itself.
        with suppress(ImError):
            pits.release_pit(lease.token, lease.user_id)


def ndjson(found: Iterator[Sequence[Document]]) -> Iterator[bytes]:
    """Yield one JSON object a line, as the API gives it."""
    for docs in found:
        yield "".join(json.dumps(doc.as_json(), ensure_ascii=False) + "\n" for doc in docs).encode()


def csv_lines(
    found: Iterator[Sequence[Document]], custom: Sequence[FieldDef], tz: tzinfo, hidden: Collection[str] = ()
) -> Iterator[bytes]:
    """Yield a table with times in a zone, which its heading names; formulas are defused by an apostrophe."""
    writer = csv.writer(_Echo())
    names = [*(name for name in CORE if name not in hidden), *(item.name for item in custom)]
    dates = DATES | {item.name for item in custom if item.kind is Kind.DATE}
    # Spreadsheets take a file for UTF-8 by its mark.
    yield ("\ufeff" + str(writer.writerow(["id", "type", f"@timestamp ({tz})", *names]))).encode()
    for docs in found:
        lines = []
        for doc in docs:
            cells = [_cell(doc, name, tz, name in dates) for name in ("@timestamp", *names)]
            lines.append(str(writer.writerow([defused(doc.id), doc.kind, *cells])))
        yield "".join(lines).encode("utf-8", "replace")


def _cell(doc: Document, name: str, tz: tzinfo, is_date: bool) -> Any:
    value: Any = doc.source
    if name in ("created_at", "updated_at"):
        value = getattr(doc, name)
    else:
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    if is_date:
        return _local(value, tz)
    if isinstance(value, bool | int | float):
        # Adding zero takes the sign from minus zero.
        return f"{value + 0:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else value
    if isinstance(value, list):
        return defused("; ".join(str(item) for item in value))
    return defused(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _local(value: Any, tz: tzinfo) -> str:
    try:
        moment = (
            datetime.fromtimestamp(value / 1000, tz=UTC)
            if isinstance(value, int | float)
            else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        )
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(tz).isoformat()
    except (ValueError, OverflowError, OSError):
        return defused(str(value))


def defused(text: str) -> str:
    """Return a text that no spreadsheet runs."""
    clean = text.replace("\x00", "")
    return f"'{clean}" if clean.lstrip(" ").startswith(_FORMULA) else clean

"""The audit trail as a page and as a download; nothing here changes it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imweb.accounts import permissions as may
from imweb.accounts.actor import actor_of
from imweb.audit import trail
from imweb.audit.trail import Entry, Wanted
from imweb.errors import Detail, ImError, ValidationFailed
from imweb.web.export.rows import defused
from imweb.web.page import PageRequest, page, zone_of

TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson; charset=utf-8"}
COLUMNS = ("at", "kind", "outcome", "user", "address", "target", "request", "old", "new", "details")
SIZE = 50
MAX_TEXT = 200


@page(may.AUDIT)
def audit(request: PageRequest) -> HttpResponse:
    """Show a page of entries, newest first; a filter that cannot be read is said beside it."""
    found, error, waiting = None, None, 0
    try:
        wanted = _wanted(request)
        found = trail.entries(
            actor_of(request.user), wanted, size=SIZE, before=request.GET.get("before", "")[:100] or None
        )
    except ImError as fault:
        error, waiting = fault, trail.waiting() if fault.status >= 500 else 0
    asked = {name: request.GET.get(name, "") for name in ("kind", "user", "q", "start", "end") if request.GET.get(name)}
    context = {
        "found": found,
        "error": error,
        "faults": {detail.field: detail.reason for detail in error.details} if error else {},
        "waiting": waiting,
        "kinds": trail.KINDS,
        "asked": asked,
        "filters": urlencode(asked),
        "next": urlencode({**asked, "before": found.next}) if found and found.next else "",
        "later": "before" in request.GET,
        "zone": zone_of(request.user),
    }
    return render(request, "web/settings/audit.html", context, status=error.status if error else 200)


@page(may.AUDIT)
def export(request: PageRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream all entries that a filter finds as CSV or NDJSON; the download stands in the trail itself."""
    kind = request.GET.get("format", "")
    if kind not in TYPES:
        raise ValidationFailed.field("format", _("csv or ndjson"))
    # Read before the answer begins, so that a fault is a page and not a broken file.
    found = trail.every(actor_of(request.user), _wanted(request))
    asked = {name: value for name, value in request.GET.items() if name != "format"}
    trail.record("export", user=request.user.username, target=f"audit.{kind}", details={"asked": asked})
    body = _csv(found) if kind == "csv" else (json.dumps(_row(entry), ensure_ascii=False) + "\n" for entry in found)
    response = StreamingHttpResponse(body, content_type=TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.localtime():%Y%m%d-%H%M%S}.{kind}"'
    return response


def _wanted(request: PageRequest) -> Wanted:
    given = {name: request.GET.get(name, "").strip() for name in ("kind", "user", "q", "start", "end")}
    faults = []
    if given["kind"] and given["kind"] not in trail.KINDS:
        faults.append(Detail("kind", _("no kind of entry; choose one of the list")))
    faults += [Detail(name, _("at most 200 characters")) for name in ("user", "q") if len(given[name]) > MAX_TEXT]
    days: dict[str, date | None] = {}
    for name in ("start", "end"):
        try:
            days[name] = date.fromisoformat(given[name]) if given[name] else None
        except ValueError:
            faults.append(Detail(name, _("no date; write it as 2026-01-31")))
    first, last = days.get("start"), days.get("end")
    if first and last and last < first:
        faults.append(Detail("end", _("lies before the first day")))
    if faults:
        raise ValidationFailed.of(faults)
    return Wanted(given["kind"], given["user"], given["q"], _midnight(first), _midnight(last, end=True))


def _midnight(day: date | None, *, end: bool = False) -> datetime | None:
    if day is None:
        return None
    try:
        found = timezone.make_aware(datetime.combine(day, time.min))
        return found + timedelta(days=1, milliseconds=-1) if end else found
    except OverflowError:
        return None


def _row(entry: Entry) -> dict[str, Any]:
    values = asdict(entry)
    return {"id": entry.id} | {name: values[name] for name in COLUMNS}


def _csv(found: Iterable[Entry]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["id", *COLUMNS])
    # Spreadsheets take a file for UTF-8 by its mark.
    yield "\ufeff".encode()
    for entry in found:
        cells = [value if isinstance(value, str) else _packed(value) for value in _row(entry).values()]
        writer.writerow([defused(cell) for cell in cells])
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()


def _packed(value: Any) -> str:
    return "" if value in (None, {}) else json.dumps(value, ensure_ascii=False)

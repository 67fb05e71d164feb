"""A document as a row of the list: what decides without opening it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imweb.incidents.documents import Document
from imweb.incidents.fields import CORE_FIELDS, FieldDef
from imweb.incidents.insights import SEEN_DAYS, Earlier
from imweb.incidents.severities import Severity
from imweb.web.listing.state import Chosen, ListState
from imweb.web.listing.words import resolution_label
from imweb.workflows import Status

Json = dict[str, Any]
SHOWN_TECHNIQUES = 2
SHOWN_VALUES = 3


@dataclass(frozen=True, slots=True)
class Named:
    """A stored value and what it is called."""

    name: str
    label: str
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class Similar:
    """The list of incidents like one, and what is the same in them."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    id: str
    rev: int
    kind: str
    url: str
    title: str
    severity: Named
    status: Named
    reviewer: str
    at_ms: int
    clock: str
    # The time of day where it stands on a line of its own, below the day.
    hour: str
    age: float | None
    late: bool
    fresh: bool
    techniques: list[str]
    more_techniques: int
    hosts: str
    user: str
    command: str
    facts: str
    rule: str
    seen: str
    count: int | None
    members_url: str
    similar: Similar | None = None
    # What its reader may do right here, without opening it.
    acts: frozenset[str] = frozenset()
    cells: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Words:
    """What rows are written with: levels, statuses, earlier verdicts, the moment and the zone."""

    levels: Mapping[str, Severity]
    statuses: Mapping[str, Status]
    earlier: Mapping[str, Sequence[Earlier]]
    now_ms: int
    tz: tzinfo
    columns: Sequence[FieldDef] = ()
    # Compact rows have one line.
    one_line: bool = False
    # The list in which the rows stand, of which "similar" keeps the time and what the rows are.
    base: ListState | None = None
    acts: frozenset[str] = frozenset()
    # Titles of incident types by name.
    types: Mapping[str, str] = field(default_factory=dict)


def card_url(kind: str, doc_id: str) -> str:
    """Return the address of a document's own page."""
    folder = "incidents" if kind == "incident" else "aggregations"
    return f"/{folder}/{quote(doc_id, safe='')}/"


def rows(docs: Sequence[Document], words: Words) -> list[Row]:
    """Return documents as rows."""
    return [row(doc, words) for doc in docs]


def row(doc: Document, words: Words) -> Row:
    """Return one document as a row."""
    source = doc.source
    entities = source.get("entities") or {}
    at_ms = _ms(source.get("@timestamp")) or 0
    techniques = [item for item in listed(source.get("mitre")) if not item.startswith("TA")]
    group = doc.kind == "aggregation"
    status = str(first(source.get("status")))
    known = words.statuses.get(status)
    reviewer = str(first(source.get("reviewer")))
    severity = str(first(source.get("severity")))
    level = words.levels.get(severity)
    url = card_url(doc.kind, doc.id)
    day, hour = ("", "") if words.one_line else day_and_hour(at_ms, words.now_ms, words.tz)
    return Row(
        key=doc.key,
        id=doc.id,
        rev=doc.rev,
        kind=doc.kind,
        url=url,
        title=str(first(source.get("title"))) or str(first((source.get("rule") or {}).get("name"))) or doc.id,
        severity=Named(severity, (level.short if level else severity) or _("none")),
        status=Named(status, known.title if known else status, bool(known and known.terminal)),
        reviewer=reviewer,
        at_ms=at_ms,
        clock=day or clock(at_ms, words.now_ms, words.tz),
        hour=hour,
        age=(words.now_ms - at_ms) / 1000 if at_ms else None,
        late=is_late(source, known, words.now_ms),
        fresh=status == "new" and not reviewer,
        techniques=techniques[:SHOWN_TECHNIQUES],
        more_techniques=max(0, len(techniques) - SHOWN_TECHNIQUES),
        hosts="" if group else some(entities.get("host")),
        user="" if group else some(entities.get("user")),
        command="" if group else command(entities),
        facts=facts(source, at_ms) if group else "",
        rule=str((source.get("additional_fields") or {}).get("grouping", "")) if group else "",
        seen=seen(words.earlier.get(doc.key)),
        similar=similar(source, words.base) if words.base and not group else None,
        count=int(source.get("incidents_count") or 0) if group else None,
        members_url=f"/incidents/list/members/{quote(doc.id, safe='')}" if group else "",
        acts=words.acts,
        cells=[cell(source, column, words) for column in words.columns],
    )


def listed(value: Any) -> list[str]:
    """Return a stored value, which may be one or several, as texts."""
    if value is None or value == "":
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def first(value: Any) -> Any:
    """Return the first of several values, an empty text for none."""
    if isinstance(value, list):
        return value[0] if value else ""
    return "" if value is None else value


def some(value: Any) -> str:
    """Return the first value and how many more there are."""
    found = listed(value)
    return found[0] + (f" +{len(found) - 1}" if len(found) > 1 else "") if found else ""


def command(entities: Json) -> str:
    """Return what ran: parent → command line, or what else says what happened."""
    parent = str(first(entities.get("parent_process")))
    ran = str(first(entities.get("command_line"))) or str(first(entities.get("process")))
    if ran:
        return f"{parent} → {ran}" if parent else ran
    for name in ("domain", "url", "destination_ip", "source_ip", "file", "registry_key", "email", "cloud_account"):
        if value := str(first(entities.get(name))):
            return value
    return ""


def facts(source: Json, at_ms: int) -> str:
    """Return a group in a few words: hosts, span, what its incidents share."""
    found = []
    hosts = len(listed((source.get("entities") or {}).get("host")))
    if hosts:
        found.append(ngettext("%(n)s host", "%(n)s hosts", hosts) % {"n": hosts})
    start = _ms(source.get("first_seen"))
    if start and at_ms >= start:
        found.append(duration((at_ms - start) / 1000))
    shared = list(dict.fromkeys(shared_name(name) for name in source.get("comparison_fields") or {}))
    if shared:
        found.append(_("same %(names)s") % {"names": ", ".join(shared[:2])})
    return " · ".join(found)


def shared_name(name: str) -> str:
    """Return what the incidents of a group have in common, as a sentence names it: "rule" for `rule.id`."""
    if name.startswith("rule."):
        return _("rule")
    known = CORE_FIELDS.get(name)
    if known is None or name.startswith("entities."):
        return name.rpartition(".")[2].replace("_", " ")
    return known.label if known.label.isupper() else known.label.lower()


def duration(seconds: float) -> str:
    """Return a duration as people say it."""
    from imweb.web.templatetags.console import span

    return span(seconds)


def similar(source: Json, base: ListState) -> Similar | None:
    """Return the way to the same rule on the same host, or by the same user without one, in the same time."""
    rule = source.get("rule") or {}
    entities = source.get("entities") or {}
    name = next((part for part in ("name", "id") if first(rule.get(part))), "")
    what = next((part for part in ("host", "user") if first(entities.get(part))), "")
    if not name or not what:
        return None
    same = (
        Chosen(f"rule.{name}", (str(first(rule[name])),)),
        Chosen(f"entities.{what}", (str(first(entities[what])),)),
    )
    state = ListState(path=base.path, start=base.start, end=base.end, mode=base.mode, size=base.size, filters=same)
    label = _("Similar: same rule, same host") if what == "host" else _("Similar: same rule, same user")
    return Similar(state.url, label)


def seen(known: Sequence[Earlier] | None) -> str:
    """Return how often the same was seen before, on its host or else by its user, and what was mostly decided."""
    if not known:
        return ""
    earlier = known[0]
    often = _("%(n)s × in %(days)s d") % {"n": f"{earlier.count:,}", "days": SEEN_DAYS}
    if earlier.by == "user":
        often = _("%(often)s, same user") % {"often": often}
    if verdict := earlier.verdict:
        return f"{often} · {verdict[1]:,} {resolution_label(verdict[0])}"
    return often


def is_late(source: Json, status: Status | None, now_ms: int) -> bool:
    """Return whether a target time has passed on work that is not ended."""
    due = _ms(source.get("due_at"))
    return bool(due and due < now_ms and not (status and status.terminal))


def clock(at_ms: int, now_ms: int, tz: tzinfo) -> str:
    """Return the time of day, with the day in front when it is not today's."""
    found = _local(at_ms, now_ms, tz)
    if found is None:
        return ""
    local, today = found
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    if local.year == today.year:
        return f"{local:%b} {local.day} {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def day_and_hour(at_ms: int, now_ms: int, tz: tzinfo) -> tuple[str, str]:
    """Return the day and the time of day of another year, which take a line each; what has room on one is no two."""
    found = _local(at_ms, now_ms, tz)
    if found is None or found[0].year == found[1].year:
        return "", ""
    return f"{found[0]:%Y-%m-%d}", f"{found[0]:%H:%M:%S}"


def _local(at_ms: int, now_ms: int, tz: tzinfo) -> tuple[datetime, datetime] | None:
    """Return a moment and the present one in a zone, None for a year that no calendar here knows."""
    try:
        local = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(tz)
        return local, datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return None


def cell(source: Json, column: FieldDef, words: Words) -> str:
    """Return a further column's value as text."""
    value: Any = source
    for part in column.name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if column.kind == "date" and value:
        at_ms = _ms(first(value))
        return clock(at_ms, words.now_ms, words.tz) if at_ms else str(first(value))
    # Adding zero takes the sign from minus zero.
    found = [f"{item + 0:g}" if isinstance(item, float) else str(item) for item in _many(value)]
    if column.name == "incident_type":
        found = [words.types.get(item, item) for item in found]
    return ", ".join(found[:SHOWN_VALUES]) + (f" +{len(found) - SHOWN_VALUES}" if len(found) > SHOWN_VALUES else "")


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _ms(value: Any) -> int | None:
    """Return a stored date in epoch milliseconds; what cannot be read counts as none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

"""Everything that the list page shows, read through the services in one result set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from imweb.accounts import permissions as may
from imweb.accounts.actor import Actor
from imweb.accounts.incident_types import FIELD as TYPE
from imweb.errors import ImError, NotFound, PitExpired, TooManyPits
from imweb.incidents import insights, mitre, services
from imweb.incidents.access import registry_of
from imweb.incidents.beginning import titles
from imweb.incidents.documents import LIST_EXCLUDES
from imweb.incidents.facets import Facet, facets
from imweb.incidents.fields import FieldDef, Registry
from imweb.incidents.models import CustomField
from imweb.incidents.params import Filters, ListQuery, StatisticsQuery
from imweb.incidents.pits import Lease, result_sets
from imweb.incidents.results import Page, SeverityStatistics
from imweb.incidents.resultset import UNFROZEN
from imweb.incidents.severities import severities
from imweb.web.listing.filters import FACETS, groups_named
from imweb.web.listing.pager import Pager, pager
from imweb.web.listing.preferences import ListPreferences, columns
from imweb.web.listing.rows import Row, Words, rows
from imweb.web.listing.state import ListState
from imweb.workflows import all_statuses

EXCLUDES = tuple(LIST_EXCLUDES)
FACET_SIZE = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """What a request brings along: who asks, in which session, what he prefers, which fields there are."""

    actor: Actor
    session_key: str
    preferences: ListPreferences
    registry: Registry
    custom: Sequence[CustomField]
    # Frozen lists of which this user changed rows: their rows stay, shown as they stand now.
    edited: frozenset[str] = frozenset()

    @property
    def tz(self) -> ZoneInfo:
        """Return the visible time zone."""
        return ZoneInfo(self.actor.time_zone)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one page and their place in the frozen set."""

    state: ListState
    query: ListQuery
    rows: list[Row]
    columns: list[FieldDef]
    total: int
    incidents: int
    as_of_ms: int
    took_ms: int
    pager: Pager
    reopened: bool = False
    # Why there is no frozen set: the limit of points in time is reached.
    unfrozen: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the table: facets, tiles, histogram."""

    levels: SeverityStatistics
    histogram: SeverityStatistics
    change: insights.Change | None
    facets: list[Facet]
    techniques: Facet | None
    live: dict[str, list[str]] = field(default_factory=dict)


def frame(actor: Actor, session_key: str, preferences: ListPreferences, edited: frozenset[str] = frozenset()) -> Frame:
    """Return the frame of a request."""
    custom = [item for item in CustomField.objects.filter(hidden=False) if item.name not in actor.hidden]
    return Frame(actor, session_key, preferences, registry_of(actor), custom, edited)


def group_titles(here: Frame, state: ListState) -> dict[str, str]:
    """Return what the groups are called that are filtered by; asks nobody where there is no such filter."""
    ids = groups_named(state, here.registry)
    try:
        return services.group_titles(here.actor, ids) if ids else {}
    except ImError:
        # The rows say what is wrong; the chip shows the id.
        return {}


def table(here: Frame, state: ListState) -> Table:
    """Return one page of the frozen set; one that has ended is opened again, at the same row where time orders it.

    Where no more can be open at once the rows are read as they stand, and the table says so.
    Raises what `services.list_documents` raises but for an ended point in time.
    """
    # Faults are reported before anything is opened.
    state.query(here.registry, here.actor.time_zone, None)
    try:
        return _frozen(here, state)
    except TooManyPits as full:
        return replace(_table(here, state, UNFROZEN), unfrozen=full.reason)


def _frozen(here: Frame, state: ListState) -> Table:
    state, lease, reopened = _lease(here, state)
    for attempt in range(2):
        try:
            placed = _placed(here, state, lease) if reopened else state
            return replace(_table(here, placed, lease.token), reopened=reopened)
        except (PitExpired, NotFound):
            if attempt:
                raise
            # OpenSearch lost it (a restart, an administrator): a new one, once.
            lease = result_sets.reopen(here.session_key, state.rs, here.actor.user_id, state.mode != "incidents")
            reopened = True
    raise AssertionError  # the loop returns or raises


def _lease(here: Frame, state: ListState) -> tuple[ListState, Lease, bool]:
    with_aggregations = state.mode != "incidents"
    if not state.rs:
        key, lease = result_sets.new_result_set(here.session_key, here.actor.user_id, with_aggregations)
        return replace(state, rs=key), lease, False
    lease, reopened = result_sets.lease_for(here.session_key, state.rs, here.actor.user_id, with_aggregations)
    return state, lease, reopened


def _placed(here: Frame, state: ListState, lease: Lease) -> ListState:
    """Return the state with its offset moved to where its row stands in the new point in time."""
    query = state.query(here.registry, here.actor.time_zone, lease.token)
    if not state.at.isdecimal() or not query.offset or query.sort.field != "@timestamp":
        return state
    newest = query.sort.newest_first
    offset = insights.rows_before(here.actor, query.filters, lease.token, int(state.at), newest_first=newest)
    return replace(state, offset=str(offset))


def _table(here: Frame, state: ListState, pit: str) -> Table:
    query = state.query(here.registry, here.actor.time_zone, pit)
    counted = insights.counts(here.actor, query.filters, pit)
    total = counted.rows
    page = services.list_documents(here.actor, replace(query, with_total=False), excludes=EXCLUDES)
    if total and query.offset >= total:
        # Behind the end: a smaller set than when the address was made.
        state = replace(state, offset=str((total - 1) // query.size * query.size))
        query = state.query(here.registry, here.actor.time_zone, pit)
        page = services.list_documents(here.actor, replace(query, with_total=False), excludes=EXCLUDES)
    if state.rs in here.edited:
        page = services.as_now(here.actor, page)
    shown = columns(here.preferences, here.registry, here.custom)
    drawn = rows(page.docs, words(here, page, shown, state))
    by_time = query.sort.field == "@timestamp"
    links = pager(state, query.offset, query.size, len(drawn), total, drawn[-1].at_ms if drawn and by_time else None)
    if drawn and by_time:
        state = replace(state, at=str(drawn[0].at_ms) if query.offset else "")
    return Table(state, query, drawn, shown, total, counted.incidents, page.now_ms, page.took_ms, links)


def words(here: Frame, page: Page, shown: Sequence[FieldDef] = (), base: ListState | None = None) -> Words:
    """Return what a page's rows are written with; `base` is the list in which they stand."""
    return Words(
        levels={level.name: level for level in severities()},
        statuses={status.name: status for status in all_statuses()},
        earlier=insights.seen_before(here.actor, page.docs, page.now_ms),
        now_ms=page.now_ms,
        tz=here.tz,
        columns=shown,
        one_line=here.preferences.density == "compact",
        base=base,
        acts=_acts(here.actor),
        types=titles(),
    )


def _acts(actor: Actor) -> frozenset[str]:
    takes = actor.may(may.ASSIGN_SELF) or actor.may(may.ASSIGN)
    return frozenset(act for act, allowed in (("status", actor.may(may.TRANSITION)), ("assign", takes)) if allowed)


def around(here: Frame, query: ListQuery) -> Around:
    """Return what stands around a table, in the same point in time and under the same filters."""
    filters, pit = query.filters, query.pit
    histogram = services.severity_statistics(here.actor, StatisticsQuery(filters, pit, "auto"))
    others = without(filters, "severity")
    levels = histogram
    if others != filters:
        levels = services.severity_statistics(here.actor, StatisticsQuery(others, pit))
        if filters.collapse_grouped:
            levels = _as_listed(levels, histogram, filters)
    own = [item.field for item in here.custom if item.is_filter and item.type in ("select", "multiselect")]
    # Where nobody has shaped types they are no way to part a list.
    names = (*FACETS, TYPE) if titles() else FACETS
    core = [found for name in names if (found := here.registry.get(name))]
    # Hidden by a role it has no facet.
    attack = [found] if (found := here.registry.get("mitre")) else []
    tactics: dict[str, Sequence[str]] = {"mitre": [column.tactic.id for column in mitre.matrix()]}
    boxes = facets(here.actor, filters, pit, [*core[:2], *attack, *core[2:], *own], size=FACET_SIZE, include=tactics)
    known = {row.technique.id for column in mitre.matrix() for row in column.rows}
    below = {part.id for column in mitre.matrix() for row in column.rows for part in row.subtechniques}
    techniques = facets(here.actor, filters, pit, attack, size=FACET_SIZE, include={"mitre": sorted(known | below)})
    live = {
        item.name: [value.value for value in facet.values]
        for item in here.custom
        for facet in boxes
        if item.live_options and facet.field.name == item.name
    }
    change = insights.change_before(here.actor, others, pit)
    return Around(levels, histogram, change, boxes, techniques[0] if techniques else None, live)


def _as_listed(levels: SeverityStatistics, listed: SeverityStatistics, filters: Filters) -> SeverityStatistics:
    """Return the counts of all levels, those of the levels that are filtered by as the list has them.

    Which incidents a group hides depends on the filters: one that it hid among all levels may stand alone in its own.
    """
    counts = {level.key: level for level in listed.severities}
    own = (item for item in filters.fields if item.field.name == "severity" and not item.exclude)
    asked = {str(value) for item in own for value in item.values}
    severities = [counts.get(level.key, level) if level.key in asked else level for level in levels.severities]
    return replace(levels, severities=severities)


def without(filters: Filters, name: str) -> Filters:
    """Return the filters but for those by one field."""
    return replace(filters, fields=tuple(item for item in filters.fields if item.field.name != name))

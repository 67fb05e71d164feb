"""Which rows a bulk change means: the ticked ones of a frozen list, or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.errors import ValidationFailed, VersionConflict
from imweb.incidents import insights, services
from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.insights import Counts
from imweb.incidents.params import FieldFilter, Filters
from imweb.incidents.pits import result_sets
from imweb.web.card.by_key import row_title
from imweb.web.listing.load import EXCLUDES, Frame
from imweb.web.listing.state import OPEN_END, ListState

KEY = FieldDef("key", Kind.KEYWORD, bookkeeping=True)
MAX_TICKED = 10_000
MAX_NAMED = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one frozen list; without `keys` all of them. `expected` is the number that the page showed."""

    state: ListState
    keys: tuple[str, ...]
    expected: int
    filters: Filters
    pit: str
    counts: Counts

    @property
    def scope(self) -> str:
        """Return `ticked` or `all`."""
        return "ticked" if self.keys else "all"


def state_of(url: str) -> ListState:
    """Return the list's state that an address of the list means."""
    return ListState.of(parse_qs(urlsplit(url).query), reverse("incidents"))


def ticked(lines: str, boxes: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the keys that stand one a line, which may hold blanks, and those of boxes that a form sent itself."""
    return tuple(key for key in dict.fromkeys([*lines.replace("\r", "").split("\n"), *boxes]) if key)


def titles(here: Frame, keys: Sequence[str]) -> dict[str, str]:
    """Return what rows are called, by key; those that are gone or closed to the reader are left out. At most 100."""
    state = ListState(path=reverse("incidents"), start=OPEN_END, end=OPEN_END, mode="all", size=str(MAX_NAMED))
    query = state.query(here.registry, here.actor.time_zone, None)
    fields = (*query.filters.fields, FieldFilter(KEY, "is", tuple(keys[:MAX_NAMED])))
    query = replace(query, filters=replace(query.filters, fields=fields), with_total=False)
    docs = services.list_documents(here.actor, query, excludes=EXCLUDES).docs
    return {doc.key: row_title(doc) for doc in docs}


def selection(here: Frame, posted: Mapping[str, str]) -> Selection:
    """Return what a form selects, exactly the rows that its page counted.

    Raises `ValidationFailed`, and `VersionConflict` when the frozen list has ended and its rows cannot be had again.
    """
    state = state_of(posted.get("next", ""))
    keys = ticked(posted.get("keys", "")) if posted.get("scope") == "ticked" else ()
    if posted.get("scope") == "ticked" and not keys:
        raise ValidationFailed.field(_("Ticked rows"), _("Tick at least one row."))
    if len(keys) > MAX_TICKED:
        raise ValidationFailed.field(_("Ticked rows"), _("At most %(n)s; use “Change all”.") % {"n": f"{MAX_TICKED:,}"})
    if not state.rs:
        raise ValidationFailed.field("next", _("the address of the list, with its `rs`"))
    lease, reopened = result_sets.lease_for(here.session_key, state.rs, here.actor.user_id, state.mode != "incidents")
    filters = state.query(here.registry, here.actor.time_zone, lease.token).filters
    if keys:
        filters = replace(filters, fields=(*filters.fields, FieldFilter(KEY, "is", keys)))
    counts = insights.counts(here.actor, filters, lease.token)
    total = posted.get("total", "")
    expected = len(keys) or (int(total) if total.isdecimal() and len(total) < 12 else -1)
    if reopened or counts.rows != expected:
        raise VersionConflict(
            _(
                "The frozen list that you were looking at has ended, so these would not be the same rows; "
                "nothing was changed. Refresh the list and choose again."
            )
        )
    return Selection(state, keys, expected, filters, lease.token, counts)

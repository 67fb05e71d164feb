"""A result set: filters made absolute at a point in time, with the access of whoever asks, ready to be read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from imweb.accounts.actor import Actor
from imweb.errors import Detail, PitExpired, ValidationFailed
from imweb.incidents import access, dsl, pits
from imweb.incidents.compiling import compile_filters
from imweb.incidents.documents import LIST_EXCLUDES
from imweb.incidents.dsl import IS_AGGREGATION, Clauses
from imweb.incidents.fields import Registry
from imweb.incidents.grouped import exclusion
from imweb.incidents.paging import Reader
from imweb.incidents.params import Filters, unknown
from imweb.incidents.pits import Lease
from imweb.opensearch import schema


class _Unfrozen(str):
    """In the place of a point in time; no text that a caller sends is this object."""


# A page that gets no point in time reads what stands now, search by search, and says so.
UNFROZEN = _Unfrozen("unfrozen")
INCIDENTS_ONLY = "false, since the point in time was opened for incidents only"
API_EXCLUDES = tuple(name for name in LIST_EXCLUDES if name != "event")


@dataclass(frozen=True, slots=True)
class ResultSet:
    """What a list, its total and its statistics read alike."""

    reader: Reader
    filters: Filters
    registry: Registry
    now_ms: int
    pit: str | None

    @property
    def clauses(self) -> Clauses:
        """Return the clauses of the set."""
        return self.reader.clauses


@contextmanager
def result_set(
    actor: Actor,
    filters: Filters,
    pit: str | None,
    *,
    snapshot: bool,
    excludes: Sequence[str] = API_EXCLUDES,
) -> Iterator[ResultSet]:
    """Open a result set; without a PIT the live indices, or with `snapshot` a point in time for as long as it is read.

    `UNFROZEN` for a PIT reads the live indices whatever it takes.
    Raises `PitExpired`, `NotFound` (another user's lease), `TooManyPits`, `ValidationFailed`, `QueryRejected`.
    """
    visible = access.clauses(actor)
    known = access.registry_of(actor)
    _refuse_hidden(actor, filters, known)
    if pit is UNFROZEN:
        pit, snapshot = None, False
    if pit is not None:
        lease = pits.use_pit(pit, actor.user_id)
        if filters.with_aggregations and not lease.with_aggregations:
            raise ValidationFailed.field("is_show_aggs", INCIDENTS_ONLY)
        # In a point in time over incidents alone nothing has to be left out.
        hide = lease.with_aggregations and filters.with_aggregations is False
        with _reported(lease):
            yield _open(_frozen(lease, excludes), filters, known, visible, lease.created_ms, pit, hide=hide)
        return
    wanted = filters.with_aggregations is not False
    if snapshot:
        with pits.ephemeral(wanted) as lease, _reported(lease):
            yield _open(_frozen(lease, excludes), filters, known, visible, lease.created_ms, None, hide=False)
        return
    indices = schema.document_aliases() if wanted else [schema.incidents_alias()]
    reader = Reader(Clauses(), indices=tuple(indices), excludes=tuple(excludes))
    yield _open(reader, filters, known, visible, time.time_ns() // 1_000_000, None, hide=False)


def _refuse_hidden(actor: Actor, filters: Filters, known: Registry) -> None:
    """Refuse a filter by a field that does not exist for the actor, whoever read it and with which fields."""
    names = [item.field.name for item in (*filters.fields, *filters.narrow) if item.field.name in actor.hidden]
    if names:
        raise ValidationFailed.of([Detail(name, unknown(name, known)) for name in names])


def _frozen(lease: Lease, excludes: Sequence[str]) -> Reader:
    return Reader(Clauses(), pit=lease.raw_id, keep_alive=pits.keep_alive(), excludes=tuple(excludes))


@contextmanager
def _reported(lease: Lease) -> Iterator[None]:
    """Tell the pool when OpenSearch has lost a point in time, so that nobody else is given it."""
    try:
        yield
    except PitExpired:
        pits.report_lost(lease)
        raise


def _open(
    reader: Reader,
    filters: Filters,
    known: Registry,
    visible: Sequence[dsl.Json],
    now_ms: int,
    pit: str | None,
    *,
    hide: bool,
) -> ResultSet:
    clauses = compile_filters(filters, known, now_ms)
    clauses = clauses.narrowed(*visible, without=[IS_AGGREGATION] if hide else [])
    ready = Reader(clauses, reader.indices, reader.pit, reader.keep_alive, reader.excludes)
    if filters.collapse_grouped and not hide and (clause := exclusion(ready)):
        ready = ready.narrowed(without=[clause])
    if filters.narrow:
        wanted, unwanted = dsl.split(filters.narrow)
        ready = ready.narrowed(*wanted, without=unwanted)
    return ResultSet(ready, filters, known, now_ms, pit)

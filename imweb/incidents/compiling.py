"""Filters at a fixed moment become the clauses of a result set; pure, nothing is searched here."""

from __future__ import annotations

from imweb.incidents import dsl, guard
from imweb.incidents.dsl import Clauses
from imweb.incidents.fields import Registry
from imweb.incidents.params import Filters, text_clause


def compile_filters(filters: Filters, registry: Registry, now_ms: int) -> Clauses:
    """Return the clauses of the filters, relative times resolved at `now_ms`.

    Raises `ValidationFailed` for the search text and the times, `QueryRejected` for the clause.
    """
    start_ms, end_ms = dsl.time_bounds(filters, now_ms)
    must = dsl.time_clause(start_ms, end_ms)
    wanted, unwanted = dsl.split(filters.fields)
    must += wanted
    if filters.search_query is not None:
        must.append(guard.checked(filters.search_query, registry, now_ms=now_ms, tz=filters.tz))
    if text := text_clause(filters.query_string, registry, now_ms=now_ms, tz=filters.tz):
        must.append(text)
    return Clauses(tuple(must), (dsl.NOT_DELETED, *unwanted), start_ms, end_ms)

"""The guard of `search_query`: every clause is rebuilt from what is known; everything else is refused with its path."""

from datetime import UTC, tzinfo
from typing import Any

from imweb.errors import Detail, QueryRejected
from imweb.incidents.guard import compound, fulltext, leaves, querystring  # noqa: F401 - they register their clauses.
from imweb.incidents.guard.faults import Fault, TooBig
from imweb.incidents.guard.reading import Limits, read
from imweb.incidents.guard.walk import Json, Resolver, Walk

__all__ = ["Fault", "Limits", "checked", "faults_of", "read"]

_LIMITS = Limits()


def checked(
    clause: Any,
    registry: Resolver,
    *,
    now_ms: int,
    tz: tzinfo = UTC,
    path: str = "search_query",
    limits: Limits = _LIMITS,
) -> Json:
    """Return the clause rebuilt, `now` fixed to `now_ms`; raises `QueryRejected` with the path of each offending part.

    It shares nothing that can change with what was given; what passes still belongs into filter context.
    """
    built, faults = _walk(clause, registry, now_ms, tz, path, limits)
    if faults:
        details = [Detail(fault.path, fault.reason) for fault in faults]
        raise QueryRejected("; ".join(f"{d.field}: {d.reason}" for d in details[:5]), details)
    return built


def faults_of(clause: Any, registry: Resolver, *, tz: tzinfo = UTC, path: str = "search_query") -> list[Detail]:
    """Return what `checked` would refuse, whenever it is asked."""
    _built, faults = _walk(clause, registry, 0, tz, path, _LIMITS)
    return [Detail(fault.path, fault.reason) for fault in faults]


def _walk(
    clause: Any, registry: Resolver, now_ms: int, tz: tzinfo, path: str, limits: Limits
) -> tuple[Json, list[Fault]]:
    walk = Walk(registry, now_ms, tz, limits)
    try:
        built = walk.build(read(clause, path, limits), path, 0)
    except TooBig as fault:
        return {}, [*(found for found in walk.faults if found.path != fault.path), fault]
    except Fault as fault:
        return {}, [fault]
    return built, walk.faults

"""What grouping writes down in the relational database: who waits, whose figures are out of date, groups' numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from imweb.grouping.keys import result_id
from imweb.grouping.models import StaleGroup, Waiting
from imweb.grouping.ready import chunks
from imweb.incidents.models import AggregationNumber

# An SQLite statement takes a limited number of values.
AT_ONCE = 500
# Generations before the newest that keep counting what came after them.
_MOST_BEFORE = 20


def stale(groups: Iterable[tuple[str, int, str]]) -> None:
    """Have figures worked out anew: of groups (base, generation, rule), and of those before them.

    The earlier generations count what came after they closed.
    """
    stale_groups(
        (rule, result_id(base, number))
        for base, generation, rule in groups
        for number in range(max(0, generation - _MOST_BEFORE), generation + 1)
    )


def stale_groups(groups: Iterable[tuple[str, str]]) -> None:
    """Have figures worked out anew, of groups as (rule, id); one that is no group of the rule is passed over."""
    rows = (StaleGroup(result_id=one, rule=rule) for rule, one in groups)
    StaleGroup.objects.bulk_create(rows, batch_size=AT_ONCE)


class Waits(NamedTuple):
    """Who waits for a group: the row's key, the group's id, the incident, and since when."""

    pk: int
    result_id: str
    incident: str
    at: datetime


def waiting(ids: Sequence[str]) -> dict[str, list[Waits]]:
    """Return who waits for groups, in the order in which they came."""
    found: dict[str, list[Waits]] = {}
    for part in chunks(ids, AT_ONCE):
        for row in Waiting.objects.filter(result_id__in=part).order_by("pk").values_list(*Waits._fields):
            found.setdefault(row[1], []).append(Waits(*row))
    return found


def forget(keys: Sequence[int]) -> None:
    """Have these wait no more."""
    for part in chunks(keys, AT_ONCE):
        Waiting.objects.filter(pk__in=part).delete()


def numbers(ids: Sequence[str]) -> dict[str, int]:
    """Return the numbers of groups, made for those that have none."""
    found: dict[str, int] = {}
    for part in chunks(ids, AT_ONCE):
        rows = AggregationNumber.objects
        rows.bulk_create([AggregationNumber(result_id=one) for one in part], ignore_conflicts=True)
        found.update(rows.filter(result_id__in=part).values_list("result_id", "pk"))
    return found

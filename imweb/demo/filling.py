"""Put generated incidents into OpenSearch: from one process or several, streamed, repeatable."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from imweb.demo import workers
from imweb.demo.generator import Body, Plan, Targets, Writer
from imweb.demo.sending import Tally, pump
from imweb.incidents.models import AggregationNumber
from imweb.opensearch import schema

# An SQLite statement takes a limited number of values.
_IDS_AT_ONCE = 500
# Hours that a process takes at a time.
_BLOCKS_AT_ONCE = 4
_writer: Writer | None = None


def targets() -> Targets:
    """Return the aliases that the lines are written to."""
    return Targets(schema.incidents_alias(), schema.aggregations_alias(), schema.history_alias())


def group_numbers(ids: Sequence[str]) -> Mapping[str, int]:
    """Return the number of each aggregation result, new ones for those that have none yet."""
    numbers: dict[str, int] = {}
    for first in range(0, len(ids), _IDS_AT_ONCE):
        part = ids[first : first + _IDS_AT_ONCE]
        rows = AggregationNumber.objects
        rows.bulk_create([AggregationNumber(result_id=one) for one in part], ignore_conflicts=True)
        numbers.update(rows.filter(result_id__in=part).values_list("result_id", "pk"))
    return numbers


def fill(plan: Plan, processes: int, report: Callable[[int], None]) -> Tally:
    """Write a whole run; `report` hears the number of incidents written, as they are.

    What exists already is left as it is, so that an interrupted run is completed by running it again.
    """
    total = Tally()
    if processes == 1:
        writer = Writer(plan, targets(), group_numbers)
        for body, tally in pump(_labelled(writer, range(len(writer.blocks())))):
            total.add(tally)
            report(body.incidents)
        return total
    numbers = range(len(Writer(plan, targets(), group_numbers).blocks()))
    shares = [list(numbers[first : first + _BLOCKS_AT_ONCE]) for first in numbers[::_BLOCKS_AT_ONCE]]
    # Fresh processes: database and HTTP connections must not be shared with children.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, workers.begin, (plan, targets())) as pool:
        for count, tally in pool.imap_unordered(workers.fill_share, shares):
            total.add(tally)
            report(count)
    return total


def _labelled(writer: Writer, numbers: Iterable[int]) -> Iterator[tuple[Body, bytes]]:
    blocks = writer.blocks()
    for number in numbers:
        for body in writer.bodies(blocks[number]):
            yield body, body.data


def begin(plan: Plan, where: Targets) -> None:
    """Prepare this process for `fill_share`."""
    global _writer
    _writer = Writer(plan, where, group_numbers)


def fill_share(numbers: list[int]) -> tuple[int, Tally]:
    """Write some hours of the plan given to `begin`; return the number of incidents and what became of the lines."""
    if _writer is None:
        raise RuntimeError("the process was not set up")
    total, count = Tally(), 0
    for body, tally in pump(_labelled(_writer, numbers)):
        total.add(tally)
        count += body.incidents
    return count, total

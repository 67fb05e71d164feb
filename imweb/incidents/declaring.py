"""Declaring access fields: which may be, what that touches, and groups of before marked with what they agree in."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from imweb.configuration import store
from imweb.errors import VersionConflict
from imweb.incidents import access
from imweb.incidents.access import ACCESS_FIELDS, access_fields
from imweb.incidents.clauses import any_of
from imweb.incidents.dsl import IS_AGGREGATION, NOT_DELETED
from imweb.incidents.fields import IGNORE_ABOVE, FieldDef, Registry
from imweb.incidents.pits import note_write
from imweb.incidents.registry import registry
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
log = logging.getLogger(__name__)
MEMBERS = "incident_aggregation_result_id"
_PAGE = 100
_ATTEMPTS = 10
SAMPLES = 6
_EVERY: Json = {"bool": {"filter": [IS_AGGREGATION], "must_not": [NOT_DELETED]}}


@dataclass(frozen=True, slots=True)
class Touched:
    """What stands in the data under a field: its most frequent values, and how many incidents have none."""

    values: list[tuple[str, int]]
    others: int
    without: int


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups in all, and those that a restricted role cannot see because their incidents differ in a field."""

    total: int
    differing: int


def candidates(known: Registry) -> list[FieldDef]:
    """Return the fields that may be declared and are not yet."""
    declared = access_fields()
    return [item for item in known.fields.values() if item.name not in declared and not access.unfit(item)]


def declare(name: str, *, by: str) -> None:
    """Declare an access field; raises `ValidationFailed` for one that cannot be, `SearchUnavailable`."""
    if name not in access_fields():
        prepare([name])
    store.save(ACCESS_FIELDS, {"name": name}, by=by)
    begin_marking()


def prepare(names: Sequence[str]) -> None:
    """Make ready for fields that are about to be declared, whoever declares them; `begin_marking` comes afterwards.

    A field that was declared before has left marks on groups, and since it was withdrawn its values could be edited
    and incidents of others join: those marks are taken away first.
    """
    known = registry()
    for name in names:
        if name in known.fields and not access.unfit(known.fields[name]):
            _forget_marks(name)
            _map_in_history(name)


def withdraw(name: str, *, by: str) -> None:
    """Declare a field no longer; raises `NotFound`, and `ValidationFailed` while a role's filter needs it."""
    store.remove(ACCESS_FIELDS, name, by=by)


def touched(field: FieldDef) -> Touched:
    """Return what incidents hold in a field."""
    query = {"bool": {"must_not": [NOT_DELETED]}}
    aggs = {
        "values": {"terms": {"field": field.exact, "size": SAMPLES}},
        "without": {"missing": {"field": field.exact}},
    }
    answer = gateway().search({"size": 0, "query": query, "aggs": aggs}, index=schema.incidents_alias())["aggregations"]
    values = [(str(bucket["key"]), int(bucket["doc_count"])) for bucket in answer["values"]["buckets"]]
    return Touched(values, int(answer["values"]["sum_other_doc_count"]), int(answer["without"]["doc_count"]))


def groups() -> Groups:
    """Return how many groups there are, and how many are kept from restricted roles."""
    alias = schema.aggregations_alias()
    return Groups(gateway().count(_EVERY, index=alias), gateway().count(_unmarked(access_fields()), index=alias))


def begin_marking() -> None:
    """Have a worker mark the groups of before; without Redis it is done here and now."""
    from imweb.incidents.tasks import mark_groups as task

    try:
        # Grouping may hold the settings of a moment ago.
        task.apply_async(countdown=3, retry=False)
    except Exception as error:  # kombu's errors are those of every transport
        log.warning("groups could not be handed to a worker and are marked here: %s", error)
        mark_groups()


def mark_groups() -> int:
    """Mark the groups whose incidents agree in declared fields, and give them the value; return how many were.

    What cannot be written because somebody else just did is left to the next time.
    """
    declared = access_fields()
    if not declared:
        return 0
    known = registry()
    gateway().refresh(schema.document_aliases())
    marked = 0
    # All of them: a mark may be from before the field was withdrawn and declared again by another way.
    for ids in _pages(_EVERY):
        agreed = _agreed(ids, [known.fields[name] for name in declared if name in known.fields])

        def become(source: Json, agreed: dict[str, Json] = agreed) -> Json | None:
            own = agreed.get(source["key"].partition("/")[2], {})
            if set(own) == set(source.get("partition") or ()):
                return None
            new = copy.deepcopy(source) | {"partition": sorted(own)}
            for path, value in own.items():
                access.place(new, path, value)
            return new

        marked += _write(ids, become)
    if marked:
        note_write(None)
    return marked


def _forget_marks(name: str) -> None:
    marked: Json = {"bool": {"filter": [IS_AGGREGATION, {"term": {"partition": name}}]}}
    for _attempt in range(_ATTEMPTS):
        gateway().refresh(schema.aggregations_alias())
        found = False
        for ids in _pages(marked):
            found = True
            _write(ids, lambda source: {**source, "partition": [one for one in source["partition"] if one != name]})
        if not found:
            return
    raise VersionConflict(_("Groups are being changed just now; try again in a moment."))


def _write(ids: Sequence[str], become: Callable[[Json], Json | None]) -> int:
    """Write what groups become, None to leave one alone; return how many were written, those not changed meanwhile."""
    lines: list[Json] = []
    for stored in gateway().mget([(schema.aggregations_alias(), one) for one in ids]):
        if stored is None or stored.source.get("deleted") or (new := become(stored.source)) is None:
            continue
        action: Json = {"_index": stored.index, "_id": stored.id}
        action |= {"if_seq_no": stored.seq_no, "if_primary_term": stored.primary_term}
        lines += [{"index": action}, new]
    return sum(1 for item in gateway().bulk(lines) if item["index"]["status"] == 200) if lines else 0


def _unmarked(declared: Sequence[str]) -> Json:
    lacking: list[Json] = [{"bool": {"must_not": [{"term": {"partition": name}}]}} for name in declared]
    wanted = [any_of(lacking)] if lacking else [{"match_none": {}}]
    return {"bool": {"filter": [IS_AGGREGATION, *wanted], "must_not": [NOT_DELETED]}}


def _pages(query: Json) -> Iterator[list[str]]:
    after: list[Any] | None = None
    while True:
        body: Json = {"size": _PAGE, "query": query, "sort": [{"key": "asc"}], "_source": False}
        if after is not None:
            body["search_after"] = after
        hits = gateway().search(body, index=schema.aggregations_alias())["hits"]["hits"]
        if hits:
            yield [hit["_id"] for hit in hits]
        if len(hits) < _PAGE:
            return
        after = hits[-1]["sort"]


def _agreed(ids: Sequence[str], fields: Sequence[FieldDef]) -> dict[str, Json]:
    """Return, by group, the fields in which all of its incidents agree, with the value; None where all have none."""
    subs: Json = {}
    for item in fields:
        subs[f"v:{item.name}"] = {"terms": {"field": item.exact, "size": 2}}
        subs[f"n:{item.name}"] = {"missing": {"field": item.exact}}
    query = {"bool": {"filter": [{"terms": {MEMBERS: list(ids)}}], "must_not": [NOT_DELETED]}}
    aggs = {"groups": {"terms": {"field": MEMBERS, "include": list(ids), "size": len(ids)}, "aggs": subs}}
    answer = gateway().search({"size": 0, "query": query, "aggs": aggs}, index=schema.incidents_alias())
    found: dict[str, Json] = {}
    for bucket in answer["aggregations"]["groups"]["buckets"]:
        own: Json = {}
        for item in fields:
            values, without = bucket[f"v:{item.name}"]["buckets"], int(bucket[f"n:{item.name}"]["doc_count"])
            # An incident with two values in one field is counted under each of them.
            if len(values) + bool(without) == 1:
                own[item.name] = str(values[0]["key"]) if values else None
        found[bucket["key"]] = own
    return found


def _map_in_history(name: str) -> None:
    """Map what entries carry of a field, unless they carry it already: then its first value has decided."""
    live: Json = gateway().mapping(schema.history_alias()).get("access", {})
    wanted: Json = {"type": "keyword", "ignore_above": IGNORE_ABOVE}
    for part in name.split("."):
        live = live.get("properties", {}).get(part, {})
    if live:
        return
    for part in reversed(name.split(".")):
        wanted = {"properties": {part: wanted}}
    gateway().put_mapping(schema.history_alias(), {"access": wanted})

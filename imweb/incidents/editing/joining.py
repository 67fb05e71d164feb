"""Joining a group: an incident takes in the group's id, its grouping's and its number; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imweb.incidents.editing.steps import Context, Step, change_id, enter

Json = dict[str, Any]
GROUPING, RESULT = "incident_aggregation_id", "incident_aggregation_result_id"


def join_step(grouping: str, result_id: str, number: int, key: str) -> Step:
    """Return the step by which the document with this key joins a group; the same for whoever has it join."""
    fields = {GROUPING: grouping, RESULT: result_id, "number": number}
    return Step("group", fields, None, change_id("group", result_id, key))


def join(step: Step, source: Json, context: Context) -> Json | None:
    """Return the source of a member; None when it is in this group, or in another of the same grouping, already."""
    wanted = step.fields
    groups, groupings = texts(source, RESULT), texts(source, GROUPING)
    if wanted[RESULT] in groups or wanted[GROUPING] in groupings:
        return None
    rev = int(source.get("rev", 0)) + 1
    mark = {"rev": rev, "change": step.change, "user": context.actor.username, "time": context.time}
    touched = dict(source.get("touched") or {})
    new = dict(source)
    edited = []
    for name, held in ((GROUPING, groupings), (RESULT, groups)):
        new[name] = [*held, wanted[name]]
        touched[name] = {**mark, "old": source.get(name)}
        edited.append({"fieldName": name, "oldValue": source.get(name), "newValue": new[name]})
    numbers = source.get("group_numbers") or []
    new["group_numbers"] = [*(numbers if isinstance(numbers, list) else [numbers]), wanted["number"]]
    new |= {"rev": rev, "touched": touched, "updated_at": context.time, "updated_by": context.actor.username}
    enter(new, "group", edited, None, step, context)
    return new


def texts(source: Mapping[str, Any], name: str) -> list[str]:
    """Return the values of a field that holds one text or several."""
    found = source.get(name)
    return list(found) if isinstance(found, list) else [found] if found else []

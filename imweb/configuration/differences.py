"""What a configuration would change, in lines that a person reads before it is put in force; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from imweb.configuration.yamlfile import flow

Json = dict[str, Any]
_UNSET = object()


def lines(old: Json, new: Json) -> list[str]:
    """Return what differs between two contents of a configuration file, by section; `+`, `~` and `-` objects."""
    found: list[str] = []
    for key, wanted in new.items():
        if isinstance(wanted, list) and (inside := list(_section(old.get(key, []), wanted))):
            found += [key, *(f"  {line}" for line in inside)]
    return found


def _section(old: Sequence[Json], new: Sequence[Json]) -> Iterator[str]:
    before = {item["name"]: item for item in old}
    after = {item["name"]: item for item in new}
    for name, item in after.items():
        if name not in before:
            yield f"+ {name}"
            yield from (f"    {key}: {flow(value)}" for key, value in item.items() if key != "name")
        elif item != before[name]:
            yield f"~ {name}"
            yield from (f"    {line}" for line in _object(before[name], item))
    yield from (f"- {name}" for name in before if name not in after)
    # Where what is new stands says nothing about the order of the others.
    kept = [name for name in before if name in after]
    if kept != (order := [name for name in after if name in before]):
        yield f"order: {', '.join(kept)} → {', '.join(order)}"


def _object(old: Json, new: Json) -> Iterator[str]:
    for key in dict.fromkeys([*new, *old]):
        was, now = old.get(key, _UNSET), new.get(key, _UNSET)
        if was == now:
            continue
        if isinstance(was, list) and isinstance(now, list) and any(isinstance(item, dict) for item in [*was, *now]):
            yield f"{key}"
            yield from (f"  - {flow(item)}" for item in was if item not in now)
            yield from (f"  + {flow(item)}" for item in now if item not in was)
            if sorted(map(flow, was)) == sorted(map(flow, now)):
                yield "  the same in another order"
        else:
            yield f"{key}: {_said(was)} → {_said(now)}"


def _said(value: Any) -> str:
    return "(default)" if value is _UNSET else flow(value)

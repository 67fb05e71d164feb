"""Values of one field, read as the field compares them: custom filters and filters by name."""

from __future__ import annotations

from typing import Any

from imweb.errors import Detail
from imweb.incidents import times
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.params.asked import Bounds, FieldFilter
from imweb.incidents.params.bodies import AdditionalField

MAX_VALUE = 1_024
MAX_VALUES = 1_000


def additional_field(item: AdditionalField, registry: Registry, path: str, faults: list[Detail]) -> FieldFilter | None:
    """Return one custom filter as the query holds it, or add what is wrong with it."""
    found = registry.get(item.name)
    if found is None:
        faults.append(Detail(f"{path}.name", unknown(item.name, registry)))
        return None
    allowed = {
        "number": (Kind.NUMBER,),
        "text": (Kind.KEYWORD, Kind.TEXT),
        "select": (Kind.KEYWORD, Kind.TEXT),
        "multiselect": (Kind.KEYWORD, Kind.TEXT),
    }[item.type]
    if found.kind not in allowed:
        faults.append(
            Detail(f"{path}.type", f"'{item.name}' holds {found.kind} values and takes no filter of type {item.type}")
        )
        return None
    where = f"{path}.value"
    match item.type:
        case "number":
            return _number_filter(found, item, where, faults)
        case "multiselect":
            if not isinstance(item.value, list) or not item.value:
                faults.append(Detail(where, "a list of one or more texts"))
                return None
            if len(item.value) > MAX_VALUES:
                faults.append(Detail(where, f"at most {MAX_VALUES} values"))
                return None
            values = [_text(value, f"{where}[{n}]", faults) for n, value in enumerate(item.value)]
            return FieldFilter(found, "is", tuple(v for v in values if v is not None), item.exclude)
        case _:
            text = _text(item.value, where, faults)
            if text is None:
                return None
            return FieldFilter(found, "pattern" if item.type == "text" else "is", (text,), item.exclude)


def _number_filter(found: FieldDef, item: AdditionalField, where: str, faults: list[Detail]) -> FieldFilter | None:
    try:
        bounds = number_bounds(item.value)
    except ValueError as error:
        faults.append(Detail(where, str(error)))
        return None
    if isinstance(bounds, Bounds):
        return FieldFilter(found, "range", (bounds,), item.exclude)
    return FieldFilter(found, "is", (bounds,), item.exclude)


def number_bounds(value: Any) -> float | Bounds:
    """Return a number, or the bounds of ">=5", ">5", "<=5", "<5" and "5..10" (each end optional); else `ValueError`."""
    expected = 'a number, or a range such as ">=5" or "5..10"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(expected)
    if isinstance(value, int | float):
        return _finite(value, expected)
    text = value.strip()
    if len(text) > 100:
        raise ValueError(expected)
    for operator, name in ((">=", "gte"), ("<=", "lte"), (">", "gt"), ("<", "lt")):
        if text.startswith(operator):
            return Bounds(**{name: _finite(text[len(operator) :], expected)})
    low, dots, high = text.partition("..")
    if dots:
        if not low.strip() and not high.strip():
            raise ValueError(expected)
        bounds = Bounds(
            gte=_finite(low, expected) if low.strip() else None, lte=_finite(high, expected) if high.strip() else None
        )
        if bounds.gte is not None and bounds.lte is not None and bounds.gte > bounds.lte:
            raise ValueError(f"a range from low to high; {text} is the other way round")
        return bounds
    return _finite(text, expected)


def _finite(value: float | str, expected: str) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(expected) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(expected)
    return number


def _text(value: Any, where: str, faults: list[Detail]) -> str | None:
    if not isinstance(value, str):
        faults.append(Detail(where, "a text"))
        return None
    if len(value) > MAX_VALUE:
        faults.append(Detail(where, f"at most {MAX_VALUE} characters"))
        return None
    return value


def typed(found: FieldDef, value: str, name: str, faults: list[Detail], zone: str) -> Any:
    """Return one value of a filter by name, or add what is wrong with it."""
    match found.kind:
        case Kind.NUMBER:
            try:
                return _finite(value, "a number")
            except ValueError as error:
                faults.append(Detail(name, str(error)))
                return None
        case Kind.BOOLEAN:
            if value not in ("true", "false"):
                faults.append(Detail(name, "true or false"))
                return None
            return value == "true"
        case Kind.DATE:
            try:
                return (
                    times.parse_instant(value, now_ms=0, tz=times.parse_zone(zone))
                    if not times.is_relative(value)
                    else _no_math(name, faults)
                )
            except times.BadInstant as error:
                faults.append(Detail(name, error.reason))
                return None
        case _:
            return _text(value, name, faults)


def _no_math(name: str, faults: list[Detail]) -> None:
    faults.append(Detail(name, "an absolute time; use start_time and end_time for relative ones"))


def unknown(name: str, registry: Registry) -> str:
    """Say that a field does not exist, and which one may be meant."""
    # By its full name: the search bar's short ones are taken there alone.
    near = registry.resolve(name) or registry.resolve(registry.nearest(name) or "")
    shown = name if len(name) <= 64 else f"{name[:64]}…"
    return f"'{shown}' is no field" + (f"; did you mean '{near.name}'?" if near else "")

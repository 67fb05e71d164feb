"""One set of parameters out of body and query string: texts become what they stand for, contradictions are faults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from imweb.api.encoding import NoJson, decode
from imweb.errors import Detail, ValidationFailed
from imweb.incidents.params import sort_entries, validated

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
MAX_IN_ADDRESS = 8_192
_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)


def merged(model: type[BaseModel], query: Mapping[str, Sequence[str]], body: Json, faults: list[Detail]) -> Json:
    """Return the parameters of an endpoint, adding a fault for each that was given twice with different values."""
    kinds = kinds_of(model)
    found = dict(body)
    too_long(query, faults)
    for name, texts in query.items():
        value = _value(name, texts[0], kinds.get(name, str), faults)
        if any(text != texts[0] for text in texts[1:]):
            faults.append(Detail(name, "given more than once with different values"))
        elif name not in body:
            found[name] = value
        elif not _same(body[name], value):
            faults.append(Detail(name, "given in the body and in the query string with different values"))
    return found


def too_long(query: Mapping[str, Sequence[str]], faults: list[Detail]) -> None:
    """Add a fault for each text that belongs into a body: servers and proxies cut long addresses off."""
    for name, texts in query.items():
        if any(len(text) > MAX_IN_ADDRESS for text in texts):
            reason = f"at most {MAX_IN_ADDRESS} characters in an address; send it in the body"
            faults.append(Detail(name if len(name) <= 64 else f"{name[:64]}…", reason))


def read(model: type[M], query: Mapping[str, Sequence[str]], body: Json) -> M:
    """Return the parameters of an endpoint as its model; raises `ValidationFailed` with every fault."""
    faults: list[Detail] = []
    values = validated(model, merged(model, query, body, faults), faults, lenient=False)
    refuse(faults)
    return values


def refuse(faults: Sequence[Detail], also: ValidationFailed | None = None) -> None:
    """Raise every fault together, each once; those that `also` holds behind the others."""
    every = [*faults, *(also.details if also else ())]
    if every:
        raise ValidationFailed.of({(fault.field, fault.reason): fault for fault in every}.values())
    if also is not None:
        raise also


def _same(given: Any, value: Any) -> bool:
    if isinstance(given, int) and not isinstance(given, bool) and isinstance(value, str):
        # Epoch milliseconds, the one value that may be a number or a text.
        return str(given) == value
    return bool(given == value) and type(given) is type(value)


@cache
def kinds_of(model: type[BaseModel]) -> dict[str, type]:
    """Return what a text of the query string stands for, by parameter: int, bool, list (JSON) or str."""
    return {field.alias or name: _kind(field.annotation) for name, field in model.model_fields.items()}


def _kind(annotation: Any) -> type:
    parts = _parts(annotation)
    for kind in (str, bool, int, list):
        if kind in parts:
            return kind
    return str


def _parts(annotation: Any) -> set[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return {part for item in get_args(annotation) for part in _parts(item)}
    return {origin or annotation}


def _value(name: str, text: str, kind: type, faults: list[Detail]) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind is int:
        return int(text) if _WHOLE.fullmatch(text) else text
    if kind is list:
        if name == "sort":
            return sort_entries(text, faults)
        try:
            return decode(text.encode())
        except NoJson as error:
            faults.append(Detail(name, f"{error.reason}; a list is best sent in the body"))
            return None
    return text

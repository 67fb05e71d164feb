"""Read `search_query`, a JSON string or an object, strictly: no duplicate keys, no NaN, bounded in every direction."""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from imweb.incidents.guard.faults import Fault

_JSON_DEPTH = 100  # Of values, not of clauses; far below what recursion stands.


@dataclass(frozen=True, slots=True)
class Limits:
    """What a search query may cost; the defaults are generous for what a person or a dashboard writes."""

    bytes: int = 65_536
    depth: int = 20
    clauses: int = 512
    terms: int = 10_000
    string: int = 8_191
    query_string: int = 10_000
    faults: int = 20


def read(search_query: object, path: str, limits: Limits) -> Any:
    """Return the parsed value; raises Fault."""
    too_large = _("is larger than %(most)d bytes") % {"most": limits.bytes}
    if isinstance(search_query, str):
        # Four bytes a character at most, so most texts need no encoding to be measured.
        if len(search_query) > limits.bytes or len(search_query.encode("utf-8", "replace")) > limits.bytes:
            raise Fault(path, too_large)
        value = _parse(search_query, path)
        _check(value, path, limits)
        return value
    _check(search_query, path, limits)
    if len(json.dumps(search_query, ensure_ascii=False).encode()) > limits.bytes:
        raise Fault(path, too_large)
    return search_query


def _parse(text: str, path: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(found)
        if len(mapping) < len(found):
            seen: set[str] = set()
            for key, _value in found:
                if key in seen:
                    raise Fault(path, _('the key "%(key)s" stands twice in one object') % {"key": key[:64]})
                seen.add(key)
        return mapping

    def constant(name: str) -> NoReturn:
        raise Fault(path, _("%(name)s is no JSON number") % {"name": name})

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        reason = _("is no valid JSON: %(message)s at character %(position)d")
        raise Fault(path, reason % {"message": error.msg, "position": error.pos}) from error
    except RecursionError as error:
        raise Fault(path, _("is nested too deeply")) from error
    except ValueError as error:  # An integer of thousands of digits.
        raise Fault(path, _("holds a number that is too long")) from error


def _check(value: Any, path: str, limits: Limits) -> None:
    """Look at every value once, without recursion; raises Fault at the first that may not be there."""
    waiting: list[tuple[Any, str, int]] = [(value, path, 0)]
    while waiting:
        item, where, depth = waiting.pop()
        if depth > _JSON_DEPTH:
            raise Fault(path, _("is nested too deeply"))
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    raise Fault(where, _("keys must be text"))
                _check_text(key, where, limits)
                waiting.append((inner, f"{where}.{key}", depth + 1))
        elif isinstance(item, list):
            waiting.extend((inner, f"{where}[{index}]", depth + 1) for index, inner in enumerate(item))
        elif isinstance(item, str):
            _check_text(item, where, limits)
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise Fault(where, _("the number is too large, or none"))
        elif item is not None and not isinstance(item, (bool, int)):
            raise Fault(where, _("is no JSON value"))


def _check_text(text: str, where: str, limits: Limits) -> None:
    if len(text) > max(limits.string, limits.query_string):
        raise Fault(where, _("text may have at most %(most)d characters") % {"most": limits.string})
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault(where, _("holds half a character (a lone surrogate)")) from error

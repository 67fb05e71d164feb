"""The row filter of a role: one text, read into a clause for searches and its twin for what is read in real time.

Both must agree on every document, so the language is what keyword fields compare without an analyser: whole values,
wildcards and existence, joined by and, or, not. Pure; which fields there are is the caller's business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from django.utils.translation import gettext as _

from imweb.errors import Detail, ValidationFailed
from imweb.incidents import patterns
from imweb.incidents.clauses import any_of
from imweb.incidents.fields import ALIASES, IGNORE_ABOVE
from imweb.incidents.querylang.grammar import parse
from imweb.incidents.querylang.nodes import And, Field, Not, Or, Value, Words

Json = dict[str, Any]
FIELD = "filter"
MAX_VALUE = 1_024
MATCH_NONE: Json = {"match_none": {}}
_PIECE = re.compile(r"\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter over access fields; `fields` are those that it names."""

    root: Any
    fields: frozenset[str]

    def clause(self) -> Json:
        """Return the clause that matches what `matches` is true of."""
        return _clause(self.root)

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Return whether a stored document is one of them."""
        return _matches(self.root, source)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One test of one field: by its whole value, by a pattern, or that it has any value."""

    path: str
    test: Literal["is", "like", "any"]
    text: str = ""


@lru_cache(maxsize=512)
def row_filter(text: str, declared: frozenset[str]) -> RowFilter:
    """Return the filter that a text means; raises `ValidationFailed` pointing at what is no access field."""
    try:
        root = parse(text).root
    except ValidationFailed as error:
        raise ValidationFailed.of([Detail(FIELD, item.reason, item.extra) for item in error.details]) from None
    if root is None:
        raise ValidationFailed.field(FIELD, _("is empty; leave the whole filter out to show every incident"))
    reader = _Reader(declared)
    read = reader.node(root)
    if reader.faults:
        raise ValidationFailed.of(reader.faults)
    return RowFilter(read, frozenset(reader.named))


class _Reader:
    """The walk over one text; every fault in it is found before any is reported."""

    def __init__(self, declared: Collection[str]) -> None:
        self.declared = declared
        self.named: set[str] = set()
        self.faults: list[Detail] = []

    def node(self, node: Any) -> Any:
        match node:
            case And(parts):
                return And(tuple(self.node(part) for part in parts))
            case Or(parts):
                return Or(tuple(self.node(part) for part in parts))
            case Not(part):
                return Not(self.node(part))
            case Field(name, test, start):
                path = name if name in self.declared else ALIASES.get(name, name)
                if path not in self.declared:
                    return self._fault(start, self._unknown(name))
                self.named.add(path)
                return self._test(path, test, start)
            case Words(value):
                return self._fault(value.start, _("name the access field, for example source:IT"))
            case _:
                return self._fault(0, _("cannot be used here"))

    def _test(self, path: str, test: Any, start: int) -> Any:
        match test:
            case And(parts):
                return And(tuple(self._test(path, part, start) for part in parts))
            case Or(parts):
                return Or(tuple(self._test(path, part, start) for part in parts))
            case Not(part):
                return Not(self._test(path, part, start))
            case Value() as value:
                return self._leaf(path, value)
            case _:
                return self._fault(start, _('"%(name)s" has no order; ranges do not work on it') % {"name": path})

    def _leaf(self, path: str, value: Value) -> Any:
        if not value.quoted and value.raw == "*":
            return _Leaf(path, "any")
        if len(value.raw) > MAX_VALUE:
            return self._fault(value.start, _("a value may have at most %(most)d characters") % {"most": MAX_VALUE})
        try:
            value.literal.encode()
        except UnicodeEncodeError:
            return self._fault(value.start, _("holds half a character (a lone surrogate)"))
        if (pattern := value.pattern) is None:
            return _Leaf(path, "is", value.literal)
        try:
            patterns.check_wildcard(pattern)
        except patterns.BadPattern as error:
            return self._fault(value.start, error.reason)
        return _Leaf(path, "like", pattern)

    def _fault(self, start: int, reason: str) -> Any:
        if len(self.faults) < 20:
            self.faults.append(Detail(FIELD, reason, {"position": start, "expected": []}))
        return None

    def _unknown(self, name: str) -> str:
        known = ", ".join(sorted(self.declared))
        if not known:
            return _('"%(name)s" is no access field: none are declared yet') % {"name": name[:64]}
        reason = _('"%(name)s" is no access field; declared are %(known)s')
        return reason % {"name": name[:64], "known": known}


def _clause(node: Any) -> Json:
    match node:
        case And(parts):
            return {"bool": {"filter": [_clause(part) for part in parts]}}
        case Or(parts):
            return any_of([_clause(part) for part in parts])
        case Not(part):
            return {"bool": {"must_not": [_clause(part)]}}
        case _Leaf(path, "any"):
            return {"exists": {"field": path}}
        case _Leaf(path, "like", text):
            return {"wildcard": {path: {"value": text, "case_insensitive": True}}}
        case _Leaf(path, _, text):
            return {"term": {path: {"value": text, "case_insensitive": True}}}
    raise TypeError(node)


def _matches(node: Any, source: Mapping[str, Any]) -> bool:
    match node:
        case And(parts):
            return all(_matches(part, source) for part in parts)
        case Or(parts):
            return any(_matches(part, source) for part in parts)
        case Not(part):
            return not _matches(part, source)
        case _Leaf(path, "any"):
            return bool(indexed(source, path))
        case _Leaf(path, "like", text):
            return any(_fits(text, _fold(value)) for value in indexed(source, path))
        case _Leaf(path, _, text):
            return any(_fold(value) == _fold(text) for value in indexed(source, path))
    raise TypeError(node)


def indexed(source: Mapping[str, Any], path: str) -> list[str]:
    """Return the values of a keyword field as OpenSearch indexes them: what is too long is not there."""
    found: Any = source
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    texts = [_text(value) for value in values if value is not None]
    return [text for text in texts if len(text.encode("utf-16-le", "surrogatepass")) // 2 <= IGNORE_ABOVE]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fold(text: str) -> str:
    """Lower ASCII letters alone, as OpenSearch's case-insensitive comparisons do."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _fits(wildcard: str, value: str) -> bool:
    """Match from left to right, each piece at its first place: one expression for all of it could take for ever."""
    first, *others = _segments(wildcard)
    if not others:
        return first.fullmatch(value) is not None
    start = first.match(value)
    if start is None:
        return False
    position = start.end()
    for segment in others[:-1]:
        found = segment.search(value, position)
        if found is None:
            return False
        position = found.end()
    # A piece without stars has one length, so the last one has one place.
    place = len(value) - others[-1].groups
    return place >= position and others[-1].fullmatch(value, place) is not None


@lru_cache(maxsize=512)
def _segments(wildcard: str) -> list[re.Pattern[str]]:
    """Return the pieces between the stars; each character is a group, so that their number is the length."""
    found: list[list[str]] = [[]]
    for piece in _PIECE.findall(_fold(wildcard)):
        if piece == "*":
            found.append([])
        else:
            found[-1].append("(.)" if piece == "?" else f"({re.escape(piece[-1])})")
    return [re.compile("".join(pieces), re.DOTALL) for pieces in found]

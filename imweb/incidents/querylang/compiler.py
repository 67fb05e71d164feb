"""A search text becomes plain clauses over known fields; every fault in it is found before any is reported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from django.utils.translation import gettext as _

from imweb.errors import Detail, ValidationFailed
from imweb.incidents import patterns, times
from imweb.incidents.clauses import any_of, date_range
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.guard.values import to_number
from imweb.incidents.mappings import SEARCHED
from imweb.incidents.querylang.grammar import FIELD
from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Node, Not, Or, Query, Value, Words

Json = dict[str, Any]
MATCH_NONE: Json = {"match_none": {}}
MATCH_ALL: Json = {"match_all": {}}
SEARCH_ALL = "search_all"
MAX_VALUE = 1_024
_KEYS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
# Where the analyser of words cuts: a pattern is compared with one word at a time.
_CUT = re.compile(r"[^\w*?.'’]+")
_WILD, _ESCAPE = re.compile(r"([*?\\])"), r"\\\1"
_ASSIGNED = re.compile(r"([@A-Za-z_][\w.@-]*)=")


def compile_query(
    query: Query, registry: Registry, *, now_ms: int, tz: tzinfo, severity_ranks: Mapping[str, int]
) -> Json | None:
    """Return the clause of a search text, None when it is empty; raises `ValidationFailed` with every fault."""
    if query.root is None:
        return None
    compiler = _Compiler(registry, now_ms, tz, severity_ranks)
    clause = compiler.node(query.root)
    if compiler.faults:
        raise ValidationFailed.of(compiler.faults)
    return clause


class _Bad(Exception):
    """What is wrong at one place."""


@dataclass(slots=True)
class _Compiler:
    registry: Registry
    now_ms: int
    tz: tzinfo
    ranks: Mapping[str, int]
    faults: list[Detail] = field(default_factory=list)

    def node(self, node: Node) -> Json:
        match node:
            case And(parts):
                return {"bool": {"filter": [self.node(part) for part in parts]}}
            case Or(parts):
                return any_of([self.node(part) for part in parts])
            case Not(part):
                return {"bool": {"must_not": [self.node(part)]}}
            case Words(value):
                return self._noting(value.start, lambda: self._words(value))
            case Field(name, test, start):
                known = self.registry.resolve(name)
                if known is None or known.bookkeeping:
                    self._note(start, self._unknown(name))
                    return MATCH_NONE
                return self._test(known, test, start)
            case _:
                return MATCH_NONE

    def _test(self, known: FieldDef, test: Any, start: int) -> Json:
        match test:
            case And(parts):
                return {"bool": {"filter": [self._test(known, part, start) for part in parts]}}
            case Or(parts):
                return any_of([self._test(known, part, start) for part in parts])
            case Not(part):
                return {"bool": {"must_not": [self._test(known, part, start)]}}
            case Compare(operator, value):
                return self._noting(value.start, lambda: self._range(known, {_KEYS[operator]: value}))
            case Between(low, high, with_low, with_high):
                ends = (("gte" if with_low else "gt", low), ("lte" if with_high else "lt", high))
                bounds = {key: value for key, value in ends if value is not None}
                return self._noting(start, lambda: self._range(known, bounds))
            case _:
                return self._noting(test.start, lambda: self._is(known, test))

    def _noting(self, start: int, build: Any) -> Json:
        try:
            clause: Json = build()
        except (_Bad, times.BadInstant, patterns.BadPattern) as error:
            self._note(start, str(error))
            return MATCH_NONE
        return clause

    def _note(self, start: int, reason: str) -> None:
        if len(self.faults) < 20:
            self.faults.append(Detail(FIELD, reason, {"position": start, "expected": []}))

    def _unknown(self, name: str) -> str:
        near = self.registry.nearest(name)
        if near:
            return _('there is no field "%(name)s"; did you mean "%(near)s"?') % {"name": name[:64], "near": near}
        reason = _('there is no field "%(name)s"; put text that holds a colon in quotes')
        return reason % {"name": name[:64]}

    def _words(self, value: Value) -> Json:
        assigned = None if value.quoted else _ASSIGNED.match(value.raw)
        if assigned and self.registry.resolve(assigned[1]):
            raise _Bad(_('write "%(name)s:" to search a field') % {"name": assigned[1]})
        if self.registry.partial:
            return self._searched(value)
        pattern = value.pattern
        if pattern is None or len([piece for piece in _CUT.split(pattern) if piece.strip("*")]) < 2:
            return self._text(SEARCH_ALL, value)
        # Such as WS-1*: whole values where there are such, and words behind each other are not asked of the others.
        patterns.check_wildcard(pattern)
        known = [self.registry.fields[name] for name in SEARCHED if name in self.registry.fields]
        return any_of(
            [
                self._text(found.name, value)
                if found.kind is Kind.TEXT
                else {"wildcard": {found.name: {"value": pattern, "case_insensitive": True}}}
                for found in known
            ]
        )

    def _searched(self, value: Value) -> Json:
        """Look into the fields that may be seen, one by one: the copy of all would tell of the others."""
        known = [self.registry.fields[name] for name in SEARCHED if name in self.registry.fields]
        pattern = value.pattern
        if pattern is None:
            pattern = f"*{_WILD.sub(_ESCAPE, _short(value.literal))}*"
        patterns.check_wildcard(pattern)
        clauses = [
            self._text(found.name, value)
            if found.kind is Kind.TEXT
            else {"wildcard": {found.name: {"value": pattern, "case_insensitive": True}}}
            for found in known
        ]
        return any_of(clauses) if clauses else MATCH_NONE

    def _text(self, path: str, value: Value) -> Json:
        """Compare words with an analysed text: all of them, in order when they are quoted."""
        literal = _short(value.literal)
        pattern = value.pattern
        if pattern is None:
            # A name such as WS-12 is cut into words, which must stand behind each other.
            return {"match_phrase": {path: {"query": literal}}}
        patterns.check_wildcard(pattern)
        clauses: list[Json] = []
        for piece in _CUT.split(pattern):
            if "*" in piece or "?" in piece:
                if piece.strip("*"):
                    clauses.append({"wildcard": {path: {"value": piece, "case_insensitive": True}}})
            elif piece:
                clauses.append({"match": {path: {"query": piece, "operator": "and"}}})
        if not clauses:
            return MATCH_ALL if path == SEARCH_ALL else {"exists": {"field": path}}
        return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}

    def _is(self, known: FieldDef, value: Value) -> Json:
        if not value.quoted and value.raw == "*":
            return {"exists": {"field": known.name}}
        literal, pattern = _short(value.literal), value.pattern
        match known.kind:
            case Kind.TEXT:
                return self._text(known.name, value)
            case Kind.KEYWORD:
                if pattern is None:
                    return {"term": {known.name: {"value": literal, "case_insensitive": True}}}
                patterns.check_wildcard(pattern)
                return {"wildcard": {known.name: {"value": pattern, "case_insensitive": True}}}
            case Kind.NUMBER:
                return {"term": {known.name: {"value": _number(literal)}}}
            case Kind.BOOLEAN:
                if literal.lower() not in ("true", "false"):
                    raise _Bad(_("must be true or false"))
                return {"term": {known.name: {"value": literal.lower() == "true"}}}
            case Kind.DATE:
                span = times.parse_span(literal, now_ms=self.now_ms, tz=self.tz)
                return date_range(known.name, {"gte": span.start_ms, "lte": span.end_ms})

    def _range(self, known: FieldDef, bounds: Mapping[str, Value]) -> Json:
        if not bounds:
            return {"exists": {"field": known.name}}
        given = {key: _short(value.literal) for key, value in bounds.items()}
        if known.name == "severity":
            return self._severities(given)
        match known.kind:
            case Kind.NUMBER:
                return {"range": {known.name: {key: _number(text) for key, text in given.items()}}}
            case Kind.DATE:
                instants = {
                    key: times.parse_instant(text, now_ms=self.now_ms, tz=self.tz, round_up=key in ("gt", "lte"))
                    for key, text in given.items()
                }
                return date_range(known.name, instants)
            case _:
                reason = _('"%(name)s" has no order; ranges work on numbers, times and the severity')
                raise _Bad(reason % {"name": known.name})

    def _severities(self, bounds: Mapping[str, str]) -> Json:
        """Compare by rank: the levels that lie within become a list of their names."""
        ranks = {name.lower(): rank for name, rank in self.ranks.items()}
        names = set(self.ranks)
        for key, text in bounds.items():
            rank = ranks.get(text.lower())
            if rank is None:
                known = ", ".join(sorted(self.ranks, key=lambda name: self.ranks[name]))
                raise _Bad(_('"%(name)s" is no severity; known are %(known)s') % {"name": text[:64], "known": known})
            names = {name for name in names if _within(self.ranks[name], key, rank)}
        return {"terms": {"severity": sorted(names, key=lambda name: self.ranks[name])}} if names else MATCH_NONE


def _within(rank: int, key: str, bound: int) -> bool:
    return {"gte": rank >= bound, "gt": rank > bound, "lte": rank <= bound, "lt": rank < bound}[key]


def _short(text: str) -> str:
    if len(text) > MAX_VALUE:
        raise _Bad(_("a value may have at most %(most)d characters") % {"most": MAX_VALUE})
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Bad(_("holds half a character (a lone surrogate)")) from None
    return text


def _number(text: str) -> float | int:
    number = to_number(text)
    if number is None:
        raise _Bad(_('"%(value)s" is no number; the field holds numbers') % {"value": text[:64]})
    return number

"""The walk over a search query: one clause at a time, rebuilt from what is known, everything else refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Protocol

from django.utils.translation import gettext as _

from imweb.incidents.fields import FieldDef, Kind
from imweb.incidents.guard.faults import Fault, TooBig
from imweb.incidents.guard.kinds import REFUSED
from imweb.incidents.guard.reading import Limits

Json = dict[str, Any]
MATCH_NONE: Json = {"match_none": {}}
SEARCH_ALL = "search_all"


class Resolver(Protocol):
    """What the guard asks of the field registry; fields that the user may not see are simply not in it."""

    @property
    def fields(self) -> Mapping[str, FieldDef]:
        """All fields by their full names."""

    @property
    def partial(self) -> bool:
        """Whether fields are hidden, so that the copy of all must not be searched."""

    def resolve(self, name: str) -> FieldDef | None:
        """A field by its full name or an alias."""

    def nearest(self, name: str) -> str | None:
        """The known name nearest to a mistyped one."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a clause reads: an indexed path, and how its values compare."""

    path: str
    kind: Kind

    @property
    def is_text(self) -> bool:
        """True where patterns apply."""
        return self.kind in (Kind.KEYWORD, Kind.TEXT)


Builder = Callable[["Walk", Any, str, int], Json]
BUILDERS: dict[str, Builder] = {}


def clause(*names: str) -> Callable[[Builder], Builder]:
    """Register the builder of a clause kind."""

    def register(builder: Builder) -> Builder:
        BUILDERS.update(dict.fromkeys(names, builder))
        return builder

    return register


@dataclass(slots=True)
class Walk:
    """One query being checked: its surroundings, what it has cost, and the faults found so far."""

    resolver: Resolver
    now_ms: int
    tz: tzinfo
    limits: Limits
    clauses: int = 0
    faults: list[Fault] = field(default_factory=list)

    def build(self, value: Any, path: str, depth: int) -> Json:
        """Return the clause rebuilt; a fault in it is noted, and a clause that matches nothing stands in its place."""
        try:
            return self._build(value, path, depth)
        except TooBig:
            raise
        except Fault as fault:
            self.note(fault)
            return MATCH_NONE

    def note(self, fault: Fault) -> None:
        """Remember a fault; raises TooBig when there are enough."""
        self.faults.append(fault)
        if len(self.faults) >= self.limits.faults:
            raise TooBig(fault.path, fault.reason)

    def spend(self, path: str, count: int = 1) -> None:
        """Count clauses; raises TooBig."""
        self.clauses += count
        if self.clauses > self.limits.clauses:
            raise TooBig(path, _("the query has more than %(most)d clauses") % {"most": self.limits.clauses})

    def _build(self, value: Any, path: str, depth: int) -> Json:
        if depth > self.limits.depth:
            raise TooBig(path, _("clauses are nested more than %(most)d deep") % {"most": self.limits.depth})
        self.spend(path)
        if not isinstance(value, dict):
            raise Fault(path, _("must be an object that holds one query clause"))
        if len(value) != 1:
            reason = _("must hold exactly one query clause, not %(count)d; put several into a bool")
            raise Fault(path, reason % {"count": len(value)})
        [(kind, body)] = value.items()
        where = f"{path}.{kind[:64]}"
        builder = BUILDERS.get(kind)
        if builder is None:
            known = ", ".join(sorted(BUILDERS))
            unknown = _("no such query clause is allowed; known are %(known)s") % {"known": known}
            raise Fault(where, str(REFUSED.get(kind, unknown)))
        return builder(self, body, where, depth)

    def target(self, name: str, path: str) -> Target:
        """Return what a field name means; raises Fault naming the nearest known one."""
        found = self.find(name)
        if found is None:
            raise Fault(path, self.unknown(name))
        return found

    def find(self, name: str) -> Target | None:
        """Return what a field name means, None when there is no such field."""
        known = self._public(name)
        if known is not None:
            return Target(known.name, known.kind)
        # `.keyword` is what dashboards over guessed mappings say for the whole value of a text.
        stem, dot, suffix = name.rpartition(".")
        if dot and suffix in ("raw", "keyword"):
            known = self._public(stem)
            if known is not None and (known.kind is Kind.TEXT or (suffix == "keyword" and known.kind is Kind.KEYWORD)):
                return Target(known.exact, Kind.KEYWORD)
        return None

    def unknown(self, name: str) -> str:
        """Say that a field does not exist, and which one may be meant."""
        near = self.resolver.nearest(name)
        if near and self._public(near):
            return _('there is no field "%(name)s"; did you mean "%(near)s"?') % {"name": name[:64], "near": near}
        return _('there is no field "%(name)s"') % {"name": name[:64]}

    def expand(self, pattern: str, path: str) -> list[Target]:
        """Return the fields that a name with `*` stands for, in the registry's order; raises Fault when none."""
        if "*" not in pattern:
            return [self.target(pattern, path)]
        parts = pattern.split("*")
        found = [
            Target(known.name, known.kind)
            for known in self.resolver.fields.values()
            if not known.bookkeeping and _fits(known.name, parts)
        ]
        if not found:
            raise Fault(path, self.unknown(pattern))
        return found

    def below(self, name: str) -> list[Target]:
        """Return the fields inside an object such as `entities`."""
        return [
            Target(known.name, known.kind)
            for known in self.resolver.fields.values()
            if known.name.startswith(f"{name}.") and not known.bookkeeping
        ]

    def _public(self, name: str) -> FieldDef | None:
        known = self.resolver.resolve(name)
        return None if known is None or known.bookkeeping else known


def _fits(name: str, parts: list[str]) -> bool:
    """Match a name against the pieces between the `*` of a pattern, in linear time."""
    if not (name.startswith(parts[0]) and name.endswith(parts[-1])):
        return False
    position, end = len(parts[0]), len(name) - len(parts[-1])
    for piece in parts[1:-1]:
        found = name.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return position <= end


def any_of(clauses: list[Json]) -> Json:
    """Return the clause that matches when one of several does."""
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else MATCH_NONE

"""What may stand where the cursor is, for the search bar's suggestions; pure, so values are looked up by the caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from imweb.incidents.fields import ALIASES, FieldDef, Registry

# The greedy beginning finds the last field before the cursor.
_FIELD = re.compile(
    r"(?:.*[\s(])?([@A-Za-z_][\w.@-]*)[ \t]*(?::[ \t]*(?:>=|<=|>|<)?|>=|<=|>|<)[ \t]*(\(?)([^()]*)$",
    re.ASCII | re.DOTALL,
)
_TAIL = re.compile(r'"(?:\\.|[^"\\])*$|[^\s()"]*$', re.DOTALL)
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
MAX_OPTIONS = 20
# What somebody types is shorter; a pasted one is not completed, since looking for open quotes is quadratic.
MAX_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Completion:
    """What is expected at the cursor: names of fields, values of `field`, or operators.

    `prefix` is what is typed of it, from `start` on; `options` begin with it (values are not known here).
    """

    kind: Literal["field", "value", "operator"]
    prefix: str
    start: int
    field: FieldDef | None = None
    options: tuple[str, ...] = ()


def complete(text: str, cursor: int, registry: Registry) -> Completion:
    """Return what may stand at the cursor, a number of characters into the text."""
    before = text[: max(0, cursor)]
    if len(before) > MAX_TEXT:
        return Completion("field", "", len(before))
    # What is quoted and closed cannot be confused with syntax once it is blanked out.
    plain = _QUOTED.sub(lambda found: "x" * len(found[0]), before)
    tail = _TAIL.search(plain)
    start = tail.start() if tail else len(before)
    typed = before[start:]
    inside = _FIELD.match(plain)
    if inside:
        known = registry.resolve(inside[1])
        rest = inside[3]
        if inside[2] or rest == rest.lstrip().split(" ")[0] or rest.startswith('"'):
            value_start = max(start, inside.start(3))
            closed = bool(inside[2]) and not typed and rest.strip() and not _wants_value(rest)
            if not closed:
                return Completion("value", before[value_start:].removeprefix('"'), value_start, known)
    if not typed and before.strip() and not _wants_value(before) and not before.rstrip().endswith("("):
        return Completion("operator", "", start, None, ("and", "or", "not"))
    return Completion("field", typed, start, None, tuple(_names(typed, registry)))


def _wants_value(text: str) -> bool:
    return bool(re.search(r"(?:^|[\s(])(?:and|or|not)\s*$", text, re.IGNORECASE))


def _names(prefix: str, registry: Registry) -> list[str]:
    """Return the names of fields that begin with what is typed, then those that hold it."""
    names = [name for name, known in registry.fields.items() if not known.bookkeeping]
    names += [name for name, path in ALIASES.items() if path in registry.fields and name not in registry.fields]
    wanted = prefix.lower()
    first = sorted(name for name in names if name.lower().startswith(wanted))
    others = sorted(name for name in names if wanted in name.lower() and name not in first)
    return [*first, *others][:MAX_OPTIONS]

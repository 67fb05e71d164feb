"""What a search text means: frozen nodes, which a parse makes and a compilation reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

# Before any other character a backslash is itself, so that DOMAIN\user and C:\Windows need no thought.
SPECIAL = '\\*?"():<>[]{} \t\r\n'
_ESCAPE = re.compile(r'\\([\\*?"():<>\[\]{}\s])')
_PIECE = re.compile(r'\\[\\*?"():<>\[\]{}\s]|.', re.DOTALL)

Operator = Literal[">=", "<=", ">", "<"]


@dataclass(frozen=True, slots=True)
class Value:
    """A word or a quoted text, as it was typed between its quotes; `start` is its place in the text."""

    raw: str
    quoted: bool = False
    start: int = field(default=0, compare=False)

    @property
    def literal(self) -> str:
        """Return the characters meant."""
        return _ESCAPE.sub(r"\1", self.raw)

    @property
    def pattern(self) -> str | None:
        """Return the wildcard pattern as OpenSearch writes it, None where nothing is wild."""
        if self.quoted:
            return None
        pieces, wild = [], False
        for piece in _PIECE.findall(self.raw):
            if piece in ("*", "?"):
                wild = True
                pieces.append(piece)
            else:
                character = piece[-1]
                pieces.append(f"\\{character}" if character in "*?\\" else character)
        return "".join(pieces) if wild else None


@dataclass(frozen=True, slots=True)
class Compare:
    """A bound on one side: `>=5`."""

    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Between:
    """A range with two ends, None where it is open; `[` and `]` include them, `{` and `}` do not."""

    low: Value | None
    high: Value | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """Text without a field: looked for in titles, descriptions, rules, sources and entities."""

    value: Value


@dataclass(frozen=True, slots=True)
class Field:
    """A field and what its values must be; in `name:(a or b)` the test is made of tests."""

    name: str
    test: Test
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not match."""

    part: Node


# Inside a field's brackets the leaves of And, Or and Not are tests, elsewhere words and fields.
Leaf = Value | Compare | Between
Node = Words | Field | And | Or | Not | Value | Compare | Between
Test = Leaf | And | Or | Not


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search text; None matches everything."""

    root: Node | None = None


def quote(text: str) -> str:
    """Return a text in quotes that is read back as the same characters."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

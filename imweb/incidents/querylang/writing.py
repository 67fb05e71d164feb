"""Search texts written from their meaning, and changed one condition at a time, as the chips of a page do."""

from __future__ import annotations

from typing import Any

from imweb.incidents.querylang.grammar import parse
from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Node, Not, Or, Query, Value, Words, quote


def to_text(query: Query) -> str:
    """Return a search text that means the same, in its plainest spelling."""
    return "" if query.root is None else _write(query.root)


def with_clause(text: str, field: str, value: str) -> str:
    """Return the text narrowed to a value of a field; unchanged when it asks for that already."""
    query = parse(text)
    wanted = clause_of(field, value)
    parts = [part for part in _parts(query.root) if part != Not(wanted)]
    return to_text(_joined(parts if wanted in parts else [*parts, wanted]))


def without_clause(text: str, field: str, value: str) -> str:
    """Return the text without a condition on a field, asked for or excluded."""
    wanted = clause_of(field, value)
    return to_text(_joined([part for part in _parts(parse(text).root) if part not in (wanted, Not(wanted))]))


def invert_clause(text: str, field: str, value: str) -> str:
    """Return the text with a condition turned round: what was asked for is excluded, and back."""
    wanted = clause_of(field, value)
    other: dict[Node, Node] = {wanted: Not(wanted), Not(wanted): wanted}
    turned = [other.get(part, part) for part in _parts(parse(text).root)]
    return to_text(_joined(turned))


def clause_of(field: str, value: str) -> Field:
    """Return the condition that a chip stands for, its value taken literally."""
    return Field(field, Value(quote(value)[1:-1], quoted=True))


def _parts(root: Node | None) -> list[Node]:
    parts = list(root.parts) if isinstance(root, And) else [] if root is None else [root]
    return [_as_chip(part) for part in parts]


def _as_chip(node: Any) -> Any:
    """Give a plain word its quotes, so that `severity:high` and `severity:"high"` are one condition."""
    match node:
        case Not(part):
            return Not(_as_chip(part))
        case Field(name, Value() as value) if not value.quoted and value.pattern is None:
            return clause_of(name, value.literal)
        case _:
            return node


def _joined(parts: list[Node]) -> Query:
    return Query(parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else None)


def _write(node: Any, *, inside: str = "") -> str:
    match node:
        case And(parts):
            text = " and ".join(_write(part, inside="and") for part in parts)
            return f"({text})" if inside else text
        case Or(parts):
            text = " or ".join(_write(part, inside="or") for part in parts)
            return f"({text})" if inside else text
        case Not(part):
            return f"not {_write(part, inside='not')}"
        case Words(value):
            return _value(value)
        case Field(name, test):
            written = _write(test)
            return f"{name}:({written})" if isinstance(test, And | Or | Not) else f"{name}:{written}"
        case Compare(operator, value):
            return f"{operator}{_value(value)}"
        case Between(low, high, with_low, with_high):
            ends = [_value(end) if end else "*" for end in (low, high)]
            return f"{'[' if with_low else '{'}{ends[0]} to {ends[1]}{']' if with_high else '}'}"
        case Value():
            return _value(node)
        case _:
            raise TypeError(node)


def _value(value: Value) -> str:
    return f'"{value.raw}"' if value.quoted else value.raw

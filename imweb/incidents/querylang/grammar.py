"""The search bar's grammar, and the errors that it makes: a position, and what was expected there in plain words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _
from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from imweb.errors import Detail, ValidationFailed
from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Not, Or, Query, Value, Words

MAX_LENGTH = 10_000
MAX_TERMS = 300
MAX_DEPTH = 30
FIELD = "query_string"

# A test stands outside brackets, where a word follows, or inside them, where a value does. Were both made by the same
# rules, the parser's states would be merged, and the lexer could not tell which of the two to expect behind a test.
_TEST = r"""
?{where}_test: "(" either_test ")"
             | {where}_leaf
?{where}_leaf: VALUE -> word
             | STRING -> phrase
             | COMPARE {where}_bound -> compare
             | OPEN [BOUND | STRING] _TO [BOUND | STRING] CLOSE -> between
?{where}_bound: VALUE -> word
              | STRING -> phrase
"""
_GRAMMAR = r"""
start: either?
?either: all (_OR all)*
?all: negated (_AND? negated)*
?negated: _NOT negated -> negation
        | primary
?primary: "(" either ")"
        | FIELD ":" outer_test -> field
        | FIELD COMPARE outer_bound -> compared
        | WORD -> words
        | STRING -> phrase_words
?either_test: all_test (_OR all_test)* -> either
?all_test: negated_test (_AND? negated_test)* -> all
?negated_test: _NOT negated_test -> negation
             | inner_test
@RULES@
_AND.4: /and(?=[\s()]|$)/i
_OR.4: /or(?=[\s()]|$)/i
_NOT.4: /not(?=[\s()]|$)/i
_TO.4: /to(?=[\s\]}]|$)/i
FIELD.3: /[@A-Za-z_][A-Za-z0-9_.@\-]*(?=[ \t]*(?::|[<>]))/
COMPARE.2: />=|<=|>|</
OPEN.2: /[\[{]/
CLOSE.2: /[\]}]/
STRING: /"(?:\\.|[^"\\])*"/s
WORD: /(?!(?:and|or|not)(?:[\s()]|$))(?:\\[^\r\n]|[^\s()":<>\\])+/i
VALUE.1: /(?!(?:and|or|not)(?:[\s()]|$))(?:\\[^\r\n]|[^\s()"\\\[\]{}<>])(?:\\[^\r\n]|[^\s()"\\])*/i
BOUND: /(?!to(?:[\s\]}]|$))(?:\\[^\r\n]|[^\s()"\\\[\]{}])+/i
%ignore /\s+/
"""


class _Builder(Transformer[Token, Any]):
    """Makes nodes while the text is parsed, so that nothing is walked recursively."""

    def start(self, found: list[Any]) -> Query:
        return Query(found[0] if found else None)

    def either(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self, parts: list[Any]) -> Any:
        return Not(parts[-1])

    def words(self, found: list[Token]) -> Words:
        return Words(self.word(found))

    def phrase_words(self, found: list[Token]) -> Words:
        return Words(self.phrase(found))

    def word(self, found: list[Token]) -> Value:
        return Value(str(found[0]), start=found[0].start_pos or 0)

    def phrase(self, found: list[Token]) -> Value:
        return Value(str(found[0])[1:-1], quoted=True, start=found[0].start_pos or 0)

    def compare(self, found: list[Any]) -> Compare:
        return Compare(str(found[0]), found[1])  # type: ignore[arg-type]

    def compared(self, found: list[Any]) -> Field:
        return Field(str(found[0]), self.compare(found[1:]), found[0].start_pos or 0)

    def field(self, found: list[Any]) -> Field:
        return Field(str(found[0]), found[1], found[0].start_pos or 0)

    def between(self, found: list[Any]) -> Between:
        opening, low, high, closing = found
        return Between(self._end(low), self._end(high), opening == "[", closing == "]")

    def _end(self, token: Token | None) -> Value | None:
        if token is None or token == "*":  # noqa: S105 - a token of the grammar
            return None
        return self.phrase([token]) if token.type == "STRING" else self.word([token])


_PARSER = Lark(
    _GRAMMAR.replace("@RULES@", _TEST.format(where="outer") + _TEST.format(where="inner")),
    parser="lalr",
    lexer="contextual",
    transformer=_Builder(),
    maybe_placeholders=True,
)


def fault(reason: str, position: int, expected: list[str] | None = None) -> ValidationFailed:
    """Return the error that points into the search text."""
    extra: dict[str, Any] = {"position": position, "expected": expected or []}
    return ValidationFailed.of([Detail(FIELD, reason, extra)])


def parse(text: str) -> Query:
    """Return what a search text means; raises `ValidationFailed` with the position and what was expected there."""
    if len(text) > MAX_LENGTH:
        raise fault(_("text may have at most %(most)d characters") % {"most": MAX_LENGTH}, MAX_LENGTH)
    return _parse(text)


@lru_cache(maxsize=512)
def _parse(text: str) -> Query:
    try:
        query: Query = _PARSER.parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    _bounded(query)
    return query


def _bounded(query: Query) -> None:
    """Refuse what is too deep or too long to be meant, without recursion."""
    waiting: list[tuple[Any, int]] = [(query.root, 0)] if query.root else []
    terms = 0
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise fault(_("brackets and nots may be nested at most %(most)d deep") % {"most": MAX_DEPTH}, 0)
        match node:
            case And(parts) | Or(parts):
                waiting.extend((part, depth + 1) for part in parts)
            case Not(part):
                waiting.append((part, depth + 1))
            case Field():
                waiting.append((node.test, depth + 1))
            case _:
                terms += 1
    if terms > MAX_TERMS:
        raise fault(_("a search may have at most %(most)d terms") % {"most": MAX_TERMS}, 0)


_KEYWORDS = frozenset({"_AND", "_OR", "_NOT", "_TO"})


def _plain_words() -> dict[str, str]:
    return {
        "FIELD": _("a field such as severity:"),
        "WORD": _("a word"),
        "STRING": _("a quoted text"),
        "VALUE": _("a value"),
        "BOUND": _("a value"),
        "COMPARE": _("a comparison such as >=5"),
        "OPEN": _("a range such as [1 to 5]"),
        "CLOSE": '"]"',
        "LPAR": '"("',
        "RPAR": '")"',
        "COLON": '":"',
        "_AND": "and",
        "_OR": "or",
        "_NOT": "not",
        "_TO": "to",
        "$END": _("the end"),
    }


def _explained(text: str, error: UnexpectedInput) -> ValidationFailed:
    position = len(text)
    names: set[str] = set()
    if isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
        if error.token.type != "$END":
            position = error.token.start_pos or 0
    elif isinstance(error, UnexpectedCharacters):
        names, position = set(error.allowed or ()), error.pos_in_stream or 0
    said = _plain_words()
    found = [(name, word) for name, word in said.items() if name in names]
    expected = list(dict.fromkeys(word for _name, word in found))
    # Bare, a keyword at the end of the sentence would read as if that were cut off.
    quoted = list(dict.fromkeys(f'"{word}"' if name in _KEYWORDS else word for name, word in found))
    rest = text[position : position + 20]
    if rest.startswith('"'):
        return fault(_("the quotation mark is not closed"), position, ['"'])
    if rest == "\\":
        return fault(_('a backslash at the end; write "\\\\" for the character itself'), position, expected)
    if not rest:
        reason = _("the search ends too early; expected %(expected)s")
    elif rest.startswith(":"):
        reason = _('":" stands only behind a field; put text that holds it in quotes. Expected %(expected)s')
    else:
        reason = _('cannot read "%(rest)s"; expected %(expected)s')
    shown = _(" or ").join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)
    shown = shown or _("something else")
    return fault(reason % {"rest": rest, "expected": shown}, position, expected)

"""The search bar's language: `severity:critical and not reviewer:* and host:"WS-12"`; see docs/search.md."""

from imweb.incidents.querylang.compiler import compile_query
from imweb.incidents.querylang.completion import Completion, complete
from imweb.incidents.querylang.grammar import parse
from imweb.incidents.querylang.nodes import Query, quote
from imweb.incidents.querylang.writing import invert_clause, to_text, with_clause, without_clause

__all__ = [
    "Completion",
    "Query",
    "compile_query",
    "complete",
    "invert_clause",
    "parse",
    "quote",
    "to_text",
    "with_clause",
    "without_clause",
]

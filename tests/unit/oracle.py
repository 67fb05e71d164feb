"""A plain-Python reading of filters over documents held in memory, to compare OpenSearch's answers with.

It knows nothing of the compilers: search texts are given as parsed nodes, clauses as they are sent by a caller.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from typing import Any

from imweb.incidents.querylang.nodes import And, Between, Compare, Field, Not, Or, Value, Words

Doc = Mapping[str, Any]
WORD = re.compile(r"[a-z0-9]+")
# What the index copies into the field of free words.
SEARCHED = ("title", "description", "rule.name", "source", "entities.host", "entities.user")
PATHS = {"host": "entities.host", "user": "entities.user", "rule": "rule.name"}


def values(doc: Doc, path: str) -> list[Any]:
    """Return the values at a dotted path."""
    found: Any = doc
    for part in PATHS.get(path, path).split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return [] if found is None else found if isinstance(found, list) else [found]


def tokens(text: str) -> list[str]:
    """Return the words of a text of letters, digits, blanks and hyphens."""
    return WORD.findall(text.lower())


def phrase(text: str, wanted: str) -> bool:
    """Return whether the words wanted stand in a text, behind each other."""
    words, sought = tokens(text), tokens(wanted)
    return bool(sought) and any(words[at : at + len(sought)] == sought for at in range(len(words)))


def wild(pattern: str, value: str) -> bool:
    """Return whether a value fits a pattern of `*` and `?`, whatever its case."""
    return re.fullmatch(fnmatch.translate(pattern.lower().replace("[", "[[]")), value.lower()) is not None


def text_matches(node: Any, doc: Doc, ranks: Mapping[str, int]) -> bool:
    """Return whether a document matches a search text, whose words are letters, digits, hyphens and wildcards."""
    match node:
        case And(parts):
            return all(text_matches(part, doc, ranks) for part in parts)
        case Or(parts):
            return any(text_matches(part, doc, ranks) for part in parts)
        case Not(part):
            return not text_matches(part, doc, ranks)
        case Words(value):
            return any(phrase(text, value.raw) for path in SEARCHED for text in values(doc, path))
        case Field(name, test):
            return _test(test, name, values(doc, name), ranks)
    raise TypeError(node)


def _test(test: Any, name: str, found: list[Any], ranks: Mapping[str, int]) -> bool:
    match test:
        case And(parts):
            return all(_test(part, name, found, ranks) for part in parts)
        case Or(parts):
            return any(_test(part, name, found, ranks) for part in parts)
        case Not(part):
            return not _test(part, name, found, ranks)
        case Compare(operator, value):
            return any(_compare(operator, item, value.raw, name, ranks) for item in found)
        case Between(low, high, with_low, with_high):
            return any(
                (low is None or _compare(">=" if with_low else ">", item, low.raw, name, ranks))
                and (high is None or _compare("<=" if with_high else "<", item, high.raw, name, ranks))
                for item in found
            )
        case Value():
            if test.raw == "*" and not test.quoted:
                return bool(found)
            if name == "title":
                return any(phrase(item, test.raw) for item in found)
            if found and isinstance(found[0], int | float):
                return float(test.raw) in found
            return any(wild(test.raw, str(item)) for item in found)
    raise TypeError(test)


def _compare(operator: str, item: Any, bound: str, name: str, ranks: Mapping[str, int]) -> bool:
    left: float = ranks.get(item, -1) if name == "severity" else float(item)
    right: float = ranks[bound] if name == "severity" else float(bound)
    if name == "severity" and item not in ranks:
        return False
    return _ORDER[operator](left, right)


_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "gte": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "lte": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "gt": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "lt": lambda a, b: a < b,
}


def clause_matches(clause: Mapping[str, Any], doc: Doc) -> bool:
    """Return whether a document matches a clause of OpenSearch's language."""
    [(kind, body)] = clause.items()
    match kind:
        case "match_all":
            return True
        case "match_none":
            return False
        case "bool":
            needed = all(clause_matches(inner, doc) for inner in [*body.get("must", []), *body.get("filter", [])])
            should = body.get("should", [])
            optional = bool(body.get("must") or body.get("filter")) or not should
            least = body.get("minimum_should_match", 0 if optional else 1)
            enough = sum(clause_matches(inner, doc) for inner in should) >= least
            return needed and enough and not any(clause_matches(inner, doc) for inner in body.get("must_not", []))
        case "constant_score":
            return clause_matches(body["filter"], doc)
        case "dis_max":
            return any(clause_matches(inner, doc) for inner in body["queries"])
        case "boosting":
            return clause_matches(body["positive"], doc)
        case "exists":
            return bool(values(doc, body["field"]))
    [(path, inner)] = body.items()
    found = values(doc, path)
    match kind:
        case "term":
            return inner in found
        case "terms":
            return any(item in found for item in inner)
        case "range":
            return any(all(_ORDER[name](item, bound) for name, bound in inner.items()) for item in found)
        case "prefix":
            return any(item.startswith(inner) for item in found)
        case "wildcard":
            return any(re.fullmatch(fnmatch.translate(inner), item) for item in found)
        case "match":
            return any(set(tokens(inner)) & set(tokens(item)) for item in found)
        case "match_phrase":
            return any(phrase(item, inner) for item in found)
    raise ValueError(kind)


def filter_matches(entry: Mapping[str, Any], doc: Doc) -> bool:
    """Return whether a document matches an entry of `additional_fields`."""
    found, value = values(doc, entry["name"]), entry["value"]
    match entry["type"]:
        case "number":
            matches = any(_number(item, value) for item in found)
        case "text":
            matches = any(wild(value, item) for item in found)
        case "select":
            matches = value in found
        case _:
            matches = any(item in found for item in value)
    return matches != bool(entry.get("exclude"))


def _number(item: float, value: Any) -> bool:
    if not isinstance(value, str):
        return item == float(value)
    low, dots, high = value.partition("..")
    if dots:
        return (not low or item >= float(low)) and (not high or item <= float(high))
    operator, bound = re.fullmatch(r"(>=|<=|>|<)(.*)", value).groups()  # type: ignore[union-attr]
    return _ORDER[operator](item, float(bound))

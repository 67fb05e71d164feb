"""`query_string` as dashboards write it: read by luqum, and rebuilt from clauses over fields that the user may see.

Operators bind as everybody expects (not, then and, then or), and words one after the other are compared one by one,
also with whole values; Lucene's own parser makes other things of both. All else matches what it would match there.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from luqum import tree
from luqum.exceptions import ParseError
from luqum.thread import parse

from imweb.incidents import patterns
from imweb.incidents.fields import Kind
from imweb.incidents.guard.faults import Fault, TooBig
from imweb.incidents.guard.fulltext import MAX_BRACKETS, analysed, named_fields, strict_order
from imweb.incidents.guard.leaves import between, equals, exists, fuzzy_options, regexp
from imweb.incidents.guard.values import Params
from imweb.incidents.guard.walk import Json, Target, Walk, any_of, clause

Targets = list[tuple[Target, bool]]
MATCH_ALL: Json = {"match_all": {}}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Quoted texts, regular expressions and escaped characters, so that no sign in them counts; then the signs.
_SIGNS = re.compile(
    r'"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])*/|\\.|(?<![^\s(])(?:&&|\|\|)(?![^\s)])|(?<![^\s(+-])!', re.DOTALL
)
_SPECIAL = re.compile(r'[+\-&|!(){}\[\]^"~*?:\\/]')
_WILD = re.compile(r"(?<!\\)(?:\\\\)*[*?]")


@clause("query_string")
def _query_string(walk: Walk, value: Any, path: str, depth: int) -> Json:
    params = Params(value, path)
    text = params.text("query", None, most=walk.limits.query_string)
    default = params.text("default_field")
    if default and "fields" not in params.left and default != "*":
        params.left["fields"] = [default]
    targets = named_fields(walk, params)
    operator = params.choice("default_operator", ("or", "and"), "or")
    zone = params.text("time_zone")
    lenient = params.flag("lenient", False)
    slop = params.whole("phrase_slop", 0, 0, 100) or 0
    params.choice("type", ("best_fields", "most_fields"), "best_fields")
    leading = params.flag("allow_leading_wildcard", True)
    # Without effect on what matches here.
    for name in ("analyze_wildcard", "enable_position_increments", "auto_generate_synonyms_phrase_query"):
        params.flag(name, True)
    fuzziness = params.fuzziness()
    fuzzy: Json = {"fuzziness": "AUTO" if fuzziness is None else fuzziness}
    fuzzy |= {name.removeprefix("fuzzy_"): value for name, value in fuzzy_options(params, "fuzzy_").items()}
    if strict_order(params):
        fuzzy["transpositions"] = False
    if params.flag("escape", False):
        text = _SPECIAL.sub(r"\\\g<0>", text)
    params.done()
    where = params.at("query")
    root = _read(text, where)
    if root is None:
        return {"match_none": {}}
    reader = _Reader(walk, where, operator == "and", zone, lenient, slop, leading, fuzzy)
    return reader.build(root, targets, depth + 1)


def _read(text: str, path: str) -> Any:
    if not text.strip():
        return None
    if text.count("(") > MAX_BRACKETS:
        raise Fault(path, _("may hold at most %(most)d brackets") % {"most": MAX_BRACKETS})
    try:
        return parse(_SIGNS.sub(_words_of, text))
    except (ParseError, ValueError, RecursionError) as error:
        raise Fault(path, _("cannot be read: %(reason)s") % {"reason": str(error)[:200]}) from error


def _words_of(found: re.Match[str]) -> str:
    """Return the word for an operator that is written as a sign; quoted and escaped texts stay as they are."""
    return {"&&": "AND", "||": "OR", "!": "NOT "}.get(found[0], found[0])


@dataclass(slots=True)
class _Reader:
    """One query string being rebuilt."""

    walk: Walk
    path: str
    all_words: bool
    zone: str
    lenient: bool
    slop: int
    leading: bool
    fuzzy: Json

    def build(self, node: Any, targets: Targets, depth: int) -> Json:
        if depth > self.walk.limits.depth + MAX_BRACKETS:
            raise TooBig(self.path, _("is nested too deeply"))
        self.walk.spend(self.path)
        match node:
            case tree.Group() | tree.FieldGroup() | tree.Boost() | tree.Plus():
                return self.build(node.children[0], targets, depth + 1)
            case tree.Not() | tree.Prohibit():
                return {"bool": {"must_not": [self.build(node.children[0], targets, depth + 1)]}}
            case tree.OrOperation():
                return any_of([self.build(inner, targets, depth + 1) for inner in node.children])
            case tree.AndOperation():
                return {"bool": {"filter": [self.build(inner, targets, depth + 1) for inner in node.children]}}
            case tree.UnknownOperation() | tree.BoolOperation():
                return self._mixed(node.children, targets, depth)
            case tree.SearchField():
                return self._field(node, targets, depth)
            case _:
                return self._leaf(node, targets)

    def _mixed(self, nodes: Any, targets: Targets, depth: int) -> Json:
        """Words one after the other: `+` must, `-` and NOT must not, the others as the default operator says."""
        body: dict[str, list[Json]] = {"filter": [], "should": [], "must_not": []}
        for node in nodes:
            if isinstance(node, tree.Prohibit | tree.Not):
                body["must_not"].append(self.build(node.children[0], targets, depth + 1))
            else:
                where = "filter" if self.all_words or isinstance(node, tree.Plus) else "should"
                body[where].append(self.build(node, targets, depth + 1))
        if body["filter"]:
            # Beside what must match, the rest would only change the score.
            body["should"] = []
        found: Json = {name: clauses for name, clauses in body.items() if clauses}
        if body["should"]:
            found["minimum_should_match"] = 1
        return {"bool": found}

    def _field(self, node: Any, targets: Targets, depth: int) -> Json:
        name, inner = _ESCAPED.sub(r"\1", node.name), node.children[0]
        if name == "_exists_":
            return exists(self.walk, _plain(str(inner.value)), self.path) if hasattr(inner, "value") else self._odd()
        if name == "*":
            return self.build(inner, targets, depth + 1)
        if isinstance(inner, tree.Word) and inner.value == "*":
            return exists(self.walk, name, self.path)
        found = [(target, "*" in name) for target in self.walk.expand(name, self.path)]
        self.walk.spend(self.path, len(found))
        return self.build(inner, found, depth + 1)

    def _leaf(self, node: Any, targets: Targets) -> Json:
        self.walk.spend(self.path, len(targets) - 1)
        if isinstance(node, tree.Word) and node.value == "*":
            return MATCH_ALL
        clauses, faults = [], []
        for target, wide in targets:
            try:
                clauses.append(self._compare(node, target))
            except Fault as fault:
                faults.append(fault)
                if not (self.lenient or wide):
                    raise
        if faults and not clauses and not self.lenient:
            raise faults[0]
        return any_of(clauses)

    def _compare(self, node: Any, target: Target) -> Json:
        match node:
            case tree.Fuzzy():
                return self._fuzzy(node, target)
            case tree.Proximity():
                return self._phrase(node.children[0], target, int(node.degree))
            case tree.Phrase():
                return self._phrase(node, target, self.slop)
            case tree.Regex():
                text = _as_analysed(target, str(node.value)[1:-1].replace("\\/", "/"))
                return regexp(target, text, self.path, operators=True)
            case tree.Range():
                low, high = _as_analysed(target, _bound(node.low)), _as_analysed(target, _bound(node.high))
                names = ("gte" if node.include_low else "gt", "lte" if node.include_high else "lt")
                bounds = {name: value for name, value in zip(names, (low, high), strict=True) if value != "*"}
                return between(self.walk, target, bounds, self.path, zone=self.zone)
            case tree.From() | tree.To():
                lower = isinstance(node, tree.From)
                key = ("gt" if lower else "lt") + ("e" if node.include else "")
                bound = _as_analysed(target, _bound(node.children[0]))
                return between(self.walk, target, {key: bound}, self.path, zone=self.zone)
            case tree.Word():
                return self._word(str(node.value), target)
            case _:
                return self._odd()

    def _odd(self) -> Json:
        raise Fault(self.path, _("holds something that is not allowed here"))

    def _word(self, raw: str, target: Target) -> Json:
        if raw.startswith("!"):
            raise Fault(self.path, _("write NOT before the field instead of !"))
        if not _WILD.search(raw):
            body = {"operator": "and" if self.all_words else "or"}
            return analysed(self.walk, target, "match", _plain(raw), body, self.path)
        if not target.is_text:
            raise Fault(self.path, _("wildcards work on text; this field holds values of another type"))
        if not self.leading and raw[0] in "*?":
            raise Fault(self.path, _("a pattern may not begin with * or ? (allow_leading_wildcard)"))
        try:
            pattern = patterns.check_wildcard(_as_analysed(target, _ESCAPED.sub(_as_pattern, raw)))
        except patterns.BadPattern as error:
            raise Fault(self.path, error.reason) from error
        return {"wildcard": {target.path: {"value": pattern}}}

    def _phrase(self, node: Any, target: Target, slop: int) -> Json:
        text = _plain(str(node.value)[1:-1])
        if target.kind is Kind.TEXT:
            return analysed(self.walk, target, "match_phrase", text, {"slop": min(slop, 100)}, self.path)
        return equals(self.walk, target, text, self.path)

    def _fuzzy(self, node: Any, target: Target) -> Json:
        if not target.is_text:
            raise Fault(self.path, _("~ works on text; this field holds values of another type"))
        text = _as_analysed(target, _plain(str(node.children[0].value)))
        body: Json = {"value": text, **self.fuzzy}
        if not node._implicit_degree:
            body["fuzziness"] = min(int(node.degree), 2)
        return {"fuzzy": {target.path: body}}


def _as_analysed(target: Target, text: str) -> str:
    """Return a text that is compared with single words of a text field, which are in small letters."""
    return text.lower() if target.kind is Kind.TEXT else text


def _as_pattern(escaped: re.Match[str]) -> str:
    """Return what an escaped character is in a pattern, where three of them need their backslash."""
    return escaped[0] if escaped[1] in "*?\\" else escaped[1]


def _plain(raw: str) -> str:
    """Return a word without its escapes."""
    return _ESCAPED.sub(r"\1", raw)


def _bound(node: Any) -> str:
    raw = str(getattr(node, "value", node))
    return _plain(raw[1:-1] if isinstance(node, tree.Phrase) else raw)

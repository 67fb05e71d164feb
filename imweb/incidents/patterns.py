"""Bounds on wildcard patterns and regular expressions, which OpenSearch turns into automata on the node.

Measured on OpenSearch 3.8: the 31 characters `(((a{1,50}){1,50}){1,50}){1,50}` keep a search thread busy for ever (no
time limit or cancellation reaches it), 900 opening brackets overflow the stack, and `?` twelve times after a `*` is
refused as too complex. `max_determinized_states` bounds only what comes after. So an expression is read here first.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

MAX_PATTERN = 256
"""Longest pattern or expression, in characters."""

MAX_SINGLE_AFTER_STAR = 8
"""Most `?` after the first `*`: each doubles the automaton."""

MAX_EXPANDED = 1_000
"""Most characters that an expression may have once its counted repetitions are written out."""

MAX_GROUPS = 10
"""Deepest nesting of groups in an expression."""

_OPERATORS = '&~<>@#"'


class BadPattern(ValueError):
    """A pattern that is not sent; `reason` is a sentence for the person who wrote it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_wildcard(pattern: str) -> str:
    """Return the pattern (`*`, `?`, `\\` escapes) when it is cheap enough; raises BadPattern."""
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(_("a pattern may have at most %(most)d characters") % {"most": MAX_PATTERN})
    star, singles, position = False, 0, 0
    while position < len(pattern):
        character = pattern[position]
        position += 2 if character == "\\" else 1
        star = star or character == "*"
        singles += character == "?" and star
    if singles > MAX_SINGLE_AFTER_STAR:
        raise BadPattern(
            _('a pattern may have at most %(most)d "?" after a "*"') % {"most": MAX_SINGLE_AFTER_STAR},
        )
    return pattern


def check_regexp(expression: str, *, operators: bool = True) -> str:
    """Return the regular expression (Lucene's syntax) when it is cheap enough; raises BadPattern.

    With `operators`, as OpenSearch reads it unless told otherwise, `& ~ < > @ # "` have meanings that nobody expects
    and that can be costly: they must be escaped.
    """
    if len(expression) > MAX_PATTERN:
        raise BadPattern(_("a regular expression may have at most %(most)d characters") % {"most": MAX_PATTERN})
    _Expression(expression, operators).read()
    return expression


@dataclass(slots=True)
class _Expression:
    """A reader of Lucene's regular expressions that only adds up what they grow to."""

    text: str
    operators: bool
    position: int = 0

    def read(self) -> None:
        self._alternatives(0)
        if self.position < len(self.text):
            raise BadPattern(_('the regular expression has a ")" without its "("'))

    def _alternatives(self, depth: int) -> int:
        if depth > MAX_GROUPS:
            raise BadPattern(_("a regular expression may nest at most %(most)d groups") % {"most": MAX_GROUPS})
        size = 0
        while self.position < len(self.text) and self.text[self.position] != ")":
            if self.text[self.position] == "|":
                self.position += 1
                continue
            size += self._repeated(self._atom(depth))
            if size > MAX_EXPANDED:
                raise BadPattern(
                    _("the regular expression grows to more than %(most)d characters; repeat less")
                    % {"most": MAX_EXPANDED}
                )
        return size

    def _atom(self, depth: int) -> int:
        character = self.text[self.position]
        self.position += 1
        if character == "(":
            size = self._alternatives(depth + 1)
            if self.position >= len(self.text):
                raise BadPattern(_('the regular expression has a "(" without its ")"'))
            self.position += 1
            return max(size, 1)
        if character == "[":
            self._bracket()
        elif character == "\\":
            if self.position >= len(self.text):
                raise BadPattern(_("the regular expression ends in a backslash"))
            self.position += 1
        elif character in "*+?{":
            raise BadPattern(_('"%(character)s" has nothing to repeat') % {"character": character})
        elif self.operators and character in _OPERATORS:
            raise BadPattern(_('write "\\%(character)s" for the character itself') % {"character": character})
        return 1

    def _bracket(self) -> None:
        start = self.position
        if self.text[start : start + 1] == "^":
            self.position += 1
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 2 if character == "\\" else 1
            if character == "]" and self.position > start + 1:
                return
        raise BadPattern(_('the regular expression has a "[" without its "]"'))

    def _repeated(self, size: int) -> int:
        while self.position < len(self.text) and self.text[self.position] in "*+?{":
            character = self.text[self.position]
            self.position += 1
            if character == "{":
                size *= self._count()
        return size

    def _count(self) -> int:
        end = self.text.find("}", self.position)
        low, comma, high = self.text[self.position : end].partition(",")
        self.position = end + 1
        numbers = [part for part in (low, high) if part]
        bad = not low or not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in numbers)
        if end < 0 or bad or (comma and high and int(high) < int(low)):
            raise BadPattern(_('a repetition is written "{2}", "{2,}" or "{2,5}"'))
        return max(int(part) for part in numbers) or 1

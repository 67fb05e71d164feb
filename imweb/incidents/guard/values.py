"""Typed readers for the parameters of a clause: each takes what it knows and complains about what is left over."""

import math
import re
from typing import Any

from django.utils.translation import gettext as _

from imweb.incidents.guard.faults import Fault

Json = dict[str, Any]

_MINIMUM = re.compile(r"-?\d{1,4}%?|\d{1,4}<-?\d{1,4}%?(?: \d{1,4}<-?\d{1,4}%?)*", re.ASCII)
_FUZZINESS = re.compile(r"[0-2]|AUTO(?::\d{1,2},\d{1,2})?", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_REWRITES = ("constant_score", "constant_score_boolean", "scoring_boolean")


class Params:
    """The parameters of one clause. `take…` removes one and checks its type; `done` refuses the unknown rest."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise Fault(path, _("must be an object"))
        self.left: Json = dict(value)
        self.path = path

    def take(self, name: str) -> Any:
        """Return a parameter as it is, None when it is missing."""
        return self.left.pop(name, None)

    def at(self, name: str) -> str:
        """Return the path of a parameter."""
        return f"{self.path}.{name}"

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean; the words "true" and "false" count, as in OpenSearch."""
        value = self.take(name)
        if value is None:
            return default
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise Fault(self.at(name), _("must be true or false"))
        return value

    def text(self, name: str, default: str | None = "", *, most: int = 256) -> str:
        """Return a text; without a default it has to be there."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise Fault(self.at(name), _("must be a text"))
        if len(value) > most:
            raise Fault(self.at(name), _("text may have at most %(most)d characters") % {"most": most})
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of a few words, in lower case."""
        value = self.text(name, default)
        if value.lower() not in allowed:
            raise Fault(self.at(name), _("must be one of %(allowed)s") % {"allowed": ", ".join(allowed)})
        return value.lower()

    def whole(self, name: str, default: int | None, low: int, high: int) -> int | None:
        """Return a whole number between two bounds."""
        value = self.take(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Fault(
                self.at(name), _("must be a whole number from %(low)d to %(high)d") % {"low": low, "high": high}
            )
        return value

    def minimum(self) -> int | str | None:
        """Return `minimum_should_match`."""
        value = self.take("minimum_should_match")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not _MINIMUM.fullmatch(str(value)):
            raise Fault(self.at("minimum_should_match"), _('must be a number, a percentage or such as "2<75%"'))
        return value

    def fuzziness(self) -> int | str | None:
        """Return `fuzziness`."""
        value = self.take("fuzziness")
        if value is None:
            return None
        if isinstance(value, bool) or not _FUZZINESS.fullmatch(str(value)):
            raise Fault(self.at("fuzziness"), _('must be 0, 1, 2 or "AUTO"'))
        return value if isinstance(value, int) else value.upper()

    def ignored(self) -> None:
        """Take what only changes scores or names clauses in the answer: checked, and not sent on."""
        for name in ("boost", "tie_breaker", "negative_boost"):
            value = self.take(name)
            if value is not None:
                number = to_number(value)
                if number is None or number < 0:
                    raise Fault(self.at(name), _("must be a number that is not negative"))
        self.text("_name")
        for name in ("rewrite", "fuzzy_rewrite"):
            value = self.take(name)
            # The top_terms_… family would leave matching documents out.
            if value is not None and value not in _REWRITES:
                raise Fault(self.at(name), _("must be one of %(allowed)s") % {"allowed": ", ".join(_REWRITES)})

    def done(self) -> None:
        """Refuse what nobody took."""
        self.ignored()
        for name in self.left:
            reason = _("scripts are not allowed") if "script" in name else _("is no parameter that is allowed here")
            raise Fault(self.at(name[:64]), reason)


def to_number(value: Any) -> int | float | None:
    """Return a finite number, also from its text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            return None
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, int):
        # OpenSearch holds a double: what is beyond it would be refused there as infinite.
        return value if abs(value) < 10**308 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def to_text(value: Any) -> str | None:
    """Return a scalar as the text that OpenSearch compares a keyword with; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def to_boolean(value: Any) -> bool | None:
    """Return a boolean, also from the words that OpenSearch takes; None for anything else."""
    return {"true": True, "false": False}.get(str(value).lower()) if isinstance(value, (bool, str)) else None

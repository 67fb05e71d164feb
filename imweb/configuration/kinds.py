"""A kind of settings object: its schema, its defaults, and the check of all of its objects together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from imweb.errors import Detail, ValidationFailed


class Definition(BaseModel):
    """Base of all definitions: unknown keys are a fault, so that a typo is not silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str


D = TypeVar("D", bound=Definition)
# What an empty text is faulted by: it says no more than that it is empty.
_UNFILLED = {"string_too_short", "string_pattern_mismatch"}
# The patterns of names: what they begin with, what may follow, and how much of it.
_NAME = re.compile(r"\^\[(?P<first>[^]]+)\]\[(?P<rest>[^]]+)\]\{0,(?P<most>\d+)\}\$")


@dataclass(frozen=True)
class Kind(Generic[D]):
    """One kind; until somebody changes anything its `defaults` hold, without a row in the database."""

    name: str
    definition: type[D]
    defaults: Callable[[], Sequence[D]]
    # Given every definition as it would stand, in order; returns what keeps them from working together.
    check: Callable[[Sequence[D]], list[Detail]] = lambda _: []
    title: str = ""
    # What other domains that build on these definitions have to say about them; asked with `check`.
    guards: list[Callable[[Sequence[D]], list[Detail]]] = field(default_factory=list, compare=False)

    def faults(self, definitions: Sequence[D]) -> list[Detail]:
        """Return everything that keeps definitions from working together."""
        return [fault for ask in (self.check, *self.guards) for fault in ask(definitions)]

    def parse(self, data: Any) -> D:
        """Return a definition, or raise `ValidationFailed` with every fault of its fields."""
        try:
            return self.definition.model_validate(data)
        except ValidationError as error:
            raise ValidationFailed.of(detail_of(fault) for fault in error.errors(include_url=False)) from None

    def stored(self, definition: D) -> dict[str, Any]:
        """Return a definition as it is kept."""
        return definition.model_dump(mode="json")


def detail_of(fault: Any) -> Detail:
    """Return a fault that pydantic found as ours."""
    path = ".".join(str(part) for part in fault["loc"])
    reason = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        reason = "is no setting of this kind; check its spelling"
    elif fault["type"] == "missing" or (fault["type"] in _UNFILLED and not fault["input"]):
        reason = "is needed"
    elif fault["type"] == "string_pattern_mismatch":
        reason = _takes(fault["ctx"]["pattern"]) or reason
    return Detail(path, reason)


def _takes(pattern: str) -> str:
    """Return in words what the pattern of a name takes; empty when it is none of a name's."""
    found = _NAME.fullmatch(pattern)
    if found is None:
        return ""
    first, rest = found["first"], found["rest"]
    letters = "letters" if "A-Z" in rest else "small letters"
    signs = re.sub(r"[aA]-[zZ]|0-9", "", rest)
    parts = [letters, "digits", *(sign for sign in signs if sign != " "), *(["blanks"] if " " in signs else [])]
    begins = "a letter or a digit" if "0-9" in first else "a letter"
    takes = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"takes {takes}; it begins with {begins} and has at most {int(found['most']) + 1} characters"

"""Grouping rules: which incidents go together, for how long, and what the group of them is called.

A rule claims an incident by the incident alone: its filter matches, every comparison field has a value, and no rule
before it claims it without saying "and go on"; what is in a group stays there. So the groups do not depend on the order
in which incidents arrive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from imweb.configuration import Kind
from imweb.configuration.kinds import Definition
from imweb.errors import Detail

MAX_RULES = 200
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
FUNCTIONS = ("count", "distinct", "min", "max", "sum", "first", "last")
TOKEN = re.compile(r"\{([^{}]*)\}")
PLAIN_TOKENS = ("incidents_count", "rule.name", "first_seen", "last_seen")
YEAR_MINUTES = 366 * 24 * 60


class Function(BaseModel):
    """A value worked out over the incidents of a group, for example how many users: `distinct` of `entities.user`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    function: Literal["count", "distinct", "min", "max", "sum", "first", "last"]
    field: str = Field(min_length=1, max_length=128)


class Window(BaseModel):
    """How long a group takes incidents: `fixed` spans aligned to the clock, or `open` until closed or too old."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["fixed", "open"] = "open"
    # The length of a fixed span, or the age at which an open group takes no more.
    minutes: int = Field(default=24 * 60, ge=1, le=YEAR_MINUTES)


class GroupingRule(Definition):
    """A grouping rule as an administrator defines it; its `name` is the `incident_aggregation_id` of its groups."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=120)
    enabled: bool = True
    filter: str = Field(default="", max_length=4_000)
    comparison: tuple[str, ...] = Field(min_length=1, max_length=5)
    functions: tuple[Function, ...] = Field(default=(), max_length=10)
    additional: tuple[str, ...] = Field(default=(), max_length=10)
    window: Window = Window(kind="open", minutes=24 * 60)
    minimum: int = Field(default=2, ge=1, le=1_000)
    group_title: str = Field("{rule.name}", min_length=1, max_length=300)
    group_description: str = Field(default="", max_length=4_000)
    # "highest" of its incidents, or the name of a level.
    severity: str = Field(default="highest", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    reviewer: str = Field(default="", max_length=150)
    and_go_on: bool = False
    # Incidents that arrived at most so many days before the rule was saved are grouped too.
    look_back: int = Field(default=7, ge=0, le=3_660)

    @field_validator("comparison", "additional")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a field twice")
        return value

    @model_validator(mode="after")
    def _tokens_known(self) -> GroupingRule:
        names = [item.name for item in self.functions]
        if len(set(names)) != len(names):
            raise ValueError("functions: two have the same name")
        allowed = self.tokens()
        for field in ("group_title", "group_description"):
            for token in TOKEN.findall(getattr(self, field)):
                if token not in allowed:
                    raise ValueError(f"{field}: {{{token}}} is unknown; use {', '.join(f'{{{t}}}' for t in allowed)}")
        return self

    def tokens(self) -> list[str]:
        """Return what may stand in braces in title and description."""
        found = list(PLAIN_TOKENS)
        for path in self.comparison:
            found += dict.fromkeys((f"comparison.{path.rpartition('.')[2]}", f"comparison.{path}"))
        return found + [f"function.{item.name}" for item in self.functions]


def check_rules(rules: Sequence[GroupingRule]) -> list[Detail]:
    """Return what keeps rules from working together."""
    if len(rules) > MAX_RULES:
        return [Detail("rules", f"at most {MAX_RULES} grouping rules")]
    return []


RULES: Kind[GroupingRule] = Kind("grouping_rule", GroupingRule, list, check_rules, "grouping rule")

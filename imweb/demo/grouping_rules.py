"""The grouping rules that a demonstration begins with: a new user sees groups being made, and rules to change."""

from __future__ import annotations

from typing import Any

from imweb.configuration.models import Change
from imweb.grouping import service
from imweb.grouping.rules import RULES

HOUR, DAY = 60, 1_440
BY = "demo"
# The names of the generator's own groupings go on with what it made; the first lets them have its incidents too.
READY: list[dict[str, Any]] = [
    {
        "name": "busy-host",
        "title": "Serious on one host, 1 d",
        "filter": "severity:>=high and host:*",
        "comparison": ["entities.host"],
        "window": {"kind": "fixed", "minutes": DAY},
        "minimum": 4,
        "functions": [
            {"name": "rules", "function": "distinct", "field": "rule.id"},
            {"name": "users", "function": "distinct", "field": "entities.user"},
        ],
        "group_title": "{incidents_count} serious incidents on {comparison.host}",
        "group_description": "{function.rules} different rules fired for {function.users} users within a day.",
        "and_go_on": True,
    },
    {
        "name": "same-mail",
        "title": "Same sender domain, 1 h",
        "filter": 'source:"Mail gateway"',
        "comparison": ["rule.id", "entities.domain"],
        "window": {"kind": "fixed", "minutes": HOUR},
        "minimum": 3,
        "functions": [{"name": "title", "function": "last", "field": "rule.name"}],
        "group_title": "{function.title}: {comparison.domain}",
        "group_description": "{incidents_count} incidents within an hour: same sender domain.",
    },
    {
        "name": "same-rule-host",
        "title": "Same rule and host, 1 h",
        "comparison": ["rule.id", "entities.host"],
        "window": {"kind": "fixed", "minutes": HOUR},
        "minimum": 3,
        "functions": [{"name": "title", "function": "last", "field": "rule.name"}],
        "group_title": "{function.title}",
        "group_description": "{incidents_count} incidents within an hour: same rule and host.",
    },
]


def ensure() -> list[str]:
    """Save the rules unless somebody has ever changed any; return the names saved."""
    if Change.objects.filter(kind=RULES.name).exists():
        return []
    for data in READY:
        service.save_rule(data, by=BY)
    return [data["name"] for data in READY]

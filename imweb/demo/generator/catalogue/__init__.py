"""The catalogue: every rule the generator knows, and how often each one fires."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import accumulate

from ..rules import LEVEL_SHARE, Rule
from . import cloud, identity, mail, network, unix, windows_changes, windows_programs, windows_tools

_FILES = (windows_programs, windows_tools, windows_changes, unix, network, cloud, identity, mail)
RULES: tuple[Rule, ...] = tuple(rule for file in _FILES for rule in file.RULES)
# The exponent of the power law: a few rules make most of the noise, most rules are seen now and then.
STEEPNESS = 1.15


@dataclass(frozen=True, slots=True)
class Mix:
    """Rules with their running weights, ready for a weighted draw."""

    rules: tuple[Rule, ...]
    running: tuple[float, ...]


def mix() -> Mix:
    """Return the whole catalogue, weighted: each level has its share, and a power law rules within a level."""
    weights: list[float] = []
    ranked: list[Rule] = []
    for level, share in LEVEL_SHARE.items():
        # Which rule is the noisy one is fixed by its title: the same in every run, and not the order of the file.
        rules = sorted(
            (rule for rule in RULES if rule.level == level),
            key=lambda rule: (-round(rule.false_share, 1), hashlib.sha256(rule.title.encode()).digest()),
        )
        parts = [1 / (rank + 1.5) ** STEEPNESS for rank in range(len(rules))]
        weights += [share * part / sum(parts) for part in parts]
        ranked += rules
    return Mix(tuple(ranked), tuple(accumulate(weights)))

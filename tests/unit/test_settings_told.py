"""A recorded change of settings as one line."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.configuration.models import Change
from imweb.web.settings_pages.told import in_words

LOW = {"name": "low", "label": "Low", "rank": 2}
HIGH = {"name": "high", "label": "High", "rank": 4}
STEP = {"source": "new", "target": "closed", "permission": "incident.transition"}


@pytest.mark.parametrize(
    ("action", "old", "new", "words"),
    [
        ("created", None, LOW, ""),
        ("removed", LOW, None, ""),
        ("changed", LOW, LOW | {"label": "Minor", "rank": 1}, "label: Low → Minor; rank: 2 → 1"),
        ("changed", {"on_card": True, "end": None}, {"on_card": False, "end": "x"}, "on card: yes → no; end: — → x"),
        ("changed", {"options": ["a", "b"]}, {"options": ["b", "c"]}, "options: − a, + c"),
        ("changed", {"options": ["a", "b"]}, {"options": ["b", "a"]}, "options: another order"),
        ("changed", {"transitions": []}, {"transitions": [STEP]}, "transitions: + new → closed"),
        ("reordered", ["one", "two"], ["two", "one"], "two, one"),
        ("changed", [LOW, HIGH], [HIGH | {"rank": 5}, {"name": "new"}], "− low; + new; high rank: 4 → 5"),
        ("changed", [LOW, HIGH], [HIGH, LOW], "another order"),
        ("changed", ["host"], ["host", "site"], ""),
    ],
)  # fmt: skip
def test_a_change_says_what_it_was_and_what_it_became(action: str, old: Any, new: Any, words: str) -> None:
    assert in_words(Change(kind="severity", action=action, old=old, new=new)) == words

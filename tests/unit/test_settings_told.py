"""A recorded change of settings as one line."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.configuration.models import Change
from imweb.web.settings_pages.told import called, in_words

LOW = {"name": "low", "label": "Low", "rank": 2}
HIGH = {"name": "high", "label": "High", "rank": 4}
NEW, WAITING = {"name": "new", "title": "New"}, {"name": "waiting", "title": "Waiting"}
ON = {"source": "waiting", "target": "closed", "permission": "incident.transition"}
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
        ("changed", {"statuses": [NEW], "transitions": [STEP]}, {"statuses": [WAITING], "transitions": [ON]},
         "statuses: − New, + Waiting; transitions: − New → closed, + Waiting → closed"),
        ("changed", {"statuses": [NEW], "transitions": []}, {"statuses": [NEW | {"title": "Fresh"}],
         "transitions": [STEP]}, "statuses: − New, + Fresh; transitions: + Fresh → closed"),
        ("reordered", ["one", "two"], ["two", "one"], "order: Two, one"),
        ("changed", [LOW, HIGH], [HIGH | {"rank": 5}, {"name": "new"}], "− Low; + new; High rank: 4 → 5"),
        ("changed", [LOW], [LOW | {"name": "minor"}], "− Low; + Low"),
        ("changed", [LOW, HIGH], [HIGH | {"rank": 2}, LOW | {"rank": 4}], "order: Low, High"),
        ("changed", [LOW, HIGH], [LOW | {"rank": 3}, HIGH], "Low rank: 2 → 3"),
        ("changed", [{"name": "a", "title": "A"}, {"name": "b"}], [{"name": "b"}, {"name": "a", "title": "A"}],
         "order: b, A"),
        ("changed", ["host"], ["host", "site"], ""),
    ],
)  # fmt: skip
def test_a_change_says_what_it_was_and_what_it_became(action: str, old: Any, new: Any, words: str) -> None:
    change = Change(kind="severity", action=action, old=old, new=new)
    assert in_words(change, lambda _kind, _names: {"two": "Two"}) == words


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (LOW, LOW | {"label": "Minor"}, "Minor"),
        (LOW, None, "Low"),
        (None, {"title": "Phishing"}, "Phishing"),
        (["host"], ["host", "site"], "low"),
    ],
)
def test_an_object_is_called_as_people_call_it(old: Any, new: Any, name: str) -> None:
    assert called(Change(kind="severity", name="low", action="changed", old=old, new=new)) == name

"""Single keys: what a form may ask for, what is wrong with it, and what an odd preference does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imweb.accounts.models import User
from imweb.web.keys import ACTS, PREFERENCE, Keys, asked


def posted(**keys: str) -> dict[str, str]:
    return {"keys": "on"} | {f"key.{act}": key for act, key in keys.items()}


def test_each_act_has_a_key_of_its_own_from_the_beginning() -> None:
    usual = [key for _label, key in ACTS.values()]
    assert len(set(usual)) == len(usual)
    keys = Keys.of(User(username="a"))
    assert json.loads(keys.json) == {key: act for act, (_label, key) in ACTS.items()}


def test_two_acts_on_one_key_are_refused_at_the_second_and_name_the_first() -> None:
    _on, bindings = asked(posted(up="j"))
    faults = {item.act: item.fault for item in bindings if item.fault}
    assert faults == {"up": "“j” is taken already: next row."}


def test_keys_may_be_exchanged() -> None:
    on, bindings = asked(posted(up="j", down="k"))
    assert on
    assert [item.fault for item in bindings if item.fault] == []


@pytest.mark.parametrize("key", ["jj", "F1", "Enter", "\x00", "\u202e", "a\u0301\u0301", "👩‍💻"])
def test_a_key_is_one_visible_character(key: str) -> None:
    _on, bindings = asked(posted(up=key))
    assert {item.act for item in bindings if item.fault} == {"up"}


def test_an_empty_key_is_the_usual_one() -> None:
    _on, bindings = asked(posted(up="  "))
    assert next(item.key for item in bindings if item.act == "up") == "k"


@pytest.mark.parametrize(
    "kept",
    [None, "x", [], {"map": "x"}, {"map": {"up": "j"}}, {"map": {"up": 7, "nobody": "q"}}, {"map": {"up": ["j"]}}],
)
def test_a_preference_that_does_not_fit_leaves_the_keys_usable(kept: Any) -> None:
    keys = Keys.of(User(username="a", preferences={PREFERENCE: kept}))
    assert keys.on
    assert len(set(keys.by_act.values())) == len(ACTS)


def test_keys_that_are_off_are_none() -> None:
    keys = Keys.of(User(username="a", preferences={PREFERENCE: {"off": True, "map": {"up": "w"}}}))
    assert json.loads(keys.json) == {}
    assert keys.by_act["up"] == "w"


def test_the_key_of_the_help_is_named_where_the_help_is_not() -> None:
    assert next(item.label for item in Keys.of(User(username="a")).bindings if item.act == "help") == "keyboard help"

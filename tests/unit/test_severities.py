"""Severity levels: colours that can be told from their panels, one default, ranks of their own."""

from __future__ import annotations

import pytest

from imweb.errors import ValidationFailed
from imweb.incidents.severities import BETWEEN_SETS, SETS, SEVERITIES, check_levels, contrast, definition_of


@pytest.mark.parametrize("name", list(SETS))
def test_ready_sets_have_no_fault(name: str) -> None:
    assert check_levels([definition_of(level) for level in SETS[name]]) == []


@pytest.mark.parametrize(("source", "target"), list(BETWEEN_SETS))
def test_every_level_of_a_set_has_a_place_in_the_other(source: str, target: str) -> None:
    targets = {level.name for level in SETS[target]}
    for level in SETS[source]:
        assert BETWEEN_SETS[source, target].get(level.name, level.name) in targets


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_faults_of_levels_together() -> None:
    one = definition_of(SETS["sigma"][0])
    two = one.model_copy(update={"name": "other", "color": "#eeeeee"})
    faults = {fault.field: fault.reason for fault in check_levels([one, two])}
    assert "exactly one level" in faults["default"]
    assert "2 levels have rank 1" in faults["rank"]
    assert "contrast 1.1 in the light theme" in faults["color"]


def test_a_definition_names_each_fault() -> None:
    with pytest.raises(ValidationFailed) as caught:
        SEVERITIES.parse({"name": "Bad Name", "label": "", "rank": -1, "color": "red", "color_dark": "#000000", "x": 1})
    assert {detail.field for detail in caught.value.details} == {"name", "label", "rank", "color", "x"}

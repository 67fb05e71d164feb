"""Controls and texts against their surfaces in both themes: 3 : 1 for what is used, 4.5 : 1 for what is read (WCAG)."""

from __future__ import annotations

import itertools

import pytest

from imweb.incidents.severities import contrast
from tests.unit.test_figures import colors_of

SURFACES = ("im-panel", "im-bg", "im-soft")
# Edges of fields, ticks and buttons, icons that are links, the ring of the focus.
USED = ("im-field", "im-accent", "im-danger", "im-sub")
READ = ("im-text", "im-sub", "im-accent")
SOFT = {"im-accent-soft": ("im-text",), "im-danger-soft": ("im-text",), "im-warn-soft": ("im-text", "im-accent")}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_what_is_used_stands_out_of_every_surface(theme: int) -> None:
    colors = colors_of(theme)
    found = {(name, on): contrast(colors[name], colors[on]) for name, on in itertools.product(USED, SURFACES)}
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 3} == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_what_is_read_can_be_read_on_every_surface(theme: int) -> None:
    colors = colors_of(theme)
    pairs = [*itertools.product(READ, SURFACES), ("im-on-accent", "im-accent")]
    pairs += [(name, on) for on, names in SOFT.items() for name in names]
    found = {pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}

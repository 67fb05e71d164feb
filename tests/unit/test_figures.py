"""Pages of figures without a server: the scale and its colours, the state in the address, links to what is counted."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.env import BASE_DIR
from imweb.incidents.fields import Registry
from imweb.incidents.severities import PANEL, PANEL_DARK, SETS, contrast
from imweb.web.attack import layer
from imweb.web.attack.cells import STEPS, bands, level_of
from imweb.web.figures.state import FigureState, excluding, narrowed, pages_of, with_any_but, without_any
from imweb.web.listing.state import ListState
from imweb.web.statistics.overtime import COLORS
from imweb.web.statistics.panels import lasting, share

REGISTRY = Registry.build()
KNOWN = {"by": ("hosts",), "techniques-shown": ("all",)}


@given(st.integers(1, 2_000_000))
def test_every_count_has_exactly_one_band(most: int) -> None:
    found = bands(most)
    assert (found[0].low, found[-1].high) == (1, most)
    assert all(band.low <= band.high for band in found)
    assert [band.low for band in found[1:]] == [band.high + 1 for band in found[:-1]]
    levels = [band.level for band in found]
    assert levels == sorted(set(levels))
    assert levels[-1] == STEPS
    assert level_of(found, most) == STEPS
    assert level_of(found, 0) == 0


def test_nothing_seen_has_no_scale() -> None:
    assert bands(0) == []


def colors_of(theme: int) -> dict[str, str]:
    """Return the stylesheets' colours by name in the light (0) or the dark theme (1)."""
    folder = Path(BASE_DIR) / "static" / "css"
    text = (folder / "tokens.css").read_text() + (folder / "figures.css").read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\)", text)
    return {name: _long(found[theme]) for name, *found in pairs}


def _long(color: str) -> str:
    return color if len(color) == 7 else "#" + "".join(digit * 2 for digit in color[1:])


@pytest.mark.parametrize("theme", [0, 1])
def test_the_scale_can_be_told_from_the_panel_and_read(theme: int) -> None:
    colors = colors_of(theme)
    assert contrast(colors["im-heat-edge"], colors["im-panel"]) >= 3
    for step in range(1, STEPS + 1):
        assert contrast(colors[f"im-heat-{step}"], colors[f"im-heat-on-{step}"]) >= 4.5, step
    shades = [contrast(colors[f"im-heat-{step}"], colors["im-panel"]) for step in range(1, STEPS + 1)]
    assert shades == sorted(shades), "more stands out more"
    assert all(after / before >= 1.2 for before, after in itertools.pairwise(shades)), shades


@pytest.mark.parametrize("theme", [0, 1])
def test_values_without_a_colour_of_their_own_have_one_that_can_be_seen(theme: int) -> None:
    colors = colors_of(theme)
    names = [*range(1, COLORS + 1), "others", "none"]
    series = [colors[f"im-series-{name}"] for name in names]
    assert len(set(series)) == len(series)
    for name, color in zip(names, series, strict=True):
        assert contrast(color, colors["im-panel"]) >= 3, name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (613, "10 min 13 s"),
        (3_600, "1 h"),
        (8_171, "2 h 16 min"),
        (86_399, "23 h 59 min"),
        (138_321, "1 d 14 h"),
    ],
)
def test_durations_are_cut_to_two_units(seconds: int | None, text: str) -> None:
    assert lasting(seconds) == text


def test_shares_of_nothing_are_a_dash() -> None:
    assert (share(1, 3), share(0, 3), share(0, 0)) == ("33.3 %", "0.0 %", "–")


@pytest.mark.parametrize(("theme", "panel"), [(0, PANEL), (1, PANEL_DARK)])
def test_severities_stand_out_of_the_panel_that_charts_are_drawn_on(theme: int, panel: str) -> None:
    colors = colors_of(theme)
    assert colors["im-panel"] == panel
    for level in SETS["sigma"]:
        assert colors[level.name] == (level.color, level.color_dark)[theme]
        assert contrast(colors[level.name], panel) >= 3, level.name


def test_the_layer_has_the_colours_of_the_page() -> None:
    colors = colors_of(0)
    assert (colors["im-heat-1"], colors["im-heat-5"]) == layer.COLORS


def test_the_page_s_own_parameters_stay_in_every_link_and_out_of_the_list() -> None:
    parameters = {"q": ["a"], "by": ["hosts"], "severity": ["high"], "mode": ["grouped"], "from": ["25"], "rs": ["x"]}
    state = FigureState.read(parameters, "/attack/", KNOWN)
    assert state.url == "/attack/?q=a&severity=high&by=hosts"
    assert state.showing("techniques-shown", "all").url == "/attack/?q=a&severity=high&by=hosts&techniques-shown=all"
    assert state.showing("by", "").url == "/attack/?q=a&severity=high"
    assert state.toggled("severity", "low").url == "/attack/?q=a&severity=high&severity=low&by=hosts"
    assert state.hidden("q") == [("severity", "high"), ("by", "hosts")]
    listed = state.listed().url
    assert listed.startswith("/")
    assert listed.endswith("?q=a&severity=high&mode=incidents")
    assert FigureState.read({"by": ["suns"]}, "/attack/", KNOWN).url == "/attack/"


def test_a_list_leads_to_the_figures_of_its_filters_alone() -> None:
    state = ListState.of({"q": ["a"], "not.status": ["closed"], "sort": ["severity:desc"], "rs": ["x"]}, "/l")
    urls = [link["url"] for link in pages_of(state)]
    assert [url.rpartition("/")[2] for url in urls] == ["?q=a&not.status=closed"] * 2


def _narrowed(address: dict[str, list[str]], name: str, values: list[str]) -> str:
    return narrowed(ListState.of(address, "/l"), REGISTRY, name, values).url


def test_a_link_narrows_what_is_filtered_by_already() -> None:
    assert _narrowed({}, "mitre", ["T1"]) == "/l?mitre=T1"
    assert _narrowed({"mitre": ["*"]}, "mitre", ["T1", "T2"]) == "/l?mitre=T1&mitre=T2"
    # A field with one value: only what both ask for.
    assert _narrowed({"severity": ["high", "low"]}, "severity", ["high"]) == "/l?severity=high"
    # One with several: both must hold.
    both = _narrowed({"mitre": ["T1"], "q": ["a or b"]}, "mitre", ["T2", 'T"3'])
    assert both == "/l?q=%28a+or+b%29+and+mitre%3A%28%22T2%22+or+%22T%5C%223%22%29&mitre=T1"
    assert _narrowed({"mitre": ["T1"]}, "mitre", ["T1", "T1.1"]) == "/l?mitre=T1"
    assert _narrowed({"not.mitre": ["T1"]}, "mitre", ["T2"]) == "/l?not.mitre=T1&mitre=T2"


def test_what_stands_beside_the_values_has_a_list_too() -> None:
    state = ListState.of({"not.status": ["closed"]}, "/l")
    assert excluding(state, "status", ["closed", "rejected"]).url == "/l?not.status=closed&not.status=rejected"
    assert with_any_but(state, "source", ["a", "b"]).url == "/l?not.status=closed&source=%2A&not.source=a&not.source=b"
    assert without_any(state, "reviewer").url == "/l?not.status=closed&not.reviewer=%2A"
    nobody = ListState.of({"not.reviewer": ["*"]}, "/l")
    assert excluding(nobody, "reviewer", ["ann"]).url == nobody.url

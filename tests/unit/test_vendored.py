"""What is vendored is what VENDORED.md records, and stays as small as the first visit may be."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

from imweb.env import BASE_DIR

ROOT = Path(BASE_DIR)
VENDOR = ROOT / "static" / "vendor"
# KB as gzip sends them; a component more of ECharts costs 10 to 20.
CHARTS, THEME = 165, 30


def _files() -> list[Path]:
    return sorted(path for path in VENDOR.rglob("*") if path.is_file())


def test_every_vendored_file_is_recorded_with_its_hash() -> None:
    text = (ROOT / "VENDORED.md").read_text()
    recorded = dict(re.findall(r"^\| `(static/vendor/[^`]+)` \|.*\| `([0-9a-f]{64})` \|$", text, re.MULTILINE))
    found = {path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files()}
    assert found == recorded


def test_every_vendored_package_carries_its_licence() -> None:
    assert all((folder / "LICENSE.txt").is_file() for folder in VENDOR.iterdir())


def test_charts_and_theme_stay_small() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) / 1024 for path in _files()}
    assert sizes["echarts.js"] < CHARTS
    assert sizes["theme.css"] < THEME


def test_only_what_the_build_names_is_drawn_with() -> None:
    built = re.findall(r"import \{ ([^}]+) \} from \"echarts/", (ROOT / "frontend" / "echarts.js").read_text())
    components = {name for names in built for name in names.split(", ") if name != "use"}
    assert components == {"BarChart", "GridComponent", "CanvasRenderer"}
    # An option of a part that is not in the build is passed over in silence.
    drawing = (ROOT / "static" / "js" / "chart.js").read_text()
    assert not re.search(r"\b(tooltip|brush|markLine|legend|dataZoom|visualMap|toolbox|title): [{\[]", drawing)
    assert set(re.findall(r'type: "(\w+)",\n\s+stack', drawing)) == {"bar"}

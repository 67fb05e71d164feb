"""Makes everything under static/vendor/ and VENDORED.md: `python -m frontend.vendor` (needs node, npm and a registry).

The packages are fetched by name in the versions of frontend/package.json, built in a temporary directory and copied
with their licences. Nothing but the result is committed, so the application itself needs neither node nor a network.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = ROOT / "static" / "vendor"

FONTS = {
    "@fontsource-variable/rubik": ("rubik", ["rubik-latin-wght-normal.woff2", "rubik-latin-ext-wght-normal.woff2"]),
    "@fontsource/source-code-pro": (
        "source-code-pro",
        ["source-code-pro-latin-400-normal.woff2", "source-code-pro-latin-ext-400-normal.woff2"],
    ),
}
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}href"


def run(*command: str, cwd: Path) -> None:
    """Runs a command and stops with its own output when it fails."""
    subprocess.run(command, cwd=cwd, check=True)


def copy(source: Path, folder: Path, name: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / (name or source.name))


def package_folder(work: Path, package: str, short: str) -> Path:
    """The folder under static/vendor for a package, with its licence (and notice) already in it."""
    source = work / "node_modules" / package
    version = json.loads((source / "package.json").read_text())["version"]
    folder = TARGET / f"{short}-{version}"
    licence = next(source.glob("LICENSE*"))
    copy(licence, folder, "LICENSE.txt")
    for notice in source.glob("NOTICE*"):
        copy(notice, folder, "NOTICE.txt")
    return folder


def sprite(assets: Path) -> str:
    """One SVG with a symbol for every line of icons.txt; colours follow the text around them."""
    ElementTree.register_namespace("", SVG.strip("{}"))
    root = ElementTree.Element(f"{SVG}svg")
    for line in (HERE / "icons.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, asset = line.split()
        drawing = ElementTree.parse(assets / f"{asset}.svg").getroot()  # noqa: S314 - files of a pinned package
        size = f"0 0 {drawing.get('width')} {drawing.get('height')}"
        symbol = ElementTree.SubElement(root, f"{SVG}symbol", {"id": name, "viewBox": drawing.get("viewBox", size)})
        inner = {element.get("id"): f"{name}-{element.get('id')}" for element in drawing.iter() if element.get("id")}
        for element in drawing.iter():
            if element.get("id"):
                element.set("id", inner[element.get("id")])
            if XLINK in element.attrib:
                element.set("href", f"#{inner[element.attrib.pop(XLINK).removeprefix('#')]}")
            for attribute in ("class", "fill"):
                if element.get(attribute) != "none":
                    element.attrib.pop(attribute, None)
            element.tail = None
            if element.text and not element.text.strip():
                element.text = None
        symbol.extend(list(drawing))
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r"(\d\.\d{3})\d+", r"\1", text) + "\n"


def build(work: Path) -> None:
    """Fetches, builds and lays out every package."""
    for name in ("package.json", "oui.js", "echarts.js"):
        copy(HERE / name, work)
    run("npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=work)
    shutil.rmtree(TARGET, ignore_errors=True)
    esbuild = str(work / "node_modules" / ".bin" / "esbuild")
    options = ("--minify", "--legal-comments=none", "--log-level=warning", "--target=es2022")

    oui = package_folder(work, "@opensearch-project/oui", "oui")
    dist = work / "node_modules" / "@opensearch-project" / "oui"
    run(
        "node",
        "oui.js",
        str(dist / "dist" / "oui_theme_v9_light.min.css"),
        str(dist / "dist" / "oui_theme_v9_dark.min.css"),
        "theme.css",
        cwd=work,
    )
    run(esbuild, "theme.css", "--minify", f"--outfile={oui / 'theme.css'}", "--log-level=warning", cwd=work)
    (oui / "icons.svg").write_text(sprite(dist / "lib" / "components" / "icon" / "assets"))

    echarts = package_folder(work, "echarts", "echarts")
    run(esbuild, "echarts.js", "--bundle", "--format=esm", *options, f"--outfile={echarts / 'echarts.js'}", cwd=work)

    for package, (short, files) in FONTS.items():
        folder = package_folder(work, package, short)
        for name in files:
            copy(work / "node_modules" / package / "files" / name, folder)


def record(work: Path) -> str:
    """The text of VENDORED.md: source, licence and sha256 of every file."""
    rows = []
    for package in json.loads((HERE / "package.json").read_text())["dependencies"]:
        about = json.loads((work / "node_modules" / package / "package.json").read_text())
        short = FONTS[package][0] if package in FONTS else package.rsplit("/", 1)[-1]
        for path in sorted((TARGET / f"{short}-{about['version']}").iterdir()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = path.relative_to(ROOT).as_posix()
            rows.append(f"| `{name}` | {package} {about['version']} | {about['license']} | `{digest}` |")
    return "\n".join(
        [
            "# Vendored front-end files",
            "",
            "Made by `python -m frontend.vendor` from the npm packages named in `frontend/package.json`; do not edit",
            "by hand. Nothing is fetched from a CDN: networks of security operations centres are closed.",
            "",
            "- `oui-*/theme.css`: OUI's v9 themes, light and dark in one file, only the components named in",
            "  `frontend/oui.js`.",
            "- `oui-*/icons.svg`: the icons named in `frontend/icons.txt` as one sprite (`{% icon %}`).",
            "- `echarts-*/echarts.js`: bar charts, grid, canvas renderer, nothing else (`frontend/echarts.js`).",
            "- Fonts: Latin and Latin Extended as woff2. htmx is not here: django-htmx ships it.",
            "",
            "| file | package | licence | sha256 |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Rebuilds static/vendor and VENDORED.md."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build(work)
        (ROOT / "VENDORED.md").write_text(record(work))
    return 0


if __name__ == "__main__":
    sys.exit(main())

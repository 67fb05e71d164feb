"""Pictures of pages for a person to look at, taken where `IM_SCREENSHOTS` names a folder; else nothing happens.

`IM_SCREENSHOTS=/tmp/pictures make test ARGS=tests/e2e` leaves every page and the end of every browser test there, at
three widths in light and dark.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTHS = (1440, 1024, 390)
HEIGHT = 900


def wanted() -> bool:
    """Return whether pictures are taken at all."""
    return bool(os.environ.get("IM_SCREENSHOTS"))


def take(page: Any, name: str, *, widths: Sequence[int] = (), whole: bool = False) -> None:
    """Write a picture of a page as it stands, or one at each width; `whole` goes beyond what the window shows."""
    if not wanted():
        return
    folder = Path(os.environ["IM_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    for width in widths or (0,):
        if width:
            page.set_viewport_size({"width": width, "height": HEIGHT})
        path = folder / (f"{name}-{width}.png" if width else f"{name}.png")
        # Hiding the caret would leave a `style` on inputs, which a later swap copies and the policy refuses.
        page.screenshot(path=path, caret="initial", full_page=whole)
    if widths and before:
        page.set_viewport_size(before)


def take_end(page: Any, name: str) -> None:
    """Write pictures of how a test leaves a page: at every width, in both themes."""
    if not wanted() or page.is_closed() or page.url == "about:blank":
        return
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        # Charts are drawn anew for it.
        page.evaluate("document.dispatchEvent(new Event('im:theme'))")
        take(page, f"end-{name}-{theme}", widths=WIDTHS)

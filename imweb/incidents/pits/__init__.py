"""Points in time: leases that pages and scripts hold on a pool shared by everybody (DESIGN: Point in time, the heart).

`open_pit`, `use_pit` and `release_pit` serve the API, `result_sets` the pages, `note_write` whoever writes a document,
`ephemeral` a request that brought no point in time, `overview` and `close_slot` the system page, `open_contexts` who
measures. Searches take `lease.raw_id` and `keep_alive()`. The names are loaded when first used: Django reads this
package before its models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imweb.incidents.pits.pool import (
        close_slot,
        ephemeral,
        open_pit,
        release_all,
        release_pit,
        report_lost,
        share,
        shorten,
        use_pit,
    )
    from imweb.incidents.pits.raw import keep_alive
    from imweb.incidents.pits.report import open_contexts, overview
    from imweb.incidents.pits.sweeper import sweep
    from imweb.incidents.pits.tokens import Lease
    from imweb.incidents.pits.writes import note_write

_HOME = {
    "Lease": "tokens",
    "close_slot": "pool",
    "ephemeral": "pool",
    "keep_alive": "raw",
    "note_write": "writes",
    "open_contexts": "report",
    "open_pit": "pool",
    "overview": "report",
    "release_all": "pool",
    "release_pit": "pool",
    "report_lost": "pool",
    "share": "pool",
    "shorten": "pool",
    "sweep": "sweeper",
    "use_pit": "pool",
}
__all__ = [
    "Lease",
    "close_slot",
    "ephemeral",
    "keep_alive",
    "note_write",
    "open_contexts",
    "open_pit",
    "overview",
    "release_all",
    "release_pit",
    "report_lost",
    "share",
    "shorten",
    "sweep",
    "use_pit",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(name)

"""What the list remembers of a user: density, columns, page size, the folded chart, auto-refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imweb.accounts.models import User
from imweb.incidents.fields import FieldDef, Kind, Registry
from imweb.incidents.models import CustomField
from imweb.web.listing.state import SIZES

DENSITIES = ("normal", "compact")
AUTO = {0: "off", 15: "15 s", 60: "1 min"}
# Columns beside those that every row has; custom fields come after them.
OPTIONAL = ("rule.name", "source", "resolution", "incident_type", "entities.host", "entities.user", "entities.ip")
MAX_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class ListPreferences:
    """One user's list; `auto` is in seconds, 0 for never."""

    density: str = "normal"
    columns: tuple[str, ...] | None = None
    size: int = SIZES[0]
    folded: bool = False
    auto: int = 0

    @classmethod
    def of(cls, user: User) -> ListPreferences:
        """Read them; what an older version left there and nobody knows any more is passed over."""
        kept = user.preferences.get("list") if isinstance(user.preferences, dict) else None
        if not isinstance(kept, Mapping):
            return cls()
        columns = kept.get("columns")
        return cls(
            density=kept["density"] if kept.get("density") in DENSITIES else "normal",
            columns=tuple(str(name) for name in columns)[:MAX_COLUMNS] if isinstance(columns, list) else None,
            size=kept["size"] if kept.get("size") in SIZES else SIZES[0],
            folded=kept.get("folded") is True,
            auto=kept["auto"] if kept.get("auto") in AUTO else 0,
        )


def remember(user: User, posted: Mapping[str, Sequence[str]]) -> None:
    """Keep what a form of the list says; anything else in it is passed over."""
    kept = dict(user.preferences.get("list") or {}) if isinstance(user.preferences, dict) else {}
    last = {name: values[-1] for name, values in posted.items() if values}
    if last.get("density") in DENSITIES:
        kept["density"] = last["density"]
    if last.get("size", "").isdecimal() and int(last["size"]) in SIZES:
        kept["size"] = int(last["size"])
    if last.get("auto", "").isdecimal() and int(last["auto"]) in AUTO:
        kept["auto"] = int(last["auto"])
    if last.get("folded") in ("0", "1"):
        kept["folded"] = last["folded"] == "1"
    if "with_columns" in last:
        kept["columns"] = list(posted.get("column", ()))[:MAX_COLUMNS]
    user.preferences = {**(user.preferences if isinstance(user.preferences, dict) else {}), "list": kept}
    user.save(update_fields=["preferences"])


def choices(registry: Registry, custom: Sequence[CustomField]) -> list[FieldDef]:
    """Return the columns that may be shown beside the fixed ones."""
    core = [found for name in OPTIONAL if (found := registry.get(name))]
    own = [item.field for item in custom if item.type != "markdown"]
    return core + own


def columns(kept: ListPreferences, registry: Registry, custom: Sequence[CustomField]) -> list[FieldDef]:
    """Return the columns of a user; as long as he chose none, those that an administrator put into the list."""
    possible = choices(registry, custom)
    if kept.columns is None:
        names = {item.name for item in custom if item.in_list}
        return [item for item in possible if item.name in names]
    return [item for item in possible if item.name in kept.columns]


def is_sortable(item: FieldDef) -> bool:
    """Return whether a column's heading sorts."""
    return item.sortable and item.kind is not Kind.TEXT

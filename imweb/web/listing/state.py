"""The list's state is its address: read here, changed here, written here; everything else takes it from this."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote_plus

from django.utils.translation import gettext as _

from imweb.errors import Detail, ValidationFailed
from imweb.incidents.fields import Kind, Registry
from imweb.incidents.params import FieldFilter, ListQuery, parse_listing, sort_entries, typed, unknown

Json = dict[str, Any]
Mode = Literal["grouped", "all", "incidents"]
MODES: tuple[Mode, ...] = ("grouped", "all", "incidents")
SIZES = (25, 50, 100)
DEFAULT_START, DEFAULT_END, OPEN_END = "now-1d", "now", "any"
# Parameters of the page itself; a field of such a name is written `f.name`.
OWN = frozenset(
    {"q", "start", "end", "mode", "sort", "size", "from", "rs", "open", "at", "jump", "add", "op", "value", "last"}
    | {"unit", "by", "format", "since", "group_by", "mark"}
)
ANY = "*"
# "Has no value" among exact values; a value that begins so is written with one more.
NOTHING = "~"
_WHOLE = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A filter by a field: one of the values, or none of them; `*` is any value at all.

    An `exact` one is a part of a list that was grouped by the field: the value itself, no pattern, and `~` for none.
    """

    name: str
    values: tuple[str, ...]
    exclude: bool = False
    exact: bool = False

    @property
    def is_presence(self) -> bool:
        """Return whether this asks only if the field has a value."""
        return self.values == (ANY,) and not self.exact


@dataclass(frozen=True, slots=True)
class ListState:
    """Everything that the address says; immutable, a change gives another state."""

    q: str = ""
    start: str = DEFAULT_START
    end: str = DEFAULT_END
    mode: Mode = "grouped"
    sort: str = ""
    size: str = ""
    offset: str = "0"
    rs: str = ""
    open: str = ""
    at: str = ""
    filters: tuple[Chosen, ...] = ()
    path: str = "/incidents/"
    group_by: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, Sequence[str]], path: str, default_size: int = SIZES[0]) -> ListState:
        """Read the address; what is wrong in it is found when it becomes a query."""
        last = {name: values[-1] for name, values in parameters.items() if values}
        mode = last.get("mode", "grouped")
        return cls(
            q=last.get("q", "").strip(),
            start=last.get("start", "").strip() or DEFAULT_START,
            end=last.get("end", "").strip() or DEFAULT_END,
            mode=mode if mode in MODES else "grouped",
            sort=last.get("sort", ""),
            size=last.get("size", "") or str(default_size),
            offset=last.get("from", "") or "0",
            rs=last.get("rs", ""),
            open=last.get("open", ""),
            at=last.get("at", ""),
            filters=tuple(_chosen(parameters)),
            path=path,
            group_by=last.get("group_by", "").strip()[:256],
        )

    # Changes

    def fresh(self, **changes: Any) -> ListState:
        """Return a state that selects other rows: a new point in time, the first page, nothing open."""
        return replace(self, **{"rs": "", "offset": "0", "at": "", "open": "", **changes})

    def within(self, **changes: Any) -> ListState:
        """Return a state of the same result set: another page, another order."""
        return replace(self, **{"open": "", "at": "", **changes})

    def find(self, name: str, *, exclude: bool = False) -> Chosen | None:
        """Return the filter by a field."""
        return next((item for item in self.filters if item.name == name and item.exclude == exclude), None)

    def has(self, name: str, value: str, *, exclude: bool = False) -> bool:
        """Return whether a value is filtered by."""
        found = self.find(name, exclude=exclude)
        return found is not None and value in found.values

    def toggled(self, name: str, value: str, *, exclude: bool = False) -> ListState:
        """Return the state with a value added to a field's filter, or taken from it."""
        found = self.find(name, exclude=exclude)
        if found and value in found.values:
            return self.with_filter(name, [v for v in found.values if v != value], exclude=exclude)
        kept = [] if found is None or found.is_presence or value == ANY else list(found.values)
        changed = self.with_filter(name, [*kept, value], exclude=exclude)
        # A value is wanted or unwanted, never both; wanting one ends "has none at all".
        other = changed.find(name, exclude=not exclude)
        if other is None:
            return changed
        rest = [] if other.is_presence or value == ANY else [v for v in other.values if v != value]
        return changed.with_filter(name, rest, exclude=not exclude)

    def with_filter(self, name: str, values: Iterable[str], *, exclude: bool = False) -> ListState:
        """Return the state with a field's filter replaced, in its place; no values remove it."""
        new = Chosen(name, tuple(dict.fromkeys(values)), exclude)
        kept: list[Chosen] = []
        placed = False
        for item in self.filters:
            if item.name == name and item.exclude == exclude:
                if new.values:
                    kept.append(new)
                placed = True
            else:
                kept.append(item)
        if not placed and new.values:
            kept.append(new)
        return self.fresh(filters=tuple(kept))

    def inverted(self, item: Chosen) -> ListState:
        """Return the state with one filter turned into its opposite."""
        turned = replace(item, exclude=not item.exclude)
        rest = tuple(
            turned if other == item else other
            for other in self.filters
            if other == item or (other.name, other.exclude) != (turned.name, turned.exclude)
        )
        return self.fresh(filters=rest)

    def without(self, item: Chosen) -> ListState:
        """Return the state without one filter."""
        return self.fresh(filters=tuple(other for other in self.filters if other != item))

    def part(self, name: str, values: Iterable[str | None]) -> ListState:
        """Return the part of the same frozen list whose field has one of exactly these values, None for no value."""
        item = Chosen(name, tuple(exact_text(value) for value in values), exact=True)
        rest = tuple(other for other in self.filters if not (other.exact and other.name == name and not other.exclude))
        return self.within(filters=(*rest, item), group_by="", offset="0")

    # Writing

    def pairs(self, *, keep_place: bool = True) -> list[tuple[str, str]]:
        """Return the parameters of the address; what is as usual is left out."""
        found = [("q", self.q)] if self.q else []
        if self.start != DEFAULT_START:
            found.append(("start", self.start))
        if self.end != DEFAULT_END:
            found.append(("end", self.end))
        for item in self.filters:
            found += [(_parameter(item), value) for value in item.values]
        if self.mode != "grouped":
            found.append(("mode", self.mode))
        if self.sort:
            found.append(("sort", self.sort))
        if self.group_by:
            found.append(("group_by", self.group_by))
        if keep_place:
            found.append(("size", self.size))
            places = (("from", self.offset if self.offset != "0" else ""), ("rs", self.rs), ("at", self.at))
            found += [(name, value) for name, value in (*places, ("open", self.open)) if value]
        return found

    @property
    def url(self) -> str:
        """Return the address."""
        pairs = self.pairs()
        if not (self.rs or self.offset != "0"):
            pairs = [pair for pair in pairs if pair != ("size", str(SIZES[0]))]
        return f"{self.path}?{_query_string(pairs)}" if pairs else self.path

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Return what a form of the page sends along: the filters, but no place and no point in time."""
        return [(name, value) for name, value in self.pairs(keep_place=False) if name not in without]

    # Meaning

    def raw(self, registry: Registry) -> Json:
        """Return the parameters of the API that mean the same: there is one language of filters."""
        faults: list[Detail] = []
        body: Json = {
            "query_string": self.q or None,
            "additional_fields": [
                entry for item in self.filters if not _is_narrow(item, registry) for entry in _entries(item, registry)
            ],
            "start_time": None if self.start == OPEN_END else self.start,
            "end_time": None if self.end == OPEN_END else self.end,
            "is_show_aggs": False if self.mode == "incidents" else None,
            "collapse_grouped": self.mode == "grouped",
            "with_total_docs": True,
            "from": _number(self.offset),
            "size": _number(self.size),
        }
        if self.sort:
            body["sort"] = sort_entries(self.sort, faults)
        if _number(self.size) not in SIZES:
            faults.append(Detail("size", _("25, 50 or 100")))
        if faults:
            raise ValidationFailed.of(faults)
        return body

    def query(self, registry: Registry, zone: str, pit: str | None) -> ListQuery:
        """Return the page that the address asks for; raises `ValidationFailed` with every fault."""
        query = replace(parse_listing(self.raw(registry), registry=registry, zone=zone), pit=pit)
        narrow = _narrow(self.filters, registry, zone)
        return replace(query, filters=replace(query.filters, narrow=narrow)) if narrow else query


# A page writes some seventy addresses that differ in one parameter from each other.
_quoted = lru_cache(maxsize=1024)(quote_plus)


def _query_string(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])


def _number(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text) else text


def _chosen(parameters: Mapping[str, Sequence[str]]) -> Iterable[Chosen]:
    for name, values in parameters.items():
        given = tuple(dict.fromkeys(value for value in values if value != ""))
        if not given or name in OWN or name.startswith("csrf"):
            continue
        exclude = name.startswith("not.")
        name = name.removeprefix("not.") if exclude else name
        if name.startswith("is."):
            yield Chosen(name.removeprefix("is."), given, exclude, exact=True)
        else:
            yield Chosen(name if exclude else name.removeprefix("f."), given, exclude)


def exact_text(value: str | None) -> str:
    """Return how an exact value stands in an address; None is "has no value"."""
    if value is None:
        return NOTHING
    return NOTHING + value if value.startswith(NOTHING) else value


def exact_value(text: str) -> str | None:
    """Return the exact value that a text in an address means."""
    return None if text == NOTHING else text.removeprefix(NOTHING)


def _is_narrow(item: Chosen, registry: Registry) -> bool:
    """Return whether the API's additional fields cannot say this: exact values, and presence but of texts."""
    known = registry.get(item.name)
    return item.exact or (item.is_presence and known is not None and known.kind not in (Kind.KEYWORD, Kind.TEXT))


def _narrow(filters: Iterable[Chosen], registry: Registry, zone: str) -> tuple[FieldFilter, ...]:
    faults: list[Detail] = []
    found = []
    for item in filters:
        if not _is_narrow(item, registry):
            continue
        known = registry.get(item.name)
        if known is None:
            faults.append(Detail(item.name, unknown(item.name, registry)))
            continue
        if not item.exact:
            found.append(FieldFilter(known, "is", (None,), not item.exclude))
            continue
        meant = [exact_value(text) for text in item.values]
        values = tuple(None if value is None else typed(known, value, item.name, faults, zone) for value in meant)
        found.append(FieldFilter(known, "is", values, item.exclude))
    if faults:
        raise ValidationFailed.of(faults)
    return tuple(found)


def _parameter(item: Chosen) -> str:
    if item.exact:
        return f"not.is.{item.name}" if item.exclude else f"is.{item.name}"
    if item.exclude:
        return f"not.{item.name}"
    ambiguous = item.name in OWN or item.name.startswith(("not.", "f.", "is.", "csrf"))
    return f"f.{item.name}" if ambiguous else item.name


def _entries(item: Chosen, registry: Registry) -> Iterable[Json]:
    """Return a filter as the API's additional fields; an unknown field is refused there, in the API's words."""
    known = registry.get(item.name)
    base = {"name": item.name, "exclude": item.exclude}
    if item.is_presence:
        yield {**base, "type": "text", "value": ANY}
    elif known is not None and known.kind is Kind.NUMBER:
        for value in item.values:
            yield {**base, "type": "number", "value": value}
    elif known is not None and known.custom_type == "text":
        for value in item.values:
            yield {**base, "type": "text", "value": value}
    else:
        yield {**base, "type": "multiselect", "value": list(item.values)}

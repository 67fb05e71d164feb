"""The state of a page of figures: the list's filters and time, and beside them what this page alone knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _

from imweb.incidents.fields import Registry
from imweb.incidents.querylang import quote
from imweb.web.listing.state import ANY, SIZES, ListState


@dataclass(frozen=True, slots=True)
class FigureState(ListState):
    """A list's state that counts incidents alone and has no pages; `own` are the page's parameters that differ.

    Names of such parameters are taken by the list already or hold a hyphen, which no field's name does.
    """

    own: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(
        cls, parameters: Mapping[str, Sequence[str]], path: str, known: Mapping[str, Iterable[str]]
    ) -> FigureState:
        """Read an address; `known` are the page's own parameters with the values that each may have."""
        own = tuple(
            (name, values[-1])
            for name, allowed in known.items()
            if (values := parameters.get(name)) and values[-1] in allowed
        )
        rest = {name: values for name, values in parameters.items() if name not in known}
        plain = {name: values for name, values in rest.items() if name not in ("sort", "size", "from", "at", "rs")}
        found = ListState.of(plain, path)
        return cls(
            q=found.q,
            start=found.start,
            end=found.end,
            filters=found.filters,
            mode="incidents",
            path=path,
            own=own,
            size=str(SIZES[0]),
        )

    def shows(self, name: str) -> str:
        """Return the value of one of the page's own parameters."""
        return dict(self.own).get(name, "")

    def showing(self, name: str, value: str) -> FigureState:
        """Return the state with one of the page's own parameters changed; an empty value is the usual one."""
        own = {**dict(self.own), name: value}
        return replace(self, own=tuple((key, text) for key, text in own.items() if text))

    def pairs(self, *, keep_place: bool = True) -> list[tuple[str, str]]:
        """Return the parameters of the address."""
        found = ListState.pairs(self, keep_place=False)
        return [pair for pair in found if pair[0] not in ("mode", "sort")] + list(self.own)

    def listed(self) -> ListState:
        """Return the list of what this page counts."""
        return ListState(
            q=self.q,
            start=self.start,
            end=self.end,
            mode="incidents",
            size=self.size,
            filters=self.filters,
            path=reverse("incidents"),
        )

    def elsewhere(self, path: str) -> FigureState:
        """Return the same filters and time on another page of figures."""
        return replace(self, path=path, own=())


def pages_of(state: ListState) -> list[dict[str, str]]:
    """Return the pages of figures under a list's filters and time, as links."""
    same = FigureState(q=state.q, start=state.start, end=state.end, filters=state.filters, size=str(SIZES[0]))
    return [
        {"label": _("Statistics"), "icon": "chart", "url": same.elsewhere(reverse("statistics")).url},
        {"label": _("ATT&CK matrix"), "icon": "grid", "url": same.elsewhere(reverse("attack")).url},
    ]


def narrowed(state: ListState, registry: Registry, name: str, values: Sequence[str]) -> ListState:
    """Return a list narrowed to documents that have one of the values, the filters that it has all kept.

    Where the field is filtered by already, the address can hold no second filter of the same name: a field with one
    value takes the values in both, one with several gets a condition in the search text.
    """
    found = state.find(name)
    if found is None or found.is_presence:
        return state.with_filter(name, values)
    known = registry.get(name)
    if known is not None and not known.multi:
        return state.with_filter(name, [value for value in values if value in found.values] or values)
    if set(values) >= set(found.values):
        return state
    parts = " or ".join(quote(value) for value in values)
    text = f"{name}:({parts})" if len(values) > 1 else f"{name}:{parts}"
    return state.fresh(q=f"({state.q}) and {text}" if state.q else text)


def without_any(state: ListState, name: str) -> ListState:
    """Return a list narrowed to documents that have no value in a field."""
    return state.with_filter(name, [ANY], exclude=True)


def excluding(state: ListState, name: str, values: Sequence[str]) -> ListState:
    """Return a list without documents that have one of the values, beside what it leaves out already."""
    found = state.find(name, exclude=True)
    if found is not None and found.is_presence:
        return state
    return state.with_filter(name, [*(found.values if found else ()), *values], exclude=True)


def with_any_but(state: ListState, name: str, values: Sequence[str]) -> ListState:
    """Return a list narrowed to documents that have a value in a field, but none of these."""
    wanted = state if state.find(name) else state.with_filter(name, [ANY])
    return excluding(wanted, name, values)

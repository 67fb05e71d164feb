"""The sections of a configuration file; every application adds its own in a module named `config_sections`.

A settings kind needs one line there, `register(of_kind("severities", "…", SEVERITIES))`; what is kept otherwise brings
its own `standing` and `bring`. A section never holds a secret: it names the environment variable that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.utils.module_loading import autodiscover_modules

from imweb.configuration import store
from imweb.configuration.kinds import D, Definition, Kind
from imweb.errors import Detail, ValidationFailed

T = TypeVar("T", bound=Definition)
MODULE = "config_sections"
_known: dict[str, Section[Any]] = {}


def _no_faults(_found: Sequence[Any]) -> list[Detail]:
    return []


def _nothing(_before: Sequence[Any], _now: Sequence[Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Generic[D]):
    """One section; a `Detail` of its faults names the object it is about by `about`, its field by a path in it."""

    key: str
    title: str
    definition: type[D]
    # What stands now, in order, read afresh.
    standing: Callable[[], Sequence[D]]
    # Makes these all that stand, in this order; called in a transaction with all sections, raises `ValidationFailed`.
    bring: Callable[[Sequence[D], str], None]
    # Asked before the transaction, so that waiting for OpenSearch locks nobody out.
    check: Callable[[Sequence[D]], list[Detail]] = _no_faults
    # Asked in the transaction when every section stands.
    verify: Callable[[Sequence[D]], list[Detail]] = _no_faults
    # What OpenSearch needs before these may stand, given what stood; last in the transaction, when nothing is wrong.
    prepare: Callable[[Sequence[D], Sequence[D]], object] = _nothing
    # Called once everything is kept, given what stood and what stands; returns a warning, or an empty text.
    finish: Callable[[Sequence[D], Sequence[D]], str] = _nothing
    # Keys of the sections that its objects refer to: those are brought first.
    after: tuple[str, ...] = ()


def register(section: Section[Any]) -> None:
    """Add a section; its key is its own."""
    if section.key in _known:
        raise ValueError(f"two sections are named {section.key}")
    _known[section.key] = section


def sections() -> list[Section[Any]]:
    """Return every section of the installed applications, those first that others refer to."""
    autodiscover_modules(MODULE)
    placed: dict[str, Section[Any]] = {}

    def place(key: str) -> None:
        if key in placed or key not in _known:
            return
        for earlier in _known[key].after:
            place(earlier)
        placed[key] = _known[key]

    for key in sorted(_known):
        place(key)
    return list(placed.values())


def of_kind(
    key: str,
    title: str,
    kind: Kind[D],
    *,
    after: tuple[str, ...] = (),
    check: Callable[[Sequence[D]], list[Detail]] = _no_faults,
    prepare: Callable[[Sequence[D], Sequence[D]], object] = _nothing,
    finish: Callable[[Sequence[D], Sequence[D]], str] = _nothing,
) -> Section[D]:
    """Return the section of a settings kind; `check` is asked beside the kind's own, when every section stands."""
    return Section(
        key=key,
        title=title,
        definition=kind.definition,
        standing=lambda: [item.value for item in store.items(kind, fresh=True)],
        bring=lambda new, by: store.bring(kind, new, by=by),
        verify=lambda found: [*kind.faults(found), *check(found)],
        prepare=prepare,
        finish=finish,
        after=after,
    )


def about(name: str, detail: Detail) -> Detail:
    """Return a fault that says which object of its section it is about."""
    return Detail(detail.field, detail.reason, {**detail.extra, "about": name})


def each(found: Sequence[T], act: Callable[[T], object]) -> None:
    """Call a service for each object; raises `ValidationFailed` with the faults of all, each with its object."""
    faults: list[Detail] = []
    for item in found:
        try:
            act(item)
        except ValidationFailed as error:
            faults += [about(item.name, detail) for detail in error.details]
    if faults:
        raise ValidationFailed.of(faults)

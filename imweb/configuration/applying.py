"""Putting a configuration file in force: all of it in one transaction, or nothing with every fault named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from imweb.configuration import differences, document, store
from imweb.configuration.document import Wanted
from imweb.configuration.kinds import Definition
from imweb.configuration.sections import Section, sections
from imweb.configuration.yamlfile import Fault
from imweb.errors import Detail, ImError, ValidationFailed

# A user's name holds no space, so nobody can pass for the command.
BY = "manage.py import_config"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file changed, or would change; with `faults` nothing was."""

    differences: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _TakenBack(Exception):
    """Ends the transaction without keeping anything."""


def apply(raw: bytes, *, by: str = BY, dry_run: bool = False) -> Outcome:
    """Put a file in force; a dry run keeps nothing and returns the same differences and faults."""
    wanted = document.read(raw)
    chosen = _judged(wanted)
    for section in chosen:
        with _blaming(wanted, section):
            _raise(section.check(wanted.found[section.key]))
    changed: list[str] = []
    stood: dict[str, list[Definition]] = {}
    try:
        with transaction.atomic():
            stood = {section.key: list(section.standing()) for section in chosen}
            before = document.standing()
            _bring(wanted, chosen, by)
            changed = differences.lines(before, document.standing())
            if not (wanted.faults or dry_run):
                _prepare(wanted, chosen, stood)
            if wanted.faults or dry_run:
                raise _TakenBack
    except _TakenBack:
        return Outcome([] if wanted.faults else changed, wanted.faults)
    finally:
        # What was read inside the transaction may never have been kept.
        store.forget()
    warnings = [
        text
        for section in chosen
        if stood[section.key] != (now := list(section.standing())) and (text := section.finish(stood[section.key], now))
    ]
    return Outcome(changed, warnings=list(dict.fromkeys(warnings)))


def _judged(wanted: Wanted) -> list[Section[Any]]:
    """Return the sections of the file that can be tried: neither they nor what they refer to has faults of form."""
    left_out = set(wanted.faulty)
    chosen = []
    for section in sections():
        if left_out & {section.key, *section.after}:
            left_out.add(section.key)
        elif section.key in wanted.found:
            chosen.append(section)
    return chosen


def _bring(wanted: Wanted, chosen: list[Section[Any]], by: str) -> None:
    for section in chosen:
        with _blaming(wanted, section), transaction.atomic():
            section.bring(wanted.found[section.key], by)
    # Also of sections that the file leaves alone: what it says may be what they need.
    for section in sections():
        if section.key not in wanted.faulty:
            with _blaming(wanted, section):
                _raise(section.verify(section.standing()))


def _prepare(wanted: Wanted, chosen: list[Section[Any]], stood: dict[str, list[Definition]]) -> None:
    for section in chosen:
        with _blaming(wanted, section):
            section.prepare(stood[section.key], section.standing())


@contextmanager
def _blaming(wanted: Wanted, section: Section[Any]) -> Iterator[None]:
    try:
        yield
    except ImError as error:
        for detail in error.details or [Detail("", error.reason)]:
            wanted.blame_detail(section.key, detail)


def _raise(faults: list[Detail]) -> None:
    if faults:
        raise ValidationFailed.of(faults)

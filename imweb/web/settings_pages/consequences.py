"""What builds on a settings object has to go on working; a change that breaks it is refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils.translation import gettext as _

from imweb.configuration import store
from imweb.configuration.sections import sections
from imweb.errors import Detail, ValidationFailed

Faults = dict[tuple[str, str, str], tuple[str, str]]


@contextmanager
def unbroken(*keys: str) -> Iterator[None]:
    """Keep a change of settings only if the objects of these sections work as before; else `ValidationFailed`."""
    before = _faults(keys)
    try:
        with transaction.atomic():
            yield
            new = [text for key, text in _faults(keys).items() if key not in before]
            if new:
                text = _("“%(name)s” would not work any more: %(reason)s Change that first.")
                raise ValidationFailed.of(
                    Detail("", text % {"name": name, "reason": f"{reason}."}) for name, reason in new
                )
    finally:
        # What was read inside the transaction may never have been kept.
        store.forget()


def _faults(keys: tuple[str, ...]) -> Faults:
    found: Faults = {}
    for section in sections():
        if section.key not in keys:
            continue
        standing = section.standing()
        titles = {item.name: str(getattr(item, "title", item.name)) for item in standing}
        for fault in section.verify(standing):
            name = str(fault.extra.get("about", ""))
            found[section.key, name, fault.field] = titles.get(name, section.title), fault.reason
    return found

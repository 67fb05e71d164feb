"""Reading and changing settings objects; every change is recorded and can be taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from imweb.configuration.kinds import D, Kind
from imweb.configuration.models import Change, Entry
from imweb.errors import Detail, NotFound, ValidationFailed, VersionConflict

Json = dict[str, Any]
# Another process's change is seen after this many seconds at the latest; settings pages read afresh.
_MAX_AGE = 1.0
_lock = threading.Lock()
_cached: dict[str, tuple[float, list[Any]]] = {}


@dataclass(frozen=True, slots=True)
class Item(Generic[D]):
    """One settings object as it stands; revision 0 is a default that nobody has touched."""

    value: D
    revision: int
    updated_at: datetime | None = None
    updated_by: str = ""


def items(kind: Kind[D], *, fresh: bool = False) -> list[Item[D]]:
    """Return the objects of a kind in their order, at most a second old; `fresh` reads them anew."""
    now = time.monotonic()
    held = _cached.get(kind.name)
    if not fresh and held and now - held[0] < _MAX_AGE:
        return list(held[1])
    found = _read(kind)
    with _lock:
        _cached[kind.name] = (now, found)
    return list(found)


def values(kind: Kind[D]) -> list[D]:
    """Return the definitions in force, in their order; the defaults while the database cannot be read."""
    try:
        return [item.value for item in items(kind)]
    except DatabaseError:
        return list(kind.defaults())


def get(kind: Kind[D], name: str, *, fresh: bool = False) -> Item[D]:
    """Return one object, or raise `NotFound`."""
    for item in items(kind, fresh=fresh):
        if item.value.name == name:
            return item
    raise NotFound(f"There is no {kind.title or kind.name} named '{name}'.")


def save(kind: Kind[D], data: Mapping[str, Any], *, by: str, revision: int | None = None) -> Item[D]:
    """Create or change an object by its name; raises `ValidationFailed`, `VersionConflict` with who and both values.

    `revision` is the one that was edited: 0 for a new object or an untouched default, None to overwrite what stands.
    """
    value = kind.parse(data)
    return _change(kind, value.name, lambda old: value, by=by, revision=revision)


def remove(kind: Kind[D], name: str, *, by: str, revision: int | None = None) -> None:
    """Remove an object; raises `NotFound`, `VersionConflict`, and `ValidationFailed` when the others need it."""
    get(kind, name, fresh=True)
    _change(kind, name, lambda old: None, by=by, revision=revision)


def reorder(kind: Kind[D], names: Sequence[str], *, by: str) -> None:
    """Put the objects of a kind into this order, every one named once; else `ValidationFailed`."""
    with alone():
        rows = _rows(kind, by)
        if sorted(names) != sorted(rows):
            raise ValidationFailed.field("order", "name every one of them once: " + ", ".join(rows))
        before = list(rows)
        if before == list(names):
            return
        _checked(kind, [rows[name].data for name in names])
        for position, name in enumerate(names):
            Entry.objects.filter(pk=rows[name].pk).update(position=position)
        Change.objects.create(kind=kind.name, action="reordered", old=before, new=list(names), by=by)
    forget(kind)


def replace(kind: Kind[D], data: Sequence[Mapping[str, Any]], *, by: str) -> None:
    """Put these objects in the place of all that stand, as one change; else `ValidationFailed`."""
    new = [kind.parse(item) for item in data]
    with alone():
        rows = _rows(kind, by)
        before = [row.data for row in sorted(rows.values(), key=lambda row: row.position)]
        after = [kind.stored(value) for value in new]
        if before == after:
            return
        _checked(kind, after)
        Entry.objects.filter(kind=kind.name).delete()
        for position, value in enumerate(new):
            old = rows.get(value.name)
            Entry.objects.create(
                kind=kind.name,
                name=value.name,
                position=position,
                data=after[position],
                revision=(old.revision if old else 0) + 1,
                updated_by=by,
            )
        Change.objects.create(kind=kind.name, action="changed", old=before, new=after, by=by)
    forget(kind)


def bring(kind: Kind[D], new: Sequence[D], *, by: str) -> None:
    """Make these objects all that stand, in this order, each change recorded by itself; the caller checks them."""
    if [item.value for item in items(kind, fresh=True)] == list(new):
        return
    with alone():
        rows = _rows(kind, by)
        wanted = {value.name: kind.stored(value) for value in new}
        for name in [name for name in rows if name not in wanted]:
            row = rows.pop(name)
            row.delete()
            _record(kind, row, "removed", row.data, None, by)
        appended = [*rows, *(name for name in wanted if name not in rows)]
        for name, data in wanted.items():
            row = rows.get(name) or Entry(kind=kind.name, name=name, revision=0, data=None)
            if row.data != data:
                old, row.data = row.data, data
                row.revision, row.updated_at, row.updated_by = row.revision + 1, timezone.now(), by
                _record(kind, row, "created" if old is None else "changed", old, data, by)
            row.position = list(wanted).index(name)
            row.save()
        if appended != list(wanted):
            Change.objects.create(kind=kind.name, action="reordered", old=appended, new=list(wanted), by=by)
    forget(kind)


def undo(kind: Kind[D], name: str, *, by: str) -> Item[D] | None:
    """Take back the last change of an object; returns what stands now, None when it is gone again."""
    last = Change.objects.filter(kind=kind.name, name=name).exclude(action="reordered").first()
    if last is None:
        raise NotFound("There is nothing to take back.")
    restored = kind.parse(last.old) if last.old is not None else None
    return _change(kind, name, lambda old: restored, by=by, revision=None, action="restored")


def changes(kind: Kind[D] | None = None, name: str | None = None, *, limit: int = 100) -> list[Change]:
    """Return recorded changes, the newest first."""
    found = Change.objects.all()
    if kind is not None:
        found = found.filter(kind=kind.name)
    if name is not None:
        found = found.filter(name=name)
    return list(found[:limit])


def forget(kind: Kind[D] | None = None) -> None:
    """Drop what is held in memory, of one kind or of all."""
    with _lock:
        if kind is None:
            _cached.clear()
        else:
            _cached.pop(kind.name, None)


@contextmanager
def alone() -> Iterator[None]:
    """One transaction; who makes what somebody else is just making gets `VersionConflict`, and nothing is written."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise VersionConflict(
            "Somebody else saved the same just now; nothing of yours was saved, and nothing is lost. Save again."
        ) from None


def _record(kind: Kind[D], row: Entry, action: str, old: Json | None, new: Json | None, by: str) -> None:
    number = row.revision + (action == "removed")
    Change.objects.create(kind=kind.name, name=row.name, action=action, revision=number, old=old, new=new, by=by)


def _read(kind: Kind[D]) -> list[Item[D]]:
    rows = list(Entry.objects.filter(kind=kind.name))
    if not rows and not Change.objects.filter(kind=kind.name).exists():
        return [Item(value, 0) for value in kind.defaults()]
    # The first change may have been made between these looks; without it there would seem to be no object at all.
    rows = rows or list(Entry.objects.filter(kind=kind.name))
    return [Item(kind.definition.model_validate(r.data), r.revision, r.updated_at, r.updated_by) for r in rows]


def _rows(kind: Kind[D], by: str) -> dict[str, Entry]:
    """Return the rows by name, locked; the first change of a kind makes its defaults rows."""
    rows = list(Entry.objects.select_for_update().filter(kind=kind.name))
    if not rows and not Change.objects.filter(kind=kind.name).exists():
        defaults = kind.defaults()
        rows = Entry.objects.bulk_create(
            Entry(kind=kind.name, name=value.name, position=n, data=kind.stored(value), revision=0)
            for n, value in enumerate(defaults)
        )
    return {row.name: row for row in rows}


def _change(
    kind: Kind[D],
    name: str,
    become: Callable[[D | None], D | None],
    *,
    by: str,
    revision: int | None,
    action: str | None = None,
) -> Item[D]:
    with alone():
        rows = _rows(kind, by)
        row = rows.get(name)
        old = row.data if row else None
        value = become(kind.definition.model_validate(old) if old is not None else None)
        new = kind.stored(value) if value is not None else None
        if revision is not None and revision != (row.revision if row else 0):
            raise _conflict(kind, name, row, new)
        if row and new == old:
            return Item(kind.definition.model_validate(old), row.revision, row.updated_at, row.updated_by)
        standing = {key: entry.data for key, entry in rows.items()} | ({name: new} if new is not None else {})
        if new is None:
            standing.pop(name, None)
        _checked(kind, list(standing.values()))
        number = (row.revision if row else 0) + 1
        now = timezone.now()
        if value is None or new is None:
            Entry.objects.filter(kind=kind.name, name=name).delete()
        else:
            position = row.position if row else max((r.position for r in rows.values()), default=-1) + 1
            # Of two who make the same object at one moment the later one fails here and overwrites nothing.
            entry = row or Entry(kind=kind.name, name=name)
            entry.data, entry.revision, entry.position = new, number, position
            entry.updated_at, entry.updated_by = now, by
            entry.save(force_insert=entry.pk is None)
        done = action or ("removed" if new is None else "changed" if old is not None else "created")
        Change.objects.create(kind=kind.name, name=name, action=done, revision=number, old=old, new=new, at=now, by=by)
    forget(kind)
    return Item(value, number, now, by)  # type: ignore[arg-type]  # None only for a removal, whose caller drops it


def _checked(kind: Kind[D], data: Sequence[Any]) -> None:
    if faults := kind.faults([kind.definition.model_validate(item) for item in data]):
        raise ValidationFailed.of(faults)


def _conflict(kind: Kind[D], name: str, row: Entry | None, new: Json | None) -> VersionConflict:
    if row is None:
        return VersionConflict(f"Somebody removed '{name}' meanwhile; save it under a new name or start again.")
    return conflict(name, row.data, new or {}, by=row.updated_by, at=row.updated_at)


def conflict(name: str, theirs: Json, yours: Json, *, by: str, at: datetime) -> VersionConflict:
    """Return the error for whoever saves an object that somebody changed meanwhile: who, when, both values."""
    details = [
        Detail(
            field,
            f"{by} changed it meanwhile",
            {"yours": yours.get(field), "theirs": theirs.get(field), "user": by, "time": at.isoformat()},
        )
        for field in sorted(theirs | yours)
        if yours.get(field) != theirs.get(field)
    ]
    return VersionConflict(
        f"{by or 'Somebody'} changed '{name}' meanwhile; nothing of yours was saved, and nothing is lost.", details
    )

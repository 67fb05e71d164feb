"""Shared views in a configuration file. Users are no configuration, so a view that a file brings belongs to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from django.urls import reverse
from pydantic import Field, field_validator

from imweb.accounts.administration import record
from imweb.configuration.kinds import Definition
from imweb.configuration.sections import Section, each, register
from imweb.errors import ValidationFailed
from imweb.incidents import registry
from imweb.web.listing.state import ListState
from imweb.web.models import MAX_NAME, SavedView


class ViewSettings(Definition):
    """A shared view: the part of a list's address behind the question mark, without place and point in time."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    query: str = Field(default="", max_length=8_000)

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if value != " ".join(value.split()):
            raise ValueError("no spaces at its ends, and one at most between words")
        return value


def _known() -> dict[str, SavedView]:
    """Return the shared views by the names that a file has for them: where two users share one name, each his own."""
    found: dict[str, SavedView] = {}
    for view in SavedView.objects.filter(shared=True).select_related("owner").order_by("id"):
        name, number = view.name, 1
        while name in found:
            tail = f" ({view.owner.username if view.owner else ''}{'' if number == 1 else f' {number}'})"
            name, number = view.name[: MAX_NAME - len(tail)] + tail, number + 1
        found[name] = view
    return found


def _standing() -> list[ViewSettings]:
    # As it stands, also where it would be refused today.
    known = _known()
    return [ViewSettings.model_construct(name=name, query=known[name].query) for name in sorted(known)]


def _check(view: ViewSettings) -> None:
    state = ListState.of(parse_qs(view.query), reverse("incidents"))
    _path, _mark, query = state.fresh(size="25").url.partition("?")
    if query != view.query:
        raise ValidationFailed.field("query", f"is to be written as '{query}'" if query else "says nothing")
    try:
        state.query(registry.registry(), "UTC", None)
    except ValidationFailed as error:
        reasons = (f"{item.field}: {item.reason}" if item.field else item.reason for item in error.details)
        raise ValidationFailed.field("query", "; ".join(reasons)) from None


def _bring(new: Sequence[ViewSettings], by: str) -> None:
    known = _known()
    registry.forget()
    # What stands already is no fault of the file.
    each([view for view in new if view.name not in known or known[view.name].query != view.query], _check)
    for view in new:
        row = known.pop(view.name, None)
        if row is None:
            SavedView.objects.create(owner=None, name=view.name, query=view.query, shared=True)
            record("view", view.name, "created", None, {"query": view.query}, by)
        elif row.query != view.query:
            record("view", view.name, "changed", {"query": row.query}, {"query": view.query}, by)
            SavedView.objects.filter(pk=row.pk).update(query=view.query)
    for name, row in known.items():
        record("view", name, "removed", {"query": row.query}, None, by)
        if row.owner_id is None:
            row.delete()
        else:
            SavedView.objects.filter(pk=row.pk).update(shared=False)


register(
    Section(
        key="views",
        title="Shared views",
        definition=ViewSettings,
        standing=_standing,
        bring=_bring,
        after=("custom_fields", "severities", "workflows", "access_fields", "roles", "notifications"),
    )
)

"""Links out of a card: an administrator's address templates, by kind of entity (UX: Incident card).

A template is an address with tokens. `{value}` is the entity's value, `{entity}` its kind, `{id}` the incident's id;
`{from}` and `{to}` are the event's time ± `minutes` in ISO 8601 (UTC), `{from_ms}` and `{to_ms}` in epoch milliseconds.
All are percent-encoded. `{rison_value}` is the value for a quoted query inside the rison of OpenSearch Dashboards.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from imweb.configuration import Kind
from imweb.configuration.kinds import Definition
from imweb.configuration.store import values
from imweb.errors import Detail
from imweb.incidents.documents import iso
from imweb.incidents.fields import ENTITIES

TOKENS = ("value", "rison_value", "entity", "id", "from", "to", "from_ms", "to_ms")
MAX_LINKS = 50
MAX_VALUE = 2_000  # characters; browsers and servers refuse much longer addresses
_TOKEN = re.compile(r"\{([A-Za-z_]+)\}")
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f<>\"\\^`]")


class EntityLink(Definition):
    """One link: `entities` are the kinds of entity that it stands at, none for all."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: str = Field(min_length=1, max_length=40)
    url: str = Field(min_length=1, max_length=2_000)
    entities: tuple[str, ...] = Field(default=(), max_length=len(ENTITIES))
    minutes: int = Field(default=15, ge=0, le=7 * 24 * 60)

    @field_validator("entities")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in ENTITIES:
                near = difflib.get_close_matches(name, ENTITIES, n=1)
                raise ValueError(f"there is no entity '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        return tuple(name for name in ENTITIES if name in value)

    @field_validator("url")
    @classmethod
    def _leads_out(cls, value: str) -> str:
        for name in _TOKEN.findall(value):
            if name not in TOKENS:
                near = difflib.get_close_matches(name, TOKENS, n=1)
                known = f"did you mean {{{near[0]}}}?" if near else "there are " + ", ".join(f"{{{t}}}" for t in TOKENS)
                raise ValueError(f"there is no {{{name}}}; {known}")
        if found := _UNPRINTABLE.search(value):
            raise ValueError(f"holds {found[0]!r}, which no address has; write it percent-encoded")
        try:
            parts = urlsplit(value)
            host = parts.hostname
        except ValueError as error:
            raise ValueError(f"is no address: {error}") from None
        if parts.scheme not in ("https", "http") or not host:
            raise ValueError("begins with https:// or http:// and the name of a host")
        if "{" in parts.netloc or "@" in parts.netloc:
            raise ValueError("names its host plainly: no token and no user stand before the path")
        return value


def _check(links: Sequence[EntityLink]) -> list[Detail]:
    if len(links) > MAX_LINKS:
        return [Detail("name", f"at most {MAX_LINKS} links")]
    twice = [title for title, count in Counter(item.title.casefold() for item in links).items() if count > 1]
    return [Detail("title", f"'{title}' is the title of two links") for title in twice]


ENTITY_LINKS: Kind[EntityLink] = Kind("entity_link", EntityLink, list, _check, "link")


@dataclass(frozen=True, slots=True)
class Way:
    """A link as a card shows it."""

    title: str
    url: str


def ways(entity: str, value: str, doc_id: str, at_ms: int, links: Sequence[EntityLink] | None = None) -> list[Way]:
    """Return the links that stand at a value of a kind of entity, in their order."""
    if len(value) > MAX_VALUE:
        return []
    standing = values(ENTITY_LINKS) if links is None else links
    return [
        Way(link.title, _filled(link, entity, value, doc_id, at_ms))
        for link in standing
        if not link.entities or entity in link.entities
    ]


def _filled(link: EntityLink, entity: str, value: str, doc_id: str, at_ms: int) -> str:
    first, last = at_ms - link.minutes * 60_000, at_ms + link.minutes * 60_000
    meant: dict[str, Callable[[], str]] = {
        "value": lambda: value,
        "rison_value": lambda: _rison(value),
        "entity": lambda: entity,
        "id": lambda: doc_id,
        "from": lambda: iso(first),
        "to": lambda: iso(last),
        "from_ms": lambda: str(first),
        "to_ms": lambda: str(last),
    }
    return _TOKEN.sub(lambda found: quote(meant[found[1]](), safe="", errors="replace"), link.url)


def _rison(value: str) -> str:
    """Return a value escaped for a quoted phrase of the query language, inside a string of rison."""
    phrase = value.replace("\\", "\\\\").replace('"', '\\"')
    return phrase.replace("!", "!!").replace("'", "!'")

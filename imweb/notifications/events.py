"""What a history entry tells: which of the events that rules know it is, with what was said and changed; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from imweb.notifications.rules import EDITS, EventName

Json = dict[str, Any]
MAX_MENTIONS = 50
MAX_EDITS = 20
MAX_VALUE = 500
MAX_COMMENT = 4_000
# Not inside an e-mail address; usernames are made of these characters (imweb.accounts.administration).
_MENTION = re.compile(r"(?<![\w.@+-])@([\w.@+-]{1,100})")
# What a sentence puts behind a name.
_TAIL = ".-+@"
# The entries that can be events; what they are exactly is told by `event_of`.
CLAUSE: Json = {
    "bool": {
        "should": [
            {"term": {"type": "create"}},
            {"terms": {"edited.fieldName": ["status", "reviewer"]}},
            {"exists": {"field": "comment"}},
        ],
        "minimum_should_match": 1,
    }
}


@dataclass(frozen=True, slots=True)
class Event:
    """One history entry that rules may tell of; `key` is that of its object, `mentions` holds usernames."""

    change: str
    kinds: frozenset[EventName]
    time: str
    user: str
    key: str
    edited: tuple[Json, ...] = ()
    comment: str | None = None
    mentions: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """Return what the events of one bulk change have in common."""
        values = sorted(f"{line.get('fieldName')}={line.get('newValue')!r}" for line in self.edited)
        text = "\n".join([self.user, *sorted(self.kinds), *values])
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]

    @property
    def is_edit(self) -> bool:
        """Return whether it is one of those that a bulk change makes very many of."""
        return bool(self.kinds) and self.kinds <= EDITS

    def as_json(self, kinds: Collection[EventName]) -> Json:
        """Return what is kept of the event for a rule that asks for some kinds of it."""
        found: Json = {
            "change": self.change,
            "events": sorted(self.kinds & set(kinds)),
            "time": self.time,
            "user": self.user,
            "key": self.key,
        }
        if self.edited:
            found["edited"] = [_short(line) for line in self.edited[:MAX_EDITS]]
        if self.comment is not None:
            found["comment"] = _cut(self.comment, MAX_COMMENT)
        if self.mentions:
            found["mentions"] = list(self.mentions)
        return found


def event_of(entry: Mapping[str, Any], names: Mapping[str, str]) -> Event | None:
    """Return the event that an entry is, None for one that no rule can ask for; `names` maps lower-case usernames."""
    kinds: set[EventName] = set()
    if entry.get("type") == "create":
        kinds.add("new_group" if entry.get("objectType") == "aggregation" else "new_incident")
    edited = tuple(entry.get("edited") or ())
    changed = {line.get("fieldName") for line in edited}
    if "status" in changed:
        kinds.add("status")
    if "reviewer" in changed:
        kinds.add("assignment")
    comment = entry.get("comment")
    said = mentions(comment, names) if isinstance(comment, str) else ()
    if said:
        kinds.add("mention")
    if not kinds:
        return None
    return Event(
        str(entry["change"]),
        frozenset(kinds),
        str(entry["time"]),
        str(entry.get("user", "")),
        str(entry["key"]),
        edited,
        comment,
        said,
    )


def mentions(text: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the usernames that a comment addresses as `@name`, each once; `names` maps lower-case ones."""
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        word = match[1].lower()
        while word and word not in names and word[-1] in _TAIL:
            word = word[:-1]
        if word in names:
            found[names[word]] = None
        if len(found) == MAX_MENTIONS:
            break
    return tuple(found)


def _short(line: Json) -> Json:
    return {name: _cut(value, MAX_VALUE) for name, value in line.items()}


def _cut(value: Any, limit: int) -> Any:
    text = value if isinstance(value, str) else None
    if text is None and isinstance(value, list | dict):
        text = str(value)
        return value if len(text) <= limit else text[:limit] + "…"
    return value if text is None or len(text) <= limit else text[:limit] + "…"

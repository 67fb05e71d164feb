"""Single keys: what they do, which key does it for a user, and whether they are on at all (WCAG 2.1.4)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imweb.accounts.models import User

PREFERENCE = "keys"
# What a key does, its words, and the key that it has until somebody chooses another.
ACTS = {
    "search": (gettext_lazy("search"), "/"),
    "down": (gettext_lazy("next row"), "j"),
    "up": (gettext_lazy("previous row"), "k"),
    "tick": (gettext_lazy("tick the row"), "x"),
    "assign": (gettext_lazy("assign to me"), "a"),
    "comment": (gettext_lazy("comment on it"), "c"),
    "status": (gettext_lazy("set its status"), "s"),
    "close": (gettext_lazy("close it with a verdict and go to the next"), "e"),
    "similar": (gettext_lazy("show those like it"), "m"),
    "undo": (gettext_lazy("take back what the last message says"), "z"),
    "forward": (gettext_lazy("next page"), "n"),
    "back": (gettext_lazy("previous page"), "p"),
    "refresh": (gettext_lazy("refresh"), "r"),
    "help": (gettext_lazy("keyboard help"), "?"),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """One act, its words and its key."""

    act: str
    label: str
    key: str
    usual: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """A user's keys by act; `on` is false when he turned single keys off."""

    on: bool
    by_act: Mapping[str, str]

    @classmethod
    def of(cls, user: User) -> Keys:
        """Read them; what an older version left there and does not fit any more is passed over."""
        kept = user.preferences.get(PREFERENCE) if isinstance(user.preferences, dict) else None
        kept = kept if isinstance(kept, Mapping) else {}
        own = kept.get("map")
        wanted = {act: usual for act, (_label, usual) in ACTS.items()}
        if isinstance(own, Mapping):
            wanted |= {act: str(key) for act, key in own.items() if act in ACTS}
        if _faults(wanted):
            wanted = {act: usual for act, (_label, usual) in ACTS.items()}
        return cls(kept.get("off") is not True, wanted)

    @property
    def bindings(self) -> list[Binding]:
        """Return every act with its key, in the order of the help."""
        return [Binding(act, str(label), self.by_act[act], usual) for act, (label, usual) in ACTS.items()]

    @property
    def json(self) -> str:
        """Return what the script is given: acts by key, none when the keys are off."""
        found = {key: act for act, key in self.by_act.items()} if self.on else {}
        return json.dumps(found, ensure_ascii=False)


def asked(posted: Mapping[str, str]) -> tuple[bool, list[Binding]]:
    """Return what a form wants: whether keys are on, and the bindings, each with what is wrong with it."""
    wanted = {
        act: unicodedata.normalize("NFC", posted.get(f"key.{act}", "").strip()) or usual
        for act, (_label, usual) in ACTS.items()
    }
    faults = _faults(wanted)
    found = [Binding(act, str(label), wanted[act], usual, faults.get(act, "")) for act, (label, usual) in ACTS.items()]
    return posted.get("keys") == "on", found


def keep(user: User, on: bool, bindings: list[Binding]) -> None:
    """Keep a user's keys; those that are as usual are left out, so that they follow what becomes usual."""
    own = {item.act: item.key for item in bindings if item.key != item.usual}
    held = user.preferences if isinstance(user.preferences, dict) else {}
    user.preferences = {**held, PREFERENCE: {"off": not on, "map": own}}
    user.save(update_fields=["preferences"])


def _faults(wanted: Mapping[str, str]) -> dict[str, str]:
    found = {}
    taken: dict[str, str] = {}
    for act, key in wanted.items():
        if len(key) != 1 or not key.isprintable() or key.isspace():
            found[act] = _("One character, as you type it.")
        elif key in taken:
            found[act] = _("“%(key)s” is taken already: %(label)s.") % {"key": key, "label": ACTS[taken[key]][0]}
        else:
            taken[key] = act
    return found

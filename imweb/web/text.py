"""Text from events is hostile: what cannot be seen is spelled out, what is endless is cut."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Controls, format characters (bidirectional overrides, zero-width ones, tags), lone surrogates, line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_KEPT = "\n\t"


def is_unseen(char: str) -> bool:
    """Return whether a character changes how text looks without being seen itself."""
    return char not in _KEPT and unicodedata.category(char) in _UNSEEN


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Split a text into runs of (is an escape, what to show); escapes look like `U+202E`."""
    run = ""
    for char in text:
        if is_unseen(char):
            if run:
                yield False, run
                run = ""
            yield True, f"U+{ord(char):04X}"
        else:
            run += char
    if run:
        yield False, run


def plain(text: str) -> str:
    """Return a text with what cannot be seen spelled out, for attributes, titles and files."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨{shown}⟩" if escaped else shown for escaped, shown in pieces(text))


def has_right_to_left(text: str) -> bool:
    """Return whether a text would reorder what stands beside it."""
    return not text.isascii() and any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)


def clip(text: str, limit: int) -> str:
    """Cut a text to a number of characters, an ellipsis included."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"

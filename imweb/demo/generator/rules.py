"""What a detection rule of the generator is: its texts, its weight in the mix and the activity it fires on."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field

NAMESPACE = uuid.UUID("8f6cf9b2-5d0b-4c0e-9a54-1f6a5f0f5b6e")
_HOLE = re.compile(r"<(\w+)>")

# How the five levels share the stream, and how often the rules of a level turn out to be false alarms.
LEVEL_SHARE = {"critical": 0.05, "high": 0.20, "medium": 0.39, "low": 0.25, "informational": 0.11}
LEVEL_FALSE = {"critical": 0.18, "high": 0.38, "medium": 0.58, "low": 0.66, "informational": 0.55}


@dataclass(frozen=True, slots=True)
class Template:
    """A text with holes, cut once so that filling it is a join: `literals` has one entry more than `holes`."""

    literals: tuple[str, ...]
    holes: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Cut `text` at its `<name>` holes."""
        parts = _HOLE.split(text)
        return cls(tuple(parts[::2]), tuple(parts[1::2]))


@dataclass(frozen=True, slots=True)
class Activity:
    """One way in which a rule is seen: the values of an event, each a template, by entity or event field name."""

    values: dict[str, Template]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the catalogue; `kind` says which event shape and which entities its incidents have."""

    title: str
    level: str
    tags: tuple[str, ...]
    kind: str
    source: str
    description: str
    activities: tuple[Activity, ...]
    false_share: float
    targets: str = "any"
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", str(uuid.uuid5(NAMESPACE, self.title)))


def process(
    title: str, level: str, tags: str, description: str, *lines: str, source: str = "EDR", **options: object
) -> Rule:
    """A rule on a started program; each line is `parent | image | command line`, with holes."""
    seen = []
    for line in lines:
        parent, image, command = (part.strip() for part in line.split(" | ", 2))
        seen.append({"parent_process": parent, "process": image, "command_line": command})
    return rule("process", source, title, level, tags, description, *seen, **options)


def rule(
    kind: str,
    source: str,
    title: str,
    level: str,
    tags: str,
    description: str,
    *activities: dict[str, str],
    false_share: object = None,
    targets: object = "any",
) -> Rule:
    """A rule of any kind; `tags` are Sigma's without `attack.`, `targets` the kind of host it is seen on."""
    share = LEVEL_FALSE[level] if false_share is None else float(str(false_share))
    return Rule(
        title=title,
        level=level,
        tags=tuple(f"attack.{tag}" for tag in tags.split()),
        kind=kind,
        source=source,
        description=description,
        activities=tuple(Activity({name: Template.parse(text) for name, text in seen.items()}) for seen in activities),
        false_share=share,
        targets=str(targets),
    )

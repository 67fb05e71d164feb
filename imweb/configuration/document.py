"""A configuration file as a whole: its content for export, its JSON schema, and its reading with every fault's line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imweb.configuration import yamlfile
from imweb.configuration.kinds import Definition, detail_of
from imweb.configuration.sections import Section, sections
from imweb.configuration.yamlfile import Content, Fault, Path
from imweb.errors import Detail

Json = dict[str, Any]
VERSION = 1
HEADER = (
    "# Configuration of Incident Manager; `manage.py import_config` puts it in force (docs/configuration.md).\n"
    "# A section holds all of its objects, in order; what is left out of a section is removed.\n"
)


@dataclass(slots=True)
class Wanted:
    """What a file asks for: the definitions of each section that it has and that can be read."""

    content: Content
    found: dict[str, list[Definition]] = field(default_factory=dict)
    # Sections that cannot be judged before the faults of their own are mended.
    faulty: set[str] = field(default_factory=set)

    @property
    def faults(self) -> list[Fault]:
        """Return what is wrong, in the order of the file."""
        return sorted(set(self.content.faults))

    def blame(self, path: Path, reason: str) -> None:
        """Note a fault of a part of the file."""
        where = _where(path, self.content.data)
        self.content.faults.append(Fault(self.content.line(path), where, reason))

    def blame_detail(self, key: str, detail: Detail) -> None:
        """Note a fault that a service found in a section."""
        names = [item.name for item in self.found.get(key, [])]
        parts = tuple(int(part) if part.isdecimal() else part for part in detail.field.split(".") if part)
        name = detail.extra.get("about")
        if name is None and parts and parts[0] in names:
            name, parts = parts[0], parts[1:]
        if name is None and len(names) == 1:
            name = names[0]
        if name not in names:
            self.blame((key,), f"{detail.field}: {detail.reason}" if detail.field else detail.reason)
            return
        path: Path = (key, names.index(str(name)), *parts)
        while path not in self.content.lines:
            path = path[:-1]
        self.blame(path, detail.reason)


def _where(path: Path, data: Any) -> str:
    """Return a path as a person reads it: objects by their names instead of their places."""
    said = []
    for number, part in enumerate(path):
        data = data[part] if _has(data, part) else None
        name = data.get("name") if number == 1 and isinstance(data, dict) else None
        said.append(name if isinstance(name, str) and name else str(part))
    return ".".join(said)


def _has(data: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(data, list) and part < len(data)
    return isinstance(data, dict) and part in data


def standing() -> Json:
    """Return the content of a file that describes what stands now; settings at their defaults are left out."""
    return {"version": VERSION} | {
        section.key: [item.model_dump(mode="json", exclude_defaults=True) for item in section.standing()]
        for section in sections()
    }


def written(content: Json) -> str:
    """Return the text of a file."""
    return HEADER + "".join("\n" + yamlfile.write({key: value}) for key, value in content.items())


def json_schema() -> Json:
    """Return the JSON schema (2020-12) of configuration files."""
    known = sections()
    made, shared = TypeAdapter.json_schemas(
        [(s.key, "validation", TypeAdapter(list[s.definition])) for s in known],  # type: ignore[name-defined]  # by value
        ref_template="#/$defs/{model}",
    )
    properties: Json = {"version": {"const": VERSION, "description": "The version of this format."}}
    for section in known:
        properties[section.key] = {"title": section.title, **made[(section.key, "validation")]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Incident Manager",
        "type": "object",
        "properties": properties,
        "required": ["version"],
        "additionalProperties": False,
        **shared,
    }


def read(raw: bytes) -> Wanted:
    """Return what a file asks for; all that is wrong with its form stands in `faults`."""
    wanted = Wanted(yamlfile.read(raw))
    known = {section.key: section for section in sections()}
    data = wanted.content.data
    if not isinstance(data, dict):
        if not wanted.content.faults:
            wanted.blame((), "a configuration file is a mapping of sections")
        return wanted
    _version(wanted, data)
    for key, items in data.items():
        if key == "version":
            continue
        if key not in known:
            wanted.blame((key,), "there is no such section" + _meant(key, ["version", *known]))
            continue
        before = len(wanted.content.faults)
        _section(wanted, known[key], items)
        unread = any(fault.where.partition(".")[0] == key for fault in wanted.content.faults)
        if unread or len(wanted.content.faults) > before:
            wanted.faulty.add(key)
    return wanted


def _version(wanted: Wanted, data: Json) -> None:
    if "version" not in data:
        wanted.blame((), f"version is missing; this program reads version {VERSION}")
    elif data["version"] != VERSION or isinstance(data["version"], bool):
        wanted.blame(("version",), f"this program reads version {VERSION}")


def _section(wanted: Wanted, section: Section[Any], items: Any) -> None:
    if not isinstance(items, list):
        wanted.blame((section.key,), "a section is a list; write [] for one without objects")
        return
    definitions: list[Definition] = []
    seen: dict[str, int] = {}
    for number, item in enumerate(items):
        path: Path = (section.key, number)
        if not isinstance(item, dict):
            wanted.blame(path, "an object is a mapping that begins with its name")
            continue
        try:
            found = section.definition.model_validate(item)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                _blame_field(wanted, section, path, fault)
            continue
        if found.name in seen:
            first = wanted.content.line((section.key, seen[found.name]))
            wanted.blame((*path, "name"), f"'{found.name}' stands twice, first in line {first}")
            continue
        seen[found.name] = number
        definitions.append(found)
    wanted.found[section.key] = definitions


def _blame_field(wanted: Wanted, section: Section[Any], path: Path, fault: Any) -> None:
    at: Path = (*path, *fault["loc"])
    detail = detail_of(fault)
    if fault["type"] == "extra_forbidden":
        names = _keys(section.definition, fault["loc"][:-1])
        wanted.blame(at, "there is no such setting" + _meant(str(fault["loc"][-1]), names))
        return
    if fault["type"] == "missing":
        wanted.blame(at[:-1], f"{fault['loc'][-1]} is missing")
        return
    head, colon, rest = detail.reason.partition(": ")
    # A check of a whole definition names its field in the text.
    if not fault["loc"] and colon and (*path, head) in wanted.content.lines:
        wanted.blame((*path, head), rest)
        return
    # A union's branches are no places in the file.
    while at not in wanted.content.lines and len(at) > len(path):
        at = at[:-1]
    wanted.blame(at, detail.reason)


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(known)}"


def _keys(definition: type[Definition], path: Sequence[str | int]) -> list[str]:
    """Return the settings that a definition has at a place in it."""
    schema = definition.model_json_schema()
    shared = schema.get("$defs", {})
    here: Json = schema
    for part in path:
        here = here.get("items", {}) if isinstance(part, int) else here.get("properties", {}).get(part, {})
        branches = [branch for branch in here.get("anyOf", ()) if branch.get("type") != "null"]
        here = branches[0] if branches else here
        here = shared.get(str(here.get("$ref", "")).rpartition("/")[2], here)
    return list(here.get("properties", {}))

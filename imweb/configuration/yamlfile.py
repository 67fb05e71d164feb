"""Configuration files as YAML: read with the line of everything in them, written so that equal content is equal bytes.

Plain values are read as in JSON: `true`, `false`, `null`, numbers; all else is text, so that an option named `no` or
`2026-01-01` needs no quotes. Anchors, tags and further documents are refused: a file says things where it says them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
MAX_BYTES = 5_000_000
MAX_DEPTH = 40
_CORE = "tag:yaml.org,2002:"
_PLAIN = {
    "null": re.compile(r"(?:~|null|)$"),
    "bool": re.compile(r"(?:true|false)$"),
    "int": re.compile(r"-?(?:0|[1-9][0-9]*)$"),
    "float": re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
}
_BEGIN = {"null": ["~", "n", ""], "bool": ["t", "f"], "int": list("-0123456789"), "float": list("-0123456789")}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a file; `where` is the path to it, empty for the file itself."""

    line: int
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.line}: {self.where}: {self.reason}" if self.where else f"{self.line}: {self.reason}"


@dataclass(slots=True)
class Content:
    """What a file holds, the line of each part by its path, and what could not be read."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of a part, of the nearest part around it if it is not there itself."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Refused(Exception):
    def __init__(self, mark: Any, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = mark.line + 1, reason


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
        if self.check_event(yaml.AliasEvent):
            raise _Refused(mark, "anchors and aliases (& and *) are not read; write it out")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(mark, f"more than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_CORE}str", text, style="|" if "\n" in text else None)


for _name, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(_CORE + _name, _pattern, _BEGIN[_name])
    # What this reader would take for a number has to be quoted as a text.
    _Dumper.add_implicit_resolver(_CORE + _name, _pattern, _BEGIN[_name])
_Dumper.add_representer(str, _text)


def write(data: Any) -> str:
    """Return values as YAML, keys in their order, a line a value."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def flow(data: Any) -> str:
    """Return one value on one line, as a difference shows it."""
    if isinstance(data, str):
        data = data.replace("\n", "⏎")
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf, default_flow_style=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def read(raw: bytes) -> Content:
    """Return what a file holds; never raises, all that is wrong with it stands in `faults`."""
    found = Content()
    if len(raw) > MAX_BYTES:
        found.faults.append(Fault(1, "", f"the file has more than {MAX_BYTES:,} bytes"))
        return found
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found.faults.append(Fault(raw[: error.start].count(b"\n") + 1, "", "is no UTF-8 text"))
        return found
    try:
        node = yaml.compose(text, Loader=_Loader)
    except _Refused as error:
        found.faults.append(Fault(error.line, "", error.reason))
        return found
    except yaml.reader.ReaderError as error:
        line = text[: int(error.position)].count("\n") + 1
        found.faults.append(Fault(line, "", "holds a character that YAML does not allow"))
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "is no YAML"
        found.faults.append(Fault(mark.line + 1 if mark else 1, "", f"no YAML: {reason}"))
        return found
    if node is not None:
        found.lines[()] = node.start_mark.line + 1
        found.data = _value(node, (), found)
    return found


def _value(node: yaml.Node, path: Path, found: Content) -> Any:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
        return _mapping(node, path, found)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
        items = []
        for number, item in enumerate(node.value):
            found.lines[(*path, number)] = item.start_mark.line + 1
            items.append(_value(item, (*path, number), found))
        return items
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, found)
    _fault(found, node, path, f"the tag {node.tag} is not read")
    return None


def _mapping(node: yaml.MappingNode, path: Path, found: Content) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _fault(found, key, path, "a key is a text")
            continue
        name = str(key.value)
        if name in values:
            _fault(found, key, (*path, name), f"stands twice, first in line {found.lines[(*path, name)]}")
            continue
        found.lines[(*path, name)] = key.start_mark.line + 1
        values[name] = _value(item, (*path, name), found)
    return values


def _scalar(node: yaml.ScalarNode, path: Path, found: Content) -> Any:
    text = str(node.value)
    try:
        match node.tag.removeprefix(_CORE):
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text]
            case "int":
                return int(text)
            case "float":
                number = float(text)
                if math.isfinite(number):
                    return number
                raise ValueError
            case "str":
                return text
    except (ValueError, KeyError):
        _fault(found, node, path, "is no number that can be kept")
        return None
    _fault(found, node, path, f"the tag {node.tag} is not read")
    return None


def _fault(found: Content, node: yaml.Node, path: Path, reason: str) -> None:
    where = ".".join(str(part) for part in path)
    found.faults.append(Fault(node.start_mark.line + 1, where, reason))

"""The catalogue read from `enterprise.json` and what is asked of it; `generate.py` says where the data is from."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

_SITE = "https://attack.mitre.org"
_TAG = re.compile(r"attack\.(?P<name>[a-z0-9._\- ]+)", re.ASCII | re.IGNORECASE)
_TECHNIQUE_TAG = re.compile(r"t\d{4}(?:\.\d{3})?|ta\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tactic:
    """A column of the matrix; `former` holds the names it had in earlier versions."""

    id: str
    shortname: str
    name: str
    url: str
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or, with a `parent`, a sub-technique; `tactics` are tactic ids in the matrix's order.

    A `retired` one is no longer part of ATT&CK; `replaced_by` is its successor's id, where one is known.
    """

    id: str
    name: str
    url: str
    tactics: tuple[str, ...]
    parent: str | None
    retired: bool = False
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class MitreView:
    """What is known of a list of ids, in the matrix's order, and what is not, in the order given."""

    attack_version: str
    tactics: tuple[Tactic, ...]
    techniques: tuple[Technique, ...]
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the body of CONTRACT's `/mitre` answer, without the incident's id."""
        return {
            "attack_version": self.attack_version,
            "tactics": [_without(asdict(item), "former") for item in self.tactics],
            "techniques": [
                {**_without(asdict(item), "retired", "replaced_by"), "tactics": list(item.tactics)}
                for item in self.techniques
            ],
            "unknown": list(self.unknown),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A technique in a column of the matrix, with its sub-techniques of that column."""

    technique: Technique
    subtechniques: tuple[Technique, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A tactic with its techniques by name, as the matrix shows them."""

    tactic: Tactic
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Catalogue:
    version: str
    licence: str
    tactics: dict[str, Tactic]  # by id, in the matrix's order
    shortnames: dict[str, str]  # shortname, also a former one → id
    techniques: dict[str, Technique]  # by id, retired ones too


def attack_version() -> str:
    """Return the version of ATT&CK that the names are from."""
    return _catalogue().version


def licence() -> str:
    """Return MITRE's licence and notice, to be shown where the data is."""
    return _catalogue().licence


def tactic(name: str) -> Tactic | None:
    """Return a tactic by id (`TA0002`) or by a name of any version (`defense-evasion`, `Credential Access`)."""
    catalogue = _catalogue()
    found = catalogue.tactics.get(name.strip().upper())
    return found or catalogue.tactics.get(catalogue.shortnames.get(_shortname(name), ""))


def technique(technique_id: str) -> Technique | None:
    """Return a technique by its id, whatever its case; retired ones too."""
    return _catalogue().techniques.get(technique_id.strip().upper())


def lookup(ids: Iterable[str]) -> MitreView:
    """Describe tactic and technique ids, each once.

    Tactics are those named, and those of every technique none of whose tactics was named: each technique then stands
    under at least one tactic, and no tactic is claimed that the detection did not mean.
    """
    tactics: set[str] = set()
    techniques: dict[str, Technique] = {}
    unknown: dict[str, None] = {}
    for given in ids:
        if found := technique(given):
            techniques[found.id] = found
        elif named := tactic(given):
            tactics.add(named.id)
        else:
            unknown[given] = None
    named_tactics = frozenset(tactics)
    for found in techniques.values():
        if named_tactics.isdisjoint(found.tactics):
            tactics.update(found.tactics)
    order = list(_catalogue().tactics)
    return MitreView(
        attack_version=attack_version(),
        tactics=tuple(_catalogue().tactics[key] for key in order if key in tactics),
        techniques=tuple(techniques[key] for key in sorted(techniques)),
        unknown=tuple(unknown),
    )


def ids_from_tags(tags: Iterable[str]) -> list[str]:
    """Return the tactic and technique ids of Sigma tags, each once, tactics first in the matrix's order.

    `attack.execution`, `attack.defense-evasion` and `attack.t1059.001` count; groups (`attack.g0010`), software
    (`attack.s0412`), other namespaces and names that no version knows do not. A technique id is kept even when this
    version does not know it: it may be newer than we are.
    """
    tactics: set[str] = set()
    techniques: set[str] = set()
    for tag in tags:
        match = _TAG.fullmatch(tag.strip())
        if match is None:
            continue
        name = match["name"].lower()
        if named := tactic(name):
            tactics.add(named.id)
        elif _TECHNIQUE_TAG.fullmatch(name):
            techniques.add(name.upper())
    return [key for key in _catalogue().tactics if key in tactics] + sorted(techniques)


@cache
def matrix() -> tuple[Column, ...]:
    """Return the matrix in force: tactics in order, their techniques by name, sub-techniques below by id."""
    catalogue = _catalogue()
    current = [item for item in catalogue.techniques.values() if not item.retired]
    columns = []
    for column in catalogue.tactics.values():
        inside = [item for item in current if column.id in item.tactics]
        below: dict[str, list[Technique]] = {}
        for item in inside:
            if item.parent:
                below.setdefault(item.parent, []).append(item)
        # A parent stands in the column even where only its sub-technique names the tactic.
        parents = {item.id for item in inside if not item.parent} | set(below)
        rows = (
            Row(catalogue.techniques[key], tuple(sorted(below.get(key, []), key=lambda item: item.id)))
            for key in parents
            if key in catalogue.techniques
        )
        columns.append(Column(column, tuple(sorted(rows, key=lambda row: (row.technique.name, row.technique.id)))))
    return tuple(columns)


@cache
def _catalogue() -> _Catalogue:
    data = json.loads(resources.files(__package__).joinpath("enterprise.json").read_text(encoding="utf-8"))
    tactics, shortnames = {}, {}
    for key, (name, short, former) in data["tactics"].items():
        tactics[key] = Tactic(key, short, name, f"{_SITE}/tactics/{key}", tuple(old_name for _old, old_name in former))
        shortnames.update({_shortname(name): key, short: key})
        shortnames.update({old: key for old, _old_name in former})
    by_short = {item.shortname: key for key, item in tactics.items()}
    techniques = {}
    for key, row in (*data["techniques"].items(), *data["retired"].items()):
        techniques[key] = Technique(
            id=key,
            name=row[0],
            url=f"{_SITE}/techniques/{key.replace('.', '/')}",
            tactics=tuple(by_short[short] for short in row[1]),
            parent=key.partition(".")[0] if "." in key else None,
            retired=key in data["retired"],
            replaced_by=row[2] if len(row) > 2 else None,
        )
    return _Catalogue(data["version"], data["licence"], tactics, shortnames, techniques)


def _shortname(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.strip().lower())


def _without(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}

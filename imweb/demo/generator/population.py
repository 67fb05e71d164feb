"""The company whose alerts are made up: hosts, people, addresses, and which of them are noisy."""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate

SITES = ("Frankfurt DC", "Warsaw office", "Lyon office", "Cloud", "Remote")
ASSET_TAGS = (
    "crown jewel",
    "domain controller",
    "server",
    "workstation",
    "laptop",
    "internet-facing",
    "production",
    "test",
    "payment",
    "management",
    "legacy",
)
# Who works the queue; `analyst` and `lead` are the demo's own log-ins, so that "assigned to me" is not empty.
ANALYSTS = ("j.novak", "a.kim", "m.okafor", "l.haas", "s.berg", "t.moreau", "analyst")
LEADS = ("lead", "e.lange")
SERVICE_ACCOUNTS = ("svc-sql", "svc-backup", "svc-deploy", "svc-scan", "svc-web", "svc-print", "svc-monitor")
SURNAMES = (
    "lind novotny petrov ivanova kowalska nowak schmidt weber fischer wagner becker hoffmann koch richter klein wolf"
    " neumann braun zimmermann hartmann lange werner krause lehmann maier huber moreau laurent simon michel garcia"
    " martin bernard dubois roux fontaine girard rossi russo ferrari esposito romano silva santos ferreira pereira"
    " oliveira costa jansen visser bakker smit meijer hansen johansen olsen larsen andersen nilsson eriksson berg"
    " dahl virtanen korhonen makinen nagy kovacs toth szabo horvat kovacic popescu ionescu dimitrov georgiev papas"
    " nikolaidis yilmaz kaya demir celik okafor adeyemi mensah diallo haddad nasser cohen levi sharma patel singh"
    " gupta chen wang li zhang tanaka suzuki sato park choi nguyen tran reyes cruz walker young reed ward brooks hale"
).split()
PROVIDERS = (
    "5.188",
    "45.155",
    "80.66",
    "91.240",
    "103.27",
    "141.98",
    "146.70",
    "185.220",
    "193.32",
    "194.26",
    "212.102",
)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: what it is, where it stands, and who uses it (an index into the people)."""

    name: str
    kind: str
    ip: str
    site: str
    tags: tuple[str, ...]
    owner: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Hosts of a kind with running weights: the first ones fire most."""

    hosts: tuple[Host, ...]
    running: tuple[float, ...]

    def draw(self, rng: random.Random) -> Host:
        """Return a host, a noisy one more often."""
        return self.hosts[bisect(self.running, rng.random() * self.running[-1])]


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody and everything that may stand in an incident."""

    pools: dict[str, Pool]
    people: tuple[str, ...]
    outside: tuple[str, ...]
    domains: tuple[str, ...]


def populate(seed: int, size: int) -> Population:
    """Return the company for a run; it grows with the number of incidents, so that a host stays believable."""
    rng = random.Random(f"population:{seed}")
    people = _people(rng, min(20_000, max(300, size // 60)))
    workstations = min(40_000, max(240, size // 30))
    counts = {
        "workstation": workstations,
        "mac": max(20, workstations // 12),
        "server": max(60, workstations // 8),
        "sql": max(8, workstations // 120),
        "controller": 6,
        "linux": max(50, workstations // 9),
        "dmz": max(10, workstations // 150),
    }
    machines = {kind: tuple(_host(rng, kind, number, len(people)) for number in range(n)) for kind, n in counts.items()}
    pools = {kind: _pool(rng, hosts) for kind, hosts in machines.items()}
    pools["server"] = _pool(rng, machines["server"] + machines["sql"] + machines["controller"])
    pools["any"] = _pool(rng, machines["workstation"] + machines["server"] + machines["sql"])
    outside = tuple(
        f"{rng.choice(PROVIDERS)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(max(200, size // 200))
    )
    return Population(pools, people, outside, tuple(_domains(rng, 400)))


def _people(rng: random.Random, count: int) -> tuple[str, ...]:
    names = [f"{letter}.{surname}" for surname in SURNAMES for letter in "abcdefghijklmnoprstvwz"]
    rng.shuffle(names)
    while len(names) < count:
        names += [f"{name}{len(names) // 1000}" for name in names[: count - len(names)]]
    return tuple(names[:count])


def _host(rng: random.Random, kind: str, number: int, people: int) -> Host:
    tags: tuple[str, ...]
    match kind:
        case "workstation":
            site = rng.choices(("Warsaw office", "Lyon office", "Remote"), (6, 3, 2))[0]
            laptop = site == "Remote" or rng.random() < 0.4
            tags = ("laptop",) if laptop else ("workstation",)
            if rng.random() < 0.03:
                tags += ("management",)
            return Host(f"WS-{number + 1:04d}", kind, _lan(rng, 20), site, tags, rng.randrange(people))
        case "mac":
            return Host(
                f"MAC-{number + 1:03d}", kind, _lan(rng, 40), "Warsaw office", ("laptop",), rng.randrange(people)
            )
        case "linux":
            role = rng.choice(("web", "app", "db", "build", "queue", "k8s"))
            site = "Cloud" if rng.random() < 0.55 else "Frankfurt DC"
            tags = ("server", "production") if rng.random() < 0.7 else ("server", "test")
            return Host(f"{role}-{number + 1:02d}", kind, _lan(rng, 60), site, tags, -1)
        case "controller":
            return Host(
                f"DC-{number + 1:02d}", kind, _lan(rng, 1), "Frankfurt DC", ("domain controller", "crown jewel"), -1
            )
        case "dmz":
            name = f"{rng.choice(('VPN', 'WEB', 'PROXY', 'EDGE'))}-{number + 1:02d}"
            return Host(
                name, kind, f"198.51.100.{number % 250 + 2}", "Frankfurt DC", ("internet-facing", "production"), -1
            )
        case "sql":
            tags = ("server", "production", *(("payment", "crown jewel") if number % 4 == 0 else ()))
            return Host(f"SRV-SQL-{number + 1}", kind, _lan(rng, 2), "Frankfurt DC", tags, -1)
    role = rng.choice(("APP", "FILE", "PRINT", "WEB", "EXCH", "JUMP", "BUILD", "BACKUP"))
    tags = ("server", "production") if rng.random() < 0.75 else ("server", "legacy" if rng.random() < 0.5 else "test")
    name = f"JUMP-{number % 9 + 1}" if role == "JUMP" else f"SRV-{role}-{number + 1:02d}"
    return Host(name, kind, _lan(rng, 3), "Frankfurt DC" if rng.random() < 0.8 else "Cloud", tags, -1)


def _pool(rng: random.Random, hosts: tuple[Host, ...]) -> Pool:
    order = list(hosts)
    rng.shuffle(order)
    weights = [1 / (rank + 3) ** 0.75 for rank in range(len(order))]
    return Pool(tuple(order), tuple(accumulate(weights)))


def _lan(rng: random.Random, net: int) -> str:
    return f"10.{net + rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(2, 254)}"


def _domains(rng: random.Random, count: int) -> list[str]:
    first = ("cdn", "login", "secure", "update", "files", "mail", "portal", "docs", "account", "static", "api", "sync")
    second = ("hub", "cloud", "verify", "delivery", "store", "service", "office", "invoice", "team", "drive", "check")
    # Reserved names only (RFC 2606): a demo must not accuse anybody's real domain.
    ends = ("example", "test", "invalid")
    return [f"{rng.choice(first)}-{rng.choice(second)}{rng.randrange(100)}.{rng.choice(ends)}" for _ in range(count)]

"""Which rule fires where and on whom: the everyday noise, the steady offenders, and what a burst is about."""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass

from .catalogue import Mix, mix
from .population import SERVICE_ACCOUNTS, Host, Population
from .rhythm import Burst, Slot
from .rules import Rule
from .values import pick

STEADY_SHARE = 0.07
HOSTLESS = frozenset({"cloud", "identity", "mail"})


@dataclass(frozen=True, slots=True)
class Sighting:
    """The bare fact of one incident, before it is written out: `cause` is its burst, or None."""

    time_ms: int
    rule: Rule
    host: Host
    user: str
    cause: Burst | None = None
    outside: str = ""
    domain: str = ""
    activity: int = -1


@dataclass(frozen=True, slots=True)
class Plot:
    """What a burst is about: its rules in order, its hosts, its people, one address and one domain."""

    burst: Burst
    rules: tuple[Rule, ...]
    hosts: tuple[Host, ...]
    users: tuple[str, ...]
    outside: str
    domain: str


class Stage:
    """Everything that draws sightings; the same for every block of a run."""

    def __init__(self, seed: int, population: Population, bursts: tuple[Burst, ...]) -> None:
        self.population = population
        self.mix: Mix = mix()
        self.by_kind: dict[str, list[Rule]] = {}
        for rule in self.mix.rules:
            self.by_kind.setdefault(rule.kind, []).append(rule)
        rng = random.Random(f"stage:{seed}")
        # A few machines with one rule each that fires all day long: a misconfigured agent, a scanner, a backup.
        noisy = [rule for rule in self.mix.rules if rule.false_share >= 0.7 and rule.kind not in HOSTLESS]
        self.steady = [(rule, self.host_for(rng, rule)) for rule in rng.sample(noisy, 7)]
        self.plots = {burst.number: self._plot(random.Random(f"plot:{seed}:{burst.number}"), burst) for burst in bursts}

    def draw(self, rng: random.Random, time_ms: int, slot: Slot) -> Sighting:
        """Return what happens at an instant."""
        if slot.bursts:
            position = rng.random() * slot.weight - slot.base
            if position > 0:
                for reach, burst in slot.bursts:
                    if position <= reach:
                        return self._act(rng, time_ms, self.plots[burst.number])
        if rng.random() < STEADY_SHARE:
            rule, host = self.steady[min(int(rng.expovariate(0.6)), len(self.steady) - 1)]
            return Sighting(time_ms, rule, host, pick(rng, SERVICE_ACCOUNTS[:3]), activity=0)
        rule = self.mix.rules[bisect(self.mix.running, rng.random() * self.mix.running[-1])]
        host = self.host_for(rng, rule)
        return Sighting(time_ms, rule, host, self.user_for(rng, rule, host))

    def host_for(self, rng: random.Random, rule: Rule) -> Host:
        """Return a host on which a rule may fire; rules without a host take the user's own machine."""
        return self.population.pools["workstation" if rule.kind in HOSTLESS else rule.targets].draw(rng)

    def user_for(self, rng: random.Random, rule: Rule, host: Host) -> str:
        """Return the account that a rule names on a host."""
        people = self.population.people
        draw = rng.random()
        if rule.kind == "logon":
            return pick(rng, SERVICE_ACCOUNTS) if draw < 0.2 else pick(rng, people)
        if host.kind in ("workstation", "mac"):
            if rule.kind in HOSTLESS:
                return pick(rng, people)
            return "SYSTEM" if draw < 0.16 else people[host.owner] if draw < 0.93 else pick(rng, people)
        if host.kind in ("linux", "dmz"):
            return "root" if draw < 0.45 else pick(rng, SERVICE_ACCOUNTS) if draw < 0.75 else pick(rng, people)
        return "SYSTEM" if draw < 0.45 else pick(rng, SERVICE_ACCOUNTS) if draw < 0.75 else pick(rng, people)

    def _act(self, rng: random.Random, time_ms: int, plot: Plot) -> Sighting:
        burst = plot.burst
        step = (time_ms - burst.start_ms) / max(1, burst.end_ms - burst.start_ms)
        # A campaign goes through its rules and hosts in order, with some disorder; the other kinds mix them.
        drift = step + rng.gauss(0, 0.12) if burst.kind == "campaign" else rng.random()
        drift = min(max(drift, 0.0), 0.999)
        rule = plot.rules[int(drift * len(plot.rules))]
        host = plot.hosts[int(drift * len(plot.hosts))] if burst.kind == "campaign" else pick(rng, plot.hosts)
        activity = -1 if burst.kind == "campaign" else 0
        return Sighting(time_ms, rule, host, pick(rng, plot.users), burst, plot.outside, plot.domain, activity)

    def _plot(self, rng: random.Random, burst: Burst) -> Plot:
        people, pools = self.population.people, self.population.pools
        outside, domain = pick(rng, self.population.outside), pick(rng, self.population.domains)
        match burst.kind:
            case "campaign":
                first = pools["workstation"].draw(rng)
                hosts = (first, *(pools["any"].draw(rng) for _ in range(rng.randrange(1, 6))))
                real = [rule for rule in self.mix.rules if rule.false_share < 0.4 and rule.targets == "any"]
                ladder = ("low", "medium", "high", "critical")
                own = [rule for rule in self.by_kind["process"] if rule.targets == "any"]
                chosen = rng.sample(own, 3) + rng.sample([rule for rule in real if rule.kind not in HOSTLESS], 4)
                chain = sorted(chosen, key=lambda rule: ladder.index(rule.level) if rule.level in ladder else 0)
                return Plot(burst, tuple(chain), hosts, (people[first.owner],), outside, domain)
            case "wave":
                rule = pick(rng, self.by_kind["mail"])
                users = tuple(pick(rng, people) for _ in range(rng.randrange(15, 90)))
                return Plot(burst, (rule,), (pools["workstation"].draw(rng),), users, outside, domain)
            case "scan":
                kinds = self.by_kind["network"] + self.by_kind["ssh"]
                rule = pick(rng, [rule for rule in kinds if rule.targets in ("dmz", "linux")])
                hosts = tuple(pools[rule.targets].draw(rng) for _ in range(rng.randrange(1, 5)))
                return Plot(burst, (rule,), hosts, ("root",), outside, domain)
        noisy = [rule for rule in self.mix.rules if rule.false_share >= 0.55 and rule.kind not in HOSTLESS]
        rule = pick(rng, noisy)
        hosts = tuple(self.host_for(rng, rule) for _ in range(1 if rng.random() < 0.6 else rng.randrange(2, 9)))
        return Plot(burst, (rule,), hosts, (pick(rng, SERVICE_ACCOUNTS), "SYSTEM"), outside, domain)

"""What analysts do with an incident: when they take it, what they find, how they close it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from .population import ANALYSTS, LEADS
from .rules import Rule
from .values import pick

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
# Median minutes until somebody looks, and the share that nobody ever looks at.
RESPONSE = {
    "critical": (6, 0.0),
    "high": (25, 0.01),
    "medium": (110, 0.05),
    "low": (420, 0.14),
    "informational": (1_500, 0.3),
}
# What is written at closing; false alarms have other causes on a host than on an account or on the wire.
NOTES = {
    "true_positive": (
        "Confirmed with the user; machine isolated and rebuilt, password changed.",
        "Tool found and removed, indicators added to the block list.",
        "Account was taken over; sessions ended, second factor renewed.",
        "Real attempt, stopped by the endpoint protection before anything ran.",
    ),
    "benign": (
        "Planned change by operations, ticket attached.",
        "Penetration test, announced for this week.",
        "The administrator confirmed that it was him.",
        "Backup job of the night; harmless.",
    ),
    "duplicate": ("Belongs to an incident that is being worked on already.",),
    "undetermined": (
        "Logs no longer there; nothing else on this host.",
        "No answer from the user, nothing more to see.",
    ),
}
FALSE_ALARMS = {
    "host": (
        "The software distribution does this on every update.",
        "Known behaviour of the inventory agent.",
        "Rule matches too much; tuning asked for.",
        "Monitoring check, runs every hour.",
        "Same as yesterday, same cause.",
    ),
    "account": (
        "The user is travelling; asked him on the phone.",
        "Address of our own remote access provider.",
        "New telephone, second factor set up again.",
        "Pipeline account, works as designed.",
        "Same as yesterday, same cause.",
    ),
    "mail": (
        "Newsletter that the user signed up for.",
        "Partner changed his mail provider.",
        "Attachment is what it says; opened in the sandbox.",
        "Sender is known, the domain is new.",
    ),
    "network": (
        "Announced vulnerability scan.",
        "Content network of a software vendor.",
        "Signature matches an ordinary update.",
        "Blocked at the edge, nothing came in.",
        "Same as yesterday, same cause.",
    ),
}
REALM = {
    "mail": "mail",
    **dict.fromkeys(("cloud", "identity", "logon"), "account"),
    **dict.fromkeys(("network", "dns", "web", "ssh"), "network"),
}
COMMENTS = (
    "Looking into it.",
    "Asked the user whether this was him.",
    "Process tree pulled from the EDR, nothing before it.",
    "Host isolated while I look.",
    "Same address as in this morning's case.",
    "Waiting for operations to answer.",
    "Hash is clean everywhere, still odd.",
    "Handed over to the next shift.",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One saved change: who, when (epoch milliseconds), which fields from what to what, and a comment or none."""

    time_ms: int
    user: str
    edited: tuple[tuple[str, Any, Any], ...]
    comment: str | None = None


def work(rng: random.Random, rule: Rule, severity: str, time_ms: int, end_ms: int) -> tuple[Step, ...]:
    """Return what was done until `end_ms` with something that came up at `time_ms`, oldest first."""
    median, untouched = RESPONSE[severity]
    if rng.random() < untouched:
        return _swept(rng, rule, time_ms, end_ms)
    hour = (time_ms + HOUR) // HOUR % 24
    slow = 2.6 if (hour < 6 and severity not in ("critical", "high")) else 1.0
    taken = time_ms + int(median * slow * math.exp(rng.gauss(0, 0.9)) * MINUTE)
    if taken > end_ms:
        return ()
    analyst = pick(rng, ANALYSTS)
    false = rng.random() < rule.false_share
    if false and rng.random() < 0.72:
        verdict = "false_positive" if rng.random() < 0.75 else "benign"
        return (_closed(rng, rule, taken, analyst, "new", verdict, first=True),)
    comment = pick(rng, COMMENTS) if rng.random() < 0.22 else None
    steps = [Step(taken, analyst, (("status", "new", "in_progress"), ("reviewer", None, analyst)), comment)]
    now = taken + int((35 if false else 170) * math.exp(rng.gauss(0, 1.0)) * MINUTE)
    status = "in_progress"
    if not false and rng.random() < 0.2:
        if now > end_ms:
            return tuple(steps)
        steps.append(Step(now, analyst, (("status", "in_progress", "verification"),), pick(rng, COMMENTS)))
        now += int(240 * math.exp(rng.gauss(0, 0.7)) * MINUTE)
        status = "verification"
    # Some cases are left lying, which is what the backlog by age is for.
    if now > end_ms or rng.random() < 0.03:
        return tuple(steps)
    draw = rng.random()
    verdict = (
        "false_positive" if false else "true_positive" if draw < 0.55 else "benign" if draw < 0.85 else "undetermined"
    )
    closer = pick(rng, LEADS) if status == "verification" else analyst
    steps.append(_closed(rng, rule, now, closer, status, verdict, first=False))
    return tuple(steps)


def _swept(rng: random.Random, rule: Rule, time_ms: int, end_ms: int) -> tuple[Step, ...]:
    """Nobody looked; a lead tidies up what is old, at the end of some later week."""
    swept = time_ms + int((6 + 5 * rng.random()) * DAY)
    if swept > end_ms:
        return ()
    return (_closed(rng, rule, swept, pick(rng, LEADS), "new", "undetermined", first=True),)


def _closed(rng: random.Random, rule: Rule, now: int, user: str, status: str, verdict: str, *, first: bool) -> Step:
    notes = FALSE_ALARMS[REALM.get(rule.kind, "host")] if verdict == "false_positive" else NOTES[verdict]
    target = "rejected" if verdict == "false_positive" and rng.random() < 0.6 else "closed"
    edited: tuple[tuple[str, Any, Any], ...] = (
        ("status", status, target),
        ("resolution", None, verdict),
        ("resolution_note", None, pick(rng, notes)),
    )
    if first:
        edited += (("reviewer", None, user),)
    if verdict == "true_positive":
        edited += (("ticket", None, f"INC-{int(rng.random() * 90_000) + 10_000}"),)
    return Step(now, user, edited)

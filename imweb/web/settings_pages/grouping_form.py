"""Grouping rules as their settings page treats them: what a form says, what a rule does in words, what it meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imweb.accounts.models import User
from imweb.configuration import store
from imweb.configuration.models import Change
from imweb.errors import ImError, ValidationFailed
from imweb.grouping import engine, service, tail
from imweb.grouping.ready import clause_of
from imweb.grouping.rules import FUNCTIONS, RULES, GroupingRule
from imweb.incidents.dsl import IS_AGGREGATION, NOT_DELETED
from imweb.incidents.editing.holding import now_ms
from imweb.incidents.registry import registry
from imweb.incidents.severities import severities
from imweb.opensearch import gateway, schema
from imweb.web.settings_pages.base import KindSource, faults_of, lines_of

Json = dict[str, Any]
UNITS = {"minutes": 1, "hours": 60, "days": 1_440}
UNIT_LABELS = {
    "minutes": gettext_lazy("minutes"),
    "hours": gettext_lazy("hours"),
    "days": gettext_lazy("days"),
}
FUNCTION_LABELS = {
    "count": gettext_lazy("how many have it"),
    "distinct": gettext_lazy("how many different"),
    "min": gettext_lazy("smallest"),
    "max": gettext_lazy("largest"),
    "sum": gettext_lazy("sum"),
    "first": gettext_lazy("first"),
    "last": gettext_lazy("last"),
}
LABELS = {
    "title": "Title",
    "enabled": "In use",
    "filter": "Filter",
    "comparison": "Compared fields",
    "functions": "Worked out",
    "additional": "Copied fields",
    "window": "Time window",
    "minimum": "Smallest group",
    "group_title": "Title of the group",
    "group_description": "Description of the group",
    "severity": "Severity",
    "reviewer": "Reviewer",
    "and_go_on": "And go on",
    "look_back": "Look back",
}
COMPARED = 5
_FREE_FUNCTIONS = 2
_MOST_USERS = 500


class GroupingSource:
    """The rules in their order; each change has the engine look anew."""

    kind = RULES.name
    base = KindSource(RULES)

    def names(self) -> list[str]:
        """Return the names in order."""
        return self.base.names()

    def reorder(self, names: Sequence[str], *, by: str) -> None:
        """Put the rules into another order."""
        service.reorder_rules(names, by=by)

    def undo(self, change: Change, *, by: str) -> None:
        """Take back a change."""
        if change.name and change.action != "reordered":
            service.undo_rule(change.name, by=by)
        else:
            self.base.undo(change, by=by)
            service.look_anew(None, None)


@dataclass(frozen=True, slots=True)
class Check:
    """What saving a form would meet: faults by field, what its filter matches now, and the rule in words."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    matched: int | None = None
    words: str = ""
    tokens: tuple[str, ...] = ()
    pointer: tuple[str, str, str] | None = None


def posted(data: QueryDict, existing: GroupingRule | None) -> Json:
    """Return what a form says, as a rule's data."""
    functions = [
        {"name": name.strip(), "function": function, "field": path.strip()}
        for name, function, path in zip(
            data.getlist("function_name"), data.getlist("function"), data.getlist("function_field"), strict=False
        )
        if name.strip() or path.strip()
    ]
    unit = UNITS.get(data.get("unit", ""), 1)
    length = _number(data.get("length", ""))
    return {
        "name": existing.name if existing else data.get("name", "").strip(),
        "title": data.get("title", "").strip(),
        "enabled": "enabled" in data,
        "filter": data.get("filter", "").strip(),
        "comparison": [path.strip() for path in data.getlist("comparison") if path.strip()],
        "functions": functions,
        "additional": lines_of(data.get("additional", "")),
        "window": {"kind": data.get("window", ""), "minutes": length * unit if isinstance(length, int) else length},
        "minimum": _number(data.get("minimum", "")),
        "group_title": data.get("group_title", "").strip(),
        "group_description": data.get("group_description", "").strip(),
        "severity": data.get("severity", "").strip(),
        "reviewer": data.get("reviewer", "").strip(),
        "and_go_on": "and_go_on" in data,
        "look_back": _number(data.get("look_back", "")),
    }


def _number(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 9 else text


def blank() -> Json:
    """Return what a new rule begins with."""
    return {
        "enabled": True,
        "window": {"kind": "fixed", "minutes": 60},
        "minimum": 2,
        "group_title": "{incidents_count} × {rule.name}",
        "severity": "highest",
        "look_back": 7,
    }


def drawn(values: Json) -> Json:
    """Return what the template needs of a form's values: rows with room for more, a length in its unit."""
    minutes = (values.get("window") or {}).get("minutes", 60)
    unit = "minutes"
    if isinstance(minutes, int) and minutes:
        unit = "days" if minutes % 1_440 == 0 else "hours" if minutes % 60 == 0 else "minutes"
        minutes //= UNITS[unit]
    compared = list(values.get("comparison") or [])
    users = User.objects.filter(is_active=True)
    functions = list(values.get("functions") or [])
    return {
        "length": minutes,
        "unit": unit,
        "units": UNIT_LABELS,
        "compared": (compared + [""] * COMPARED)[:COMPARED],
        "functions": functions + [{"name": "", "function": "count", "field": ""}] * _FREE_FUNCTIONS,
        "function_kinds": {name: FUNCTION_LABELS[name] for name in FUNCTIONS},
        "levels": severities(),
        "fields": sorted(registry().fields),
        "users": list(users.order_by("username").values_list("username", flat=True)[:_MOST_USERS]),
    }


def check(values: Json) -> Check:
    """Return what saving these values would meet; nothing is written."""
    try:
        rule = RULES.parse(values)
    except ValidationFailed as error:
        return Check(faults_of(error))
    details = service.check(rule)
    if details:
        pointer = next((_pointer(rule.filter, detail.extra) for detail in details if detail.field == "filter"), None)
        return Check(faults_of(ValidationFailed.of(details)), tokens=tuple(rule.tokens()), pointer=pointer)
    return Check(matched=matched(rule), words=in_words(rule), tokens=tuple(rule.tokens()))


def _pointer(text: str, extra: Any) -> tuple[str, str, str] | None:
    """Return a filter cut where its fault is: before, the character, after."""
    at = extra.get("position") if isinstance(extra, dict) else None
    if not isinstance(at, int) or not 0 <= at <= len(text):
        return None
    return text[max(0, at - 60) : at], text[at : at + 1] or " ", text[at + 1 : at + 61]


def matched(rule: GroupingRule) -> int | None:
    """Return how many incidents a rule's filter matches now, None while OpenSearch does not answer."""
    try:
        clause = clause_of(rule, registry(), now_ms())
        query = {"bool": {"filter": [clause], "must_not": [NOT_DELETED]}}
        return gateway().count(query, index=schema.incidents_alias())
    except ImError:
        return None


def standing(name: str) -> tuple[int, int] | None:
    """Return how many groups a rule has made and how many incidents are in them; None while OpenSearch is away."""
    try:
        return _counts([name])[name]
    except ImError:
        return None


def behind() -> int | None:
    """Return how many writes the engine has still to look at, None while OpenSearch does not answer."""
    try:
        return tail.behind(engine.READER, schema.incidents_alias())
    except ImError:
        return None


def window_words(rule: GroupingRule) -> str:
    """Return a rule's window as a person says it."""
    minutes = rule.window.minutes
    if minutes % 1_440 == 0:
        length = ngettext("%(n)d day", "%(n)d days", minutes // 1_440) % {"n": minutes // 1_440}
    elif minutes % 60 == 0:
        length = ngettext("%(n)d hour", "%(n)d hours", minutes // 60) % {"n": minutes // 60}
    else:
        length = ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    if rule.window.kind == "fixed":
        return _("in spans of %(length)s") % {"length": length}
    return _("until closed, at most %(length)s") % {"length": length}


def compared_words(rule: GroupingRule) -> list[str]:
    """Return the labels of the fields that a rule compares."""
    known = registry()
    return [found.label or path if (found := known.get(path)) else path for path in rule.comparison]


def in_words(rule: GroupingRule) -> str:
    """Return what a rule does as a sentence."""
    words = {
        "which": _("that match the filter") if rule.filter else _("of any kind"),
        "fields": _(" and ").join(compared_words(rule)),
        "window": window_words(rule),
        "minimum": rule.minimum,
    }
    text = _("Incidents %(which)s with the same %(fields)s go together %(window)s, once there are %(minimum)d.") % words
    rest = _("Rules below may take them too.") if rule.and_go_on else _("Rules below do not get them.")
    return f"{text} {rest}"


@dataclass(frozen=True, slots=True)
class Row:
    """One rule of the list: its window in words, and how many groups and incidents stand of it, if that is known.

    `faults` say what has become wrong with it since it was saved, such as a reviewer who was shut out.
    """

    rule: GroupingRule
    revision: int
    window: str
    same: list[str]
    groups: int | None
    incidents: int | None
    faults: list[str]


def rows(rules: Sequence[store.Item[GroupingRule]]) -> list[Row]:
    """Return rules as the list draws them."""
    counts: dict[str, tuple[int, int]] | None
    try:
        counts = _counts([item.value.name for item in rules])
    except ImError:
        counts = None
    return [
        Row(
            item.value,
            item.revision,
            window_words(item.value),
            compared_words(item.value),
            None if counts is None else counts[item.value.name][0],
            None if counts is None else counts[item.value.name][1],
            [f"{LABELS.get(fault.field, fault.field)}: {fault.reason}" for fault in service.check(item.value)],
        )
        for item in rules
    ]


def _counts(names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many groups and incidents stand of rules, both of one moment; raises what OpenSearch says.

    A group is written before its incidents name it. Shown to searches after them it is counted with them: by itself
    each index shows what was written when its own time has come, and a rule would have incidents but no group.
    """
    if not names:
        return {}
    for alias in schema.document_aliases():
        gateway().refresh(alias)
    field = "incident_aggregation_id"
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"terms": {field: list(names)}}], "must_not": [NOT_DELETED]}},
        "aggs": {
            "names": {
                "terms": {"field": field, "include": list(names), "size": len(names)},
                "aggs": {"groups": {"filter": IS_AGGREGATION}},
            }
        },
    }
    found = dict.fromkeys(names, (0, 0))
    for bucket in gateway().search(body, index=schema.document_aliases())["aggregations"]["names"]["buckets"]:
        groups = int(bucket["groups"]["doc_count"])
        found[str(bucket["key"])] = (groups, int(bucket["doc_count"]) - groups)
    return found

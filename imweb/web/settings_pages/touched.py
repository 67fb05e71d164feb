"""What a change of settings touches: incidents, users' lists, rules; said before anything is saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from imweb.accounts.models import User
from imweb.configuration.store import values
from imweb.errors import ImError
from imweb.grouping.rules import RULES, GroupingRule
from imweb.incidents.dsl import NOT_DELETED
from imweb.notifications.rules import RULES as NOTICES
from imweb.opensearch import gateway, schema
from imweb.web.models import SavedView
from imweb.workflows.definitions import WORKFLOWS


@dataclass(frozen=True, slots=True)
class Touched:
    """Counts; `incidents` is None while OpenSearch does not answer. Views are saved ones and users' own columns."""

    incidents: int | None
    views: int
    rules: list[str]


def count(clause: dict[str, object]) -> int | None:
    """Return how many incidents and groups match now, None while OpenSearch does not answer."""
    body = {"bool": {"filter": [clause], "must_not": [NOT_DELETED]}}
    try:
        return gateway().count(body, index=schema.document_aliases())
    except ImError:
        return None


def by_field(name: str) -> Touched:
    """Return what uses a field."""
    rules = [rule.title for rule in values(RULES) if _uses(rule, name)]
    rules += [rule.title for rule in values(NOTICES) if _compares(rule.filter, name)]
    return Touched(count({"exists": {"field": name}}), _views(name), rules)


def by_value(field: str, value: str) -> Touched:
    """Return what uses a value of a field, such as a severity level or a status."""
    return Touched(count({"term": {field: value}}), _saved(field, value), _rules(field, value))


def by_status(workflow: str, status: str) -> Touched:
    """Return what uses a status: the incidents of this workflow in it, and the views and rules that name it."""
    both = [{"term": {"status": status}}, {"term": {"workflow_id": workflow}}]
    return Touched(count({"bool": {"filter": both}}), _saved("status", status), _rules("status", status))


def _rules(field: str, value: str) -> list[str]:
    found = [rule.title for rule in values(RULES) if rule.severity == value and field == "severity"]
    found += [rule.title for rule in values(RULES) if _says(rule.filter, field, value)]
    found += [rule.title for rule in values(NOTICES) if _says(rule.filter, field, value)]
    return sorted(set(found))


def _says(text: str, field: str, value: str) -> bool:
    """Return whether a search text compares a field with a value, alone or among others in parentheses."""
    pattern = rf"(?<![\w.-]){re.escape(field)}\s*:\s*(?:\([^)]*?|[<>]=?\s*)?(?<![\w-]){re.escape(value)}(?![\w-])"
    return re.search(pattern, text.replace('"', ""), re.IGNORECASE) is not None


def _compares(text: str, field: str) -> bool:
    """Return whether a search text compares a field with anything."""
    return re.search(rf"(?<![\w.-]){re.escape(field)}\s*:", text, re.IGNORECASE) is not None


def by_workflow(name: str) -> Touched:
    """Return how many incidents follow a workflow, and the rules of detections that choose it."""
    chosen = [rule for item in values(WORKFLOWS) if item.name == name for rule in item.rules]
    return Touched(count({"term": {"workflow_id": name}}), _saved("workflow_id", name), chosen)


def counts(field: str, size: int = 200) -> dict[str, int] | None:
    """Return how many documents have each value of a field; None while OpenSearch does not answer."""
    answer = _buckets({"terms": {"field": field, "size": size}})
    return None if answer is None else {str(b["key"]): int(b["doc_count"]) for b in answer}


def pairs(one: str, other: str, size: int = 200) -> dict[tuple[str, str], int] | None:
    """Return how many documents have each pair of values of two fields; None while OpenSearch does not answer."""
    inner = {"inner": {"terms": {"field": other, "size": size}}}
    answer = _buckets({"terms": {"field": one, "size": size, "missing": ""}, "aggs": inner})
    return None if answer is None else dict(_flat(answer))


def _flat(buckets: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], int]]:
    for outer in buckets:
        for bucket in outer["inner"]["buckets"]:
            yield (str(outer["key"]), str(bucket["key"])), int(bucket["doc_count"])


def _buckets(aggregation: dict[str, Any]) -> list[dict[str, Any]] | None:
    body = {"size": 0, "query": {"bool": {"must_not": [NOT_DELETED]}}, "aggs": {"values": aggregation}}
    try:
        answer = gateway().search(body, index=schema.document_aliases())
    except ImError:
        return None
    buckets: list[dict[str, Any]] = answer["aggregations"]["values"]["buckets"]
    return buckets


def _uses(rule: GroupingRule, name: str) -> bool:
    named = {*rule.comparison, *rule.additional, *(item.field for item in rule.functions)}
    return name in named or _compares(rule.filter, name)


def _views(name: str) -> int:
    users = User.objects.exclude(preferences={}).values_list("preferences", flat=True)
    lists = [kept.get("list") for kept in users if isinstance(kept, dict)]
    own = sum(1 for kept in lists if isinstance(kept, dict) and name in (kept.get("columns") or ()))
    return own + _saved(name)


def _saved(field: str, value: str = "") -> int:
    """Return how many saved views filter or sort by a field, or filter by one value of it."""
    return sum(1 for query in SavedView.objects.values_list("query", flat=True) if _names(query, field, value))


def _names(query: str, field: str, value: str) -> bool:
    parameters = parse_qs(query)
    filtered = [item for key in (field, f"f.{field}", f"not.{field}") for item in parameters.get(key, ())]
    text = " ".join(parameters.get("q", ()))
    if value:
        return value in filtered or _says(text, field, value)
    sorts = [item.partition(":")[0] for item in parameters.get("sort", ())]
    return bool(filtered) or field in sorts or _compares(text, field)

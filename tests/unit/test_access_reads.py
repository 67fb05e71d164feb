"""Row access is in one place: what reads OpenSearch by another way than `result_set` is listed here with its reason."""

from __future__ import annotations

import re
from pathlib import Path

from imweb.settings import BASE_DIR

READS = re.compile(r"gateway\(\)\.(?:search|msearch|get|mget|count|raw)\(")
FILTERED = {
    "incidents/services.py": "get_document, group_titles and as_now ask access.visible",
    "incidents/insights.py": "related and seen_before add access.clauses",
    "incidents/history.py": "asks access.visible of the object, access.entry_visible of entries without one",
    "incidents/editing/single.py": "asks access.visible before it deletes",
    "incidents/editing/membership.py": "asks access.visible of the groups that a new incident names",
    "incidents/paging/reader.py": "searches what result_set gave it, access in it",
    "incidents/roles.py": "counts what a role would see, for who manages roles",
}
NOT_SHOWN = {
    "incidents/editing/batch.py": "reads to write; change.apply asks access.visible before anything is told",
    "incidents/editing/holding.py": "the grouping engine's, and spreading's after the group was shown",
    "incidents/editing/taking_back.py": "asks get_document first",
    "incidents/jobs/runner.py": "looks for the job's own change in its group",
    "incidents/pits/raw.py": "warms a point in time, the answer is dropped",
    "incidents/declaring.py": "for who manages roles, and marking groups",
}
# Whoever may open these pages sees everything: imweb.accounts.scope.OVER_EVERYTHING.
OVER_EVERYTHING = {
    "incidents/custom_fields.py": "settings: what the data has under a field's name",
    "web/settings_pages/touched.py": "settings: how much a change touches",
    "web/settings_pages/grouping_form.py": "settings: what a grouping rule would gather",
    "web/settings_pages/links_form.py": "settings: an example of where a link would lead",
    "web/settings_pages/health.py": "the system page",
}


def test_every_read_is_filtered_or_says_why_not() -> None:
    root = Path(BASE_DIR) / "imweb"
    found = {
        str(path.relative_to(root))
        for folder in ("incidents", "web", "api")
        for path in (root / folder).rglob("*.py")
        if READS.search(path.read_text())
    }
    known = FILTERED | NOT_SHOWN | OVER_EVERYTHING
    assert found - set(known) == set(), "read through result_set or services, or say here how access is kept"


def test_what_is_said_to_ask_for_access_does() -> None:
    root = Path(BASE_DIR) / "imweb"
    for name in FILTERED.keys() - {"incidents/paging/reader.py"}:
        text = (root / name).read_text()
        assert re.search(r"access\.(?:visible|clauses)\(|\bclauses\(shows\)", text), name

"""Names of our indices, versioned behind aliases, and their creation; every step may be repeated."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from imweb.opensearch._gateway import gateway

OLDEST = (2, 19)


def incidents_alias() -> str:
    """Return the alias of the incidents."""
    return f"{settings.IM_INDEX_PREFIX}-incidents"


def aggregations_alias() -> str:
    """Return the alias of the aggregation results."""
    return f"{settings.IM_INDEX_PREFIX}-aggregations"


def history_alias() -> str:
    """Return the alias of the history entries."""
    return f"{settings.IM_INDEX_PREFIX}-history"


def audit_alias() -> str:
    """Return the alias of the audit trail."""
    return f"{settings.IM_INDEX_PREFIX}-audit"


def document_aliases() -> list[str]:
    """Return both aliases that hold documents, incidents first."""
    return [incidents_alias(), aggregations_alias()]


def alias_of(kind: str) -> str:
    """Return the alias of a document kind, `incident` or `aggregation`."""
    return {"incident": incidents_alias, "aggregation": aggregations_alias}[kind]()


def kind_of_index(index: str) -> str:
    """Return the document kind that lives in a concrete index."""
    return "aggregation" if index.startswith(aggregations_alias()) else "incident"


def check_server() -> str:
    """Return the server's version; refuse one that is not OpenSearch or that is too old (`ImproperlyConfigured`)."""
    answer: Any = gateway().info()
    version = answer.get("version") if isinstance(answer, dict) else None
    number = str(version.get("number", "")) if isinstance(version, dict) else ""
    if not isinstance(version, dict) or version.get("distribution") != "opensearch":
        says = f"it answers as version {number} of something else" if number else "it answers as something else"
        raise ImproperlyConfigured(
            f"The server at OPENSEARCH_URL is not OpenSearch: {says}."
            " Point OPENSEARCH_URL at an OpenSearch 2.19 or newer."
        )
    found = tuple(int(part) for part in re.findall(r"\d+", number)[:2])
    if found < OLDEST:
        raise ImproperlyConfigured(
            f"OpenSearch {number} is too old: 2.19 or newer is needed. Upgrade the cluster first."
        )
    return number


def ensure_index(alias: str, body: dict[str, Any]) -> bool:
    """Create `<alias>-000001` behind the alias unless the alias exists; return whether it was created."""
    if gateway().alias_indices(alias):
        return False
    gateway().create_index(f"{alias}-000001", {**body, "aliases": {alias: {"is_write_index": True}}})
    return True

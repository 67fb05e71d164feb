"""What services return: typed, free of OpenSearch's shapes, the same for both faces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from imweb.incidents.documents import Document, document

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `total` only when it was asked for; `took_ms` in milliseconds."""

    docs: list[Document]
    total: int | None
    next: str | None
    pit: str | None
    took_ms: int
    now_ms: int = 0

    def as_json(self) -> Json:
        """Return the page in the API's shape."""
        body: Json = {"docs": [doc.as_json() for doc in self.docs]}
        if self.total is not None:
            body["total_docs"] = self.total
        return body | {"pit": self.pit, "next": self.next, "took": self.took_ms}


@dataclass(frozen=True, slots=True)
class SeverityCount:
    """How many documents have a severity; an unknown level has no label or colour of its own."""

    key: str
    label: str
    color: str
    color_dark: str
    count: int
    incidents: int
    aggregations: int
    known: bool = True

    def as_json(self) -> Json:
        """Return the count in the API's shape."""
        return {
            "key": self.key,
            "label": self.label,
            "color": self.color,
            "count": self.count,
            "incidents": self.incidents,
            "aggregations": self.aggregations,
        }


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of the histogram; `counts` by severity, the levels without documents left out."""

    time_ms: int
    time: str
    counts: dict[str, int]

    def as_json(self) -> Json:
        """Return the bar in the API's shape."""
        return {"time": self.time, "counts": self.counts}


@dataclass(frozen=True, slots=True)
class SeverityStatistics:
    """Counts by severity, and over time when asked for; they sum up to `total`."""

    total: int
    severities: list[SeverityCount]
    took_ms: int
    interval: str | None = None
    histogram: list[Bucket] | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    extra: Json = field(default_factory=dict)

    def as_json(self) -> Json:
        """Return the statistics in the API's shape."""
        body: Json = {"total_docs": self.total, "severity": [level.as_json() for level in self.severities]}
        if self.histogram is not None:
            body["interval"] = self.interval
            body["histogram"] = [bucket.as_json() for bucket in self.histogram]
        return body | {"took": self.took_ms}


def documents(hits: list[Json]) -> list[Document]:
    """Return hits as documents."""
    return [document(hit["_index"], hit["_id"], hit.get("_source", {}), tuple(hit.get("sort", ()))) for hit in hits]

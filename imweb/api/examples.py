"""The documents that the API's description shows."""

from __future__ import annotations

from typing import Any

INCIDENT: dict[str, Any] = {
    "_meta": {
        "id": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5",
        "type": "incident",
        "index": "im-incidents-000001",
        "rev": 7,
        "created_at": "2026-11-23T08:14:03.120Z",
        "updated_at": "2026-11-23T09:02:11.004Z",
        "updated_by": "anna",
    },
    "@timestamp": "2026-11-23T08:14:03.120Z",
    "title": "Suspicious encoded PowerShell command line",
    "severity": "high",
    "status": "in_progress",
    "workflow_id": "default",
    "reviewer": "anna",
    "mitre": ["T1059.001"],
}
NEW_INCIDENT: dict[str, Any] = {
    "title": "Suspicious encoded PowerShell command line",
    "severity": "high",
    "rule": {"id": "sigma-1", "name": "Encoded PowerShell"},
    "entities": {"host": ["WS-1204"], "user": ["anna"]},
    "mitre": ["T1059.001"],
}
RESULT: dict[str, Any] = {
    "_meta": {
        "id": "a0c5b3a2-8a5e-5f0e-9a52-0b7a4f1f6d11",
        "type": "aggregation",
        "index": "im-aggregations-000001",
        "rev": 3,
        "created_at": "2026-11-23T08:14:03.120Z",
        "updated_at": "2026-11-23T09:02:11.004Z",
        "updated_by": "anna",
    },
    "@timestamp": "2026-11-23T09:00:00.000Z",
    "title": "Brute force on DC-01",
    "severity": "high",
    "status": "new",
    "workflow_id": "default",
    "incident_aggregation_id": "brute-force-by-host",
    "incident_aggregation_result_id": "a0c5b3a2-8a5e-5f0e-9a52-0b7a4f1f6d11",
    "incidents_count": 12,
}
HISTORY: list[dict[str, Any]] = [
    {
        "time": "2026-11-23T09:02:11.004Z",
        "objectId": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5",
        "type": "edited",
        "user": "anna",
        "comment": "Looks like the backup script.",
        "edited": [{"fieldName": "reviewer", "oldValue": None, "newValue": "anna"}],
    }
]

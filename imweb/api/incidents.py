"""One incident as it is now, and what its ATT&CK ids stand for."""

from __future__ import annotations

from typing import Any

from imweb.accounts import permissions
from imweb.api import examples, schemas
from imweb.api.operations import Call, NoParameters, Operation
from imweb.incidents import mitre, services

Json = dict[str, Any]


def _get(call: Call) -> Json:
    call.read(NoParameters)
    return services.get_document(call.actor, "incident", call.ids["id"]).as_json()


def _mitre(call: Call) -> Json:
    call.read(NoParameters)
    document = services.get_document(call.actor, "incident", call.ids["id"])
    given = document.source.get("mitre") or []
    view = mitre.lookup([str(item) for item in given] if isinstance(given, list) else [str(given)])
    return {"incident_id": document.id, **view.as_json()}


OPERATIONS = [
    Operation(
        method="GET",
        path="incidents/{id}",
        id="getIncident",
        tag="Incidents",
        permission=permissions.VIEW,
        run=_get,
        summary="Read an incident",
        description="As it is now: a change shows at once, before any list does.",
        answers={200: schemas.Document},
        errors=[404],
        example_answer=examples.INCIDENT,
    ),
    Operation(
        method="GET",
        path="incidents/{id}/mitre",
        id="getIncidentMitre",
        tag="Incidents",
        permission=permissions.VIEW,
        run=_mitre,
        summary="Name an incident's ATT&CK tactics and techniques",
        description="Ids that ATT&CK Enterprise does not know, in any version, stand in `unknown`.",
        answers={200: schemas.Mitre},
        errors=[404],
        example_answer={
            "incident_id": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5",
            "attack_version": "19.0",
            "tactics": [
                {
                    "id": "TA0002",
                    "shortname": "execution",
                    "name": "Execution",
                    "url": "https://attack.mitre.org/tactics/TA0002",
                }
            ],
            "techniques": [
                {
                    "id": "T1059.001",
                    "name": "PowerShell",
                    "url": "https://attack.mitre.org/techniques/T1059/001",
                    "tactics": ["TA0002"],
                    "parent": "T1059",
                }
            ],
            "unknown": [],
        },
    ),
]

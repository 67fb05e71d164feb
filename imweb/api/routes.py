"""Every operation of the API, by its path."""

from __future__ import annotations

from imweb.api import aggregations, bulk, changes, docs, histories, incidents, listing, points
from imweb.api.operations import Operation

OPERATIONS: list[Operation] = [
    *points.OPERATIONS,
    *listing.OPERATIONS,
    *incidents.OPERATIONS,
    *aggregations.OPERATIONS,
    *changes.OPERATIONS,
    *histories.OPERATIONS,
    *bulk.OPERATIONS,
    *docs.OPERATIONS,
]


def by_path() -> dict[str, list[Operation]]:
    """Return the operations of each path; paths without ids go first, so that `incidents/pit` is no incident."""
    found: dict[str, list[Operation]] = {}
    for operation in sorted(OPERATIONS, key=lambda operation: operation.path.count("{")):
        found.setdefault(operation.path, []).append(operation)
    return found

"""ATT&CK Enterprise, offline: names, tactics and parents of the ids that incidents carry."""

from imweb.incidents.mitre.catalogue import (
    Column,
    MitreView,
    Row,
    Tactic,
    Technique,
    attack_version,
    ids_from_tags,
    licence,
    lookup,
    matrix,
    tactic,
    technique,
)

__all__ = [
    "Column",
    "MitreView",
    "Row",
    "Tactic",
    "Technique",
    "attack_version",
    "ids_from_tags",
    "licence",
    "lookup",
    "matrix",
    "tactic",
    "technique",
]

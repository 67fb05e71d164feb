"""Changing incidents and aggregation results: every write of a document passes here (DESIGN: Changing things)."""

from imweb.incidents.editing.groups import update_aggregation
from imweb.incidents.editing.many import BulkResult, bulk
from imweb.incidents.editing.single import Outcome, create, delete, update
from imweb.incidents.editing.taking_back import change_of, may_take_back, take_back
from imweb.incidents.services import get_document

__all__ = [
    "BulkResult",
    "Outcome",
    "bulk",
    "change_of",
    "create",
    "delete",
    "get_document",
    "may_take_back",
    "take_back",
    "update",
    "update_aggregation",
]

"""A new incident that names its groups: it must agree with them in the access fields in which all others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from imweb.accounts.actor import Actor
from imweb.errors import ValidationFailed
from imweb.incidents import access
from imweb.incidents.rowfilters import indexed
from imweb.opensearch import gateway, schema

RESULT = "incident_aggregation_result_id"


def check(actor: Actor, source: Mapping[str, Any], declared: Sequence[str]) -> None:
    """Raise `ValidationFailed` when a group is another partition's, or none that the actor may know of.

    Who sees some incidents only is told the same of a group that does not exist and of one that he may not see.
    """
    for result_id in source.get(RESULT) or ():
        stored = gateway().get(schema.aggregations_alias(), str(result_id))
        if stored is None or stored.source.get("deleted") or not access.visible(actor, stored.source):
            if actor.rows is None:
                continue
            raise ValidationFailed.field(RESULT, _("there is no such group"))
        for path in stored.source.get("partition") or ():
            if path in declared and indexed(stored.source, path) != indexed(source, path):
                reason = _("all incidents of the group %(group)s have the same %(field)s; this one has another")
                raise ValidationFailed.field(RESULT, reason % {"group": result_id, "field": path})

"""What edits are judged by, read once for a whole batch: severity levels, workflows, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imweb import workflows
from imweb.accounts.incident_types import IncidentType
from imweb.incidents.access import access_fields
from imweb.incidents.beginning import in_force
from imweb.incidents.fields import CORE_FIELDS, INTERNAL, OPAQUE
from imweb.incidents.models import CustomField
from imweb.incidents.severities import severities
from imweb.workflows import Workflow

# An aggregation result's are recomputed from its incidents by grouping alone.
COMPUTED = frozenset(
    {
        "@timestamp",
        "rule",
        "source",
        "entities",
        "mitre",
        "incident_aggregation_id",
        "incident_aggregation_result_id",
        "incidents_count",
        "first_seen",
        "comparison_fields",
        "function_fields",
        "additional_fields",
        "generation",
        "event",
    }
)
ONLY_GROUPS = frozenset({"incidents_count", "first_seen"}) | (OPAQUE - {"event"})
MEMBERSHIP = frozenset({"incident_aggregation_id", "incident_aggregation_result_id"})
KEPT_BY_US = INTERNAL | {"_id", "_index", "_source"}
# Without these an incident is in no list or in no workflow.
NEVER_EMPTY = frozenset({"@timestamp", "severity", "status", "workflow_id"})
VERDICT = ("resolution", "resolution_note", "duplicate_of")
SPREAD = ("status", "workflow_id", "severity", "comment", "reviewer", "resolution")
RULE_PARTS = tuple(name.partition(".")[2] for name in CORE_FIELDS if name.startswith("rule."))


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration in force when a batch began."""

    levels: tuple[str, ...]
    workflows: Mapping[str, Workflow]
    default: Workflow
    # Access fields: set when an incident is created, never edited.
    access: tuple[str, ...] = ()
    types: Mapping[str, IncidentType] = field(default_factory=dict)
    # What a field's definition lets people choose from, by field.
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Rules:
        """Read the configuration."""
        defined = workflows.workflows()
        levels = tuple(level.name for level in severities())
        chosen = CustomField.objects.filter(type__in=("select", "multiselect"), live_options=False).exclude(options=[])
        options = {name: tuple(listed) for name, listed in chosen.values_list("name", "options")}
        found = {w.id: w for w in defined}
        return cls(levels, found, defined[0], access_fields(), types=in_force(), options=options)

    def workflow(self, workflow_id: object) -> Workflow:
        """Return a document's workflow; one that was removed since is replaced by the default."""
        return self.workflows.get(str(workflow_id or ""), self.default)

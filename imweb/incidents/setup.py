"""Create what OpenSearch needs to hold for us; every step may be repeated."""

from __future__ import annotations

from django.conf import settings

from imweb.incidents import mappings, registry
from imweb.incidents.fields import mapping_of
from imweb.incidents.models import CustomField
from imweb.opensearch import gateway, schema


def ensure_indices() -> list[str]:
    """Create the indices that are missing and map fields that are not; return the aliases created."""
    shards, replicas = settings.IM_INDEX_SHARDS, settings.IM_INDEX_REPLICAS
    body = mappings.document_body(registry.registry(fresh=True), shards=shards, replicas=replicas)
    created = [alias for alias in schema.document_aliases() if schema.ensure_index(alias, body)]
    if schema.ensure_index(schema.history_alias(), mappings.history_body(shards=shards, replicas=replicas)):
        created.append(schema.history_alias())
    for alias in schema.document_aliases():
        # A version of ours that knows more core fields than the one that made the index adds them here.
        live = gateway().mapping(alias)
        missing = {name: mapping for name, mapping in body["mappings"]["properties"].items() if name not in live}
        if missing:
            gateway().put_mapping(alias, missing)
    registry.forget()
    return created


def apply_custom_fields() -> list[str]:
    """Map every defined field in the live indices; return the names that were mapped now."""
    mapped = []
    for row in CustomField.objects.filter(mapped=False):
        gateway().put_mapping(schema.document_aliases(), {row.name: mapping_of(row.field.kind)})
        CustomField.objects.filter(pk=row.pk).update(mapped=True)
        mapped.append(row.name)
    registry.forget()
    return mapped

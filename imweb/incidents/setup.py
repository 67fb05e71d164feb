"""Create what OpenSearch needs to hold for us; every step may be repeated."""

from __future__ import annotations

import logging

from django.conf import settings

from imweb.errors import QueryRejected
from imweb.incidents import mappings, registry
from imweb.incidents.fields import mapping_of
from imweb.incidents.models import CustomField
from imweb.opensearch import gateway, schema

log = logging.getLogger(__name__)


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
    """Map every defined field in the live indices; return the names that were mapped now.

    A field whose name somebody mapped otherwise meanwhile is logged and waits; it keeps no other field waiting.
    """
    mapped = []
    for row in CustomField.objects.filter(mapped=False):
        try:
            gateway().put_mapping(schema.document_aliases(), {row.name: mapping_of(row.field.kind)})
        except QueryRejected as error:
            log.warning("the custom field %s cannot be mapped: %s", row.name, error.reason)
            continue
        CustomField.objects.filter(pk=row.pk).update(mapped=True)
        mapped.append(row.name)
    registry.forget()
    return mapped

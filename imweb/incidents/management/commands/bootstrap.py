"""`manage.py bootstrap`: indices, aliases, roles and default configuration; may be run at any time."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from imweb.accounts.setup import ensure_roles
from imweb.audit.trail import ensure_index as ensure_audit_index
from imweb.errors import ImError
from imweb.incidents.setup import apply_custom_fields, ensure_indices
from imweb.opensearch import schema


class Command(BaseCommand):
    """Prepare OpenSearch and the database for the first or the next version."""

    help = "Create what is missing in OpenSearch and the database; idempotent."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the server, then create what is missing."""
        try:
            version = schema.check_server()
            created = ensure_indices()
            created += [schema.audit_alias()] if ensure_audit_index() else []
            mapped = apply_custom_fields()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except ImError as error:
            raise CommandError(error.reason) from None
        roles = ensure_roles()
        self.stdout.write(
            f"OpenSearch {version}: created {', '.join(created) or 'nothing new'};"
            f" fields mapped: {', '.join(mapped) or 'none new'}; roles: {', '.join(roles) or 'none new'}."
        )

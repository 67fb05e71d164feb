"""The Django application of imweb.audit."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.audit"

    def ready(self) -> None:
        """Listen to sign-ins and to changes of settings."""
        from imweb.audit import listening

        listening.connect()

"""The application of the points in time."""

from django.apps import AppConfig


class PitsConfig(AppConfig):
    """Pool, leases, result sets."""

    name = "imweb.incidents.pits"
    label = "pits"
    verbose_name = "Points in time"

    def ready(self) -> None:
        """Release a session's leases at sign-out."""
        from imweb.incidents.pits import signals  # noqa: F401 - registers the receiver

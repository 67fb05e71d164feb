"""The Django application of imweb.incidents."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.incidents"

    def ready(self) -> None:
        """Let types, levels and roles be judged by what needs them, wherever they are saved."""
        from imweb.incidents import incident_types  # noqa: F401 - it adds its checks to the kinds

"""The Django application of imweb.incidents."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.incidents"

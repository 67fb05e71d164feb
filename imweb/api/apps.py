"""The Django application of imweb.api."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.api"

"""The Django application of imweb.demo."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.demo"

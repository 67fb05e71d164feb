"""The Django application of imweb.configuration."""

from django.apps import AppConfig


class ConfigurationConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.configuration"

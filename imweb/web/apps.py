"""The Django application of imweb.web."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.web"

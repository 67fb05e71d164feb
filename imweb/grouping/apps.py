"""The Django application of imweb.grouping."""

from django.apps import AppConfig


class GroupingConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.grouping"

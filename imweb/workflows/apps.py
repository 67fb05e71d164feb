"""The Django application of imweb.workflows."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.workflows"

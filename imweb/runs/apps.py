"""The Django application of imweb.runs."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.runs"

    def ready(self) -> None:
        """Listen to what Celery tells of workers, beat and tasks."""
        from imweb.runs import watching

        watching.connect()

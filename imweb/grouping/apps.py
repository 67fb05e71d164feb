"""The Django application of imweb.grouping."""

from django.apps import AppConfig


class GroupingConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.grouping"

    def ready(self) -> None:
        """Listen to what sequence numbers do not tell."""
        from imweb.grouping import freshening
        from imweb.incidents.editing.single import deleted

        deleted.connect(freshening.on_deleted, dispatch_uid="grouping")

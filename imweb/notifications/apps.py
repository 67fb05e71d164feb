"""The Django application of imweb.notifications."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """See the package's own description."""

    name = "imweb.notifications"

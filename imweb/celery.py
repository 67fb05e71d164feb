"""The Celery application; beat's schedule stands in the settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imweb.settings")

app = Celery("imweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

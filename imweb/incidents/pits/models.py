"""What the database keeps about points in time: the pages' result sets, and what Redis could not be told."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class ResultSet(models.Model):
    """What one page (a tab, a set of filters) holds: its lease, beside the session and not inside its blob.

    Two requests of one session that save its blob at once overwrite each other; rows do not.
    """

    session_key = models.CharField(max_length=40)
    key = models.CharField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session_key", "key"], name="pits_result_set_once")]

    def __str__(self) -> str:
        return self.key


class MissedWrite(models.Model):
    """An acknowledged write that not every process can learn from Redis; the ids are the order of such writes."""

    user_id = models.BigIntegerField(db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} at {self.at:%H:%M:%S}"


class Outage(models.Model):
    """A process that cannot reach Redis pools its own points in time until then; writers then note in the database."""

    process = models.CharField(max_length=64, unique=True)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.process

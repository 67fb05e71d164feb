"""Tasks that failed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone


class FailedTask(models.Model):
    """A task that failed with these arguments; the row goes when the same succeeds, or when somebody sets it aside."""

    task = models.CharField(max_length=200)
    # Of name and arguments: a task that beat sends every five seconds is one row, however often it fails.
    digest = models.CharField(max_length=64, unique=True)
    args: models.JSONField[Any, Any] = models.JSONField(default=list)
    kwargs: models.JSONField[Any, Any] = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    error = models.CharField(max_length=1_000)
    trace = models.TextField(blank=True)
    worker = models.CharField(max_length=200, blank=True)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    retried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-last_at"]

    def __str__(self) -> str:
        return f"{self.task} ({self.count})"

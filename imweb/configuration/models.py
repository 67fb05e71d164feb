"""Settings objects and the record of their changes; what an object means is its kind's business."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Entry(models.Model):
    """One settings object as it stands; `revision` rises by one with each change."""

    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    data: models.JSONField[Any, Any] = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["kind", "position", "name"]
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_entry_per_name")]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Change(models.Model):
    """One change of a settings object, with what it was and what it became; never edited."""

    ACTIONS = [
        ("created", _("created")),
        ("changed", _("changed")),
        ("removed", _("removed")),
        ("reordered", _("reordered")),
        ("restored", _("restored")),
    ]

    kind = models.CharField(max_length=40)
    # Empty when the order of the whole kind was changed.
    name = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=10, choices=ACTIONS)
    revision = models.PositiveIntegerField(default=0)
    old: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)
    new: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "name", "-id"])]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name} {self.action} by {self.by}"

"""What the pages keep: saved views, and incidents that a change of settings moves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imweb.accounts.models import User
from imweb.configuration.models import Change

MAX_NAME = 60


class SavedView(models.Model):
    """A list's filters, order and mode under a name; `query` is the address without place and point in time."""

    # None: it came with a configuration file and is everybody's.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=MAX_NAME)
    query = models.TextField(blank=True)
    shared = models.BooleanField(_("shared with everybody"), default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_per_name")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def seen_by(cls, user: User) -> QuerySet[SavedView]:
        """Return one's own and the shared ones."""
        return cls.objects.filter(Q(owner=user) | Q(shared=True)).select_related("owner")


class SettingsMove(models.Model):
    """Incidents that a change of settings moves to other values, by a job; without one it waits for OpenSearch."""

    kind = models.CharField(max_length=40)
    # The change of settings that it belongs to; None when values were moved that had been unknown already.
    change = models.ForeignKey(Change, null=True, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    where: models.JSONField[Any, Any] = models.JSONField()
    changes: models.JSONField[Any, Any] = models.JSONField()
    value = models.CharField(max_length=200)
    target = models.CharField(max_length=200)
    task = models.CharField(max_length=40, blank=True)
    fault = models.CharField(max_length=500, blank=True)
    # Its job took one of these back.
    back = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.value} → {self.target}"

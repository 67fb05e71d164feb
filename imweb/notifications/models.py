"""The outbox: what is to be sent, what became of each try, and what users are told in the console."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Delivery(models.Model):
    """One message to one receiver; its id stays the same over all tries, so that a receiver can drop doubles."""

    WAITING, SENDING, DELIVERED, DEAD, CANCELLED = "waiting", "sending", "delivered", "dead", "cancelled"
    STATES = [
        (WAITING, _("waiting")),
        (SENDING, _("being sent")),
        (DELIVERED, _("delivered")),
        (DEAD, _("given up")),
        (CANCELLED, _("cancelled")),
    ]
    OPEN = (WAITING, SENDING)

    id = models.CharField(primary_key=True, max_length=40)
    rule = models.CharField(max_length=64)
    channel = models.CharField(max_length=10)
    # Whom an e-mail goes to; a webhook's address is the rule's.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    # What later events of the same digest or the same bulk change are added to; empty: to nothing.
    batch = models.CharField(max_length=40, blank=True)
    count = models.PositiveIntegerField(default=0)
    is_test = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=STATES, default=WAITING)
    attempts = models.PositiveIntegerField(default=0)
    # While it is being sent: until when its sender may take; after that another takes over.
    next_attempt_at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"]),
            models.Index(fields=["rule", "user", "batch"]),
            models.Index(fields=["-created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class Line(models.Model):
    """One event in a message; `mark` is that of rule, receiver and change, so that each is told once."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="lines")
    mark = models.CharField(max_length=40, unique=True)
    # None where a message counts more than it lists.
    data: models.JSONField[Any, Any] = models.JSONField(null=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.mark


class Attempt(models.Model):
    """One try to deliver; without an outcome its process ended before it could write one down."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    took_ms = models.PositiveIntegerField(null=True)
    status = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.number}"


class Notice(models.Model):
    """What a user is told in the console; `access` is what the object's access fields were then."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    mark = models.CharField(max_length=40, unique=True)
    rule = models.CharField(max_length=64)
    data: models.JSONField[Any, Any] = models.JSONField(default=dict)
    access: models.JSONField[Any, Any] = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["user", "read_at", "-id"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.mark}"

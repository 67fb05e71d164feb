"""Entries that OpenSearch has not acknowledged yet."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models


class Waiting(models.Model):
    """One entry on its way to the index; its key is the document's id there, so that a repeat is harmless."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    entry: models.JSONField[Any, Any] = models.JSONField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.entry.get('kind')} {self.key}"

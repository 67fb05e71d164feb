"""How far the tail of an index has been read."""

from __future__ import annotations

from django.db import models


class TailCheckpoint(models.Model):
    """The last sequence number of a shard that a reader has dealt with; -1 before the first."""

    reader = models.CharField(max_length=40)
    index = models.CharField(max_length=255)
    shard = models.PositiveIntegerField()
    seq_no = models.BigIntegerField(default=-1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["reader", "index", "shard"]
        constraints = [models.UniqueConstraint(fields=["reader", "index", "shard"], name="one_checkpoint_per_shard")]

    def __str__(self) -> str:
        return f"{self.reader} {self.index}[{self.shard}] {self.seq_no}"

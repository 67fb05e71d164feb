"""What grouping remembers: how far it has read, which incidents wait for company, which figures are out of date."""

from __future__ import annotations

from django.db import models


class TailCheckpoint(models.Model):
    """The last sequence number of a shard that a reader has dealt with; -1 before the first."""

    reader = models.CharField(max_length=40)
    index = models.CharField(max_length=255)
    shard = models.PositiveIntegerField()
    seq_no = models.BigIntegerField(default=-1)
    # Who reads on just now; others leave the shard to him until then. Nothing but time is lost when two do.
    owner = models.CharField(max_length=32, blank=True, default="")
    until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["reader", "index", "shard"]
        constraints = [models.UniqueConstraint(fields=["reader", "index", "shard"], name="one_checkpoint_per_shard")]

    def __str__(self) -> str:
        return f"{self.reader} {self.index}[{self.shard}] {self.seq_no}"


class Waiting(models.Model):
    """An incident of a group that is still smaller than its rule's minimum: nobody sees the group yet."""

    result_id = models.CharField(max_length=40)
    rule = models.CharField(max_length=64)
    incident = models.CharField(max_length=512)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["result_id", "incident"], name="waits_once")]
        indexes = [models.Index(fields=["rule", "at"])]

    def __str__(self) -> str:
        return f"{self.incident} for {self.result_id}"


class StaleGroup(models.Model):
    """A group whose figures are to be worked out anew; a row for each reason, written before the group changes."""

    result_id = models.CharField(max_length=40)
    rule = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.result_id} #{self.pk}"


class Generation(models.Model):
    """The newest generation of a group that was followed by others; those that have one only have no row."""

    base = models.CharField(max_length=36, primary_key=True)
    number = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.base}/{self.number}"

"""What the relational database knows about incidents: custom fields, group numbers, long-running jobs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imweb.incidents.fields import FIELD_NAME, PARAMETERS, TOP_LEVEL_NAMES, FieldDef, custom_field

MAX_OPTIONS = 500


def check_field_name(value: str) -> None:
    """Refuse a name that is no identifier or that is ours."""
    if not FIELD_NAME.fullmatch(value):
        raise ValidationError(_("Use letters, digits and underscores, beginning with a letter; at most 63."))
    if value in TOP_LEVEL_NAMES:
        raise ValidationError(
            _("“%(value)s” is a field of the product itself; choose another name."), params={"value": value}
        )
    if value in PARAMETERS:
        raise ValidationError(
            _("“%(value)s” is a parameter of lists in the API; choose another name."), params={"value": value}
        )


def check_options(value: object) -> None:
    """Refuse options that are not a list of distinct, short, non-empty strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) and 0 < len(item.strip()) <= 256 for item in value):
        raise ValidationError(_("Options are texts of 1 to 256 characters, one a line."))
    if len(value) > MAX_OPTIONS:
        raise ValidationError(_("At most %(limit)s options."), params={"limit": MAX_OPTIONS})
    if len(set(value)) != len(value):
        raise ValidationError(_("Each option stands once."))


class CustomField(models.Model):
    """A field that an administrator defined; removing one hides it and never deletes data."""

    TYPES = [
        ("number", _("Number")),
        ("text", _("Text")),
        ("select", _("One of a list")),
        ("multiselect", _("Several of a list")),
        ("datetime", _("Date and time")),
        ("markdown", _("Markdown (card only)")),
    ]
    FILTERABLE = ("number", "text", "select", "multiselect")

    name = models.CharField(_("field name"), max_length=63, unique=True, validators=[check_field_name])
    label = models.CharField(_("label"), max_length=100)
    type = models.CharField(_("type"), max_length=20, choices=TYPES)
    options = models.JSONField(_("options"), default=list, blank=True, validators=[check_options])
    live_options = models.BooleanField(_("offer the field's most frequent values"), default=False)
    default = models.JSONField(_("default"), null=True, blank=True)
    placeholder = models.CharField(_("placeholder"), max_length=200, blank=True)
    is_filter = models.BooleanField(_("shown as a filter"), default=True)
    is_exclusion = models.BooleanField(_("the filter excludes"), default=False)
    on_card = models.BooleanField(_("shown on the card"), default=True)
    bulk_editable = models.BooleanField(_("editable in bulk"), default=False)
    in_list = models.BooleanField(_("column in the list"), default=False)
    position = models.PositiveIntegerField(_("order"), default=0)
    hidden = models.BooleanField(_("removed"), default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150, blank=True)
    rev = models.PositiveIntegerField(default=1)
    # False while OpenSearch was down when it was saved; beat applies it later.
    mapped = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.label

    @property
    def field(self) -> FieldDef:
        """Return the definition as the registry holds it."""
        return custom_field(self.name, self.type, self.label)


class AggregationNumber(models.Model):
    """The integer of an aggregation result; incidents hold the numbers of their groups (DESIGN: collapse_grouped)."""

    result_id = models.CharField(max_length=512, unique=True)

    def __str__(self) -> str:
        return f"{self.result_id} = {self.pk}"

    @classmethod
    def allocate(cls, result_id: str) -> int:
        """Return the number of an aggregation result, a new one when it has none; numbers are never used again."""
        number, _created = cls.objects.get_or_create(result_id=result_id)
        return int(number.pk)


class Job(models.Model):
    """Work that outlives a request: its state is here alone, Celery only nudges it (DESIGN: Jobs)."""

    STATES = [(s, s) for s in ("preparing", "running", "done", "failed", "cancelled")]

    id = models.CharField(primary_key=True, max_length=40)
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=STATES, default="preparing")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=150)
    params: models.JSONField[Any, Any] = models.JSONField(default=dict)
    result: models.JSONField[Any, Any] = models.JSONField(default=dict)
    total = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    owner = models.CharField(max_length=64, blank=True)
    # What no other unfinished job may work on; the database alone decides between two that begin at once.
    lock = models.CharField(max_length=600, unique=True, null=True, blank=True, default=None)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "heartbeat_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.state})"


class JobChunk(models.Model):
    """A slice of a job's frozen list of (id, revision), and what became of it; written once each."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    items: models.JSONField[Any, Any] = models.JSONField(default=list)
    result: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_chunk_per_number")]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"

"""The shapes of answers and bodies, for the document at /_im/openapi.json and for the tests that hold answers to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]
Instant = Annotated[str, Field(description="ISO 8601", examples=["2026-11-23T08:14:03.120Z"])]


class Answer(BaseModel):
    """A whole answer: nothing else stands in it."""

    model_config = ConfigDict(extra="forbid")


class Fault(BaseModel):
    """One fault of a request."""

    model_config = ConfigDict(extra="allow")

    field: str = Field(description="Where it is, for example `additional_fields[0].value`; empty for the whole.")
    reason: str = Field(description="What to change there.")


class ErrorBody(Answer):
    """What went wrong."""

    type: str
    reason: str = Field(description="Tells a person what to change.")
    details: list[Fault]


class Error(Answer):
    """Every refusal has this shape, which is OpenSearch's."""

    error: ErrorBody
    status: int


class Meta(Answer):
    """What is known about a document beside its fields."""

    id: str
    type: Literal["incident", "aggregation"]
    index: str
    rev: int = Field(ge=0, description="Grows by one with each change, and survives a reindex.")
    created_at: Instant | None
    updated_at: Instant | None
    updated_by: str | None


class Document(BaseModel):
    """An incident or an aggregation result: its fields, and `_meta`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    meta: Meta = Field(alias="_meta")
    timestamp: Instant | None = Field(None, alias="@timestamp")


class PointInTime(Answer):
    """A lease on a point in time."""

    id: str
    pit_id: str = Field(description="The same as `id`.")
    creation_time: int = Field(description="Epoch milliseconds; relative times are fixed to it.")
    keep_alive: str = Field(description="From its last use, for example `5m`.")
    is_show_aggs: bool


class Released(Answer):
    """What became of a lease."""

    id: str
    released: bool = Field(description="Whether it was still alive.")


class Page(Answer):
    """One page of a list."""

    docs: list[Document]
    total_docs: int | None = Field(None, ge=0, description="Exact; only with `with_total_docs`.")
    pit: str | None
    next: str | None = Field(description="Send it as `search_after` for the following page; null at the end.")
    took: int = Field(description="Milliseconds.")


class SeverityCount(Answer):
    """How many documents have a severity."""

    key: str
    label: str
    color: str
    count: int
    incidents: int
    aggregations: int


class Bar(Answer):
    """One bar of the histogram."""

    time: Instant
    counts: dict[str, int]


class Statistics(Answer):
    """Counts by severity."""

    total_docs: int
    severity: list[SeverityCount]
    interval: str | None = None
    histogram: list[Bar] | None = None
    took: int


class FieldListing(BaseModel):
    """The parameters of `GET /_im/incidents` that are no field filters."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    start_time: str | int | None = None
    end_time: str | int | None = None
    time_zone: str | None = None
    pit: str | None = None
    from_: int = Field(0, alias="from", ge=0, le=2**53)
    size: int = Field(1_000, ge=0, le=10_000)
    sort: str | None = Field(None, description="For example `severity:desc`.")
    search_after: str | None = None
    next: str | None = None
    with_total_docs: bool = False


class Tactic(Answer):
    """An ATT&CK tactic."""

    id: str
    shortname: str
    name: str
    url: str


class Technique(Answer):
    """An ATT&CK technique or sub-technique."""

    id: str
    name: str
    url: str
    tactics: list[str]
    parent: str | None


class Mitre(Answer):
    """What an incident's ATT&CK ids stand for."""

    incident_id: str
    attack_version: str
    tactics: list[Tactic]
    techniques: list[Technique]
    unknown: list[str]


class GivenMeta(BaseModel):
    """`_meta` as a body carries it: `id` and `rev` count, the rest of what was read may stand there."""

    model_config = ConfigDict(extra="allow")

    id: str | None = Field(None, description="The same as in the path.")
    rev: int | None = Field(None, ge=0, le=2**53, description="The revision that the change is based on.")


class Changes(BaseModel):
    """The changed fields alone."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    meta: GivenMeta | None = Field(None, alias="_meta")
    title: str | None = None
    description: str | None = None
    severity: str | None = None
    status: str | None = None
    workflow_id: str | None = None
    reviewer: str | None = None
    comment: str | None = None
    resolution: str | None = None
    resolution_note: str | None = None
    duplicate_of: str | None = None


class NewIncident(Changes):
    """An incident to be made."""

    timestamp: str | int | None = Field(None, alias="@timestamp", description="When it happened; now when left out.")
    rule: Json | None = None
    source: str | None = None
    entities: Json | None = None
    mitre: list[str] | None = None
    event: Json | None = Field(None, description="The raw event: stored and shown, not searched field by field.")


class Changed(Answer):
    """What a change did."""

    result: Literal["updated", "noop"]
    meta: Meta = Field(alias="_meta")


class Deleted(Answer):
    """What was deleted; `_meta` as it last was, null when another deleted it in the same moment."""

    result: Literal["deleted"]
    id: str = Field(alias="_id")
    meta: Meta | None = Field(alias="_meta")


class FailedMember(Answer):
    """An incident that a change could not be spread to."""

    id: str
    reason: str


class Spread(Answer):
    """What spreading a change did to the contained incidents."""

    matched: int
    updated: int
    unchanged: int
    conflicted: int
    failed: list[FailedMember]


class ChangedAggregation(Answer):
    """What a change of an aggregation result did."""

    result: Literal["updated", "noop"]
    meta: Meta = Field(alias="_meta")
    sync: Spread | None = None
    task: str | None = Field(None, description="Of a spread: the address to ask at how far it is.")


class SpreadGoesOn(ChangedAggregation):
    """The change is made; spreading it goes on as a task."""


class ResultWithIncidents(Answer):
    """An aggregation result and a page of its incidents."""

    aggregation_result: Document
    incidents: list[Document]
    total_docs: int
    pit: str | None
    next: str | None
    took: int


class Edited(Answer):
    """One field's change."""

    fieldName: str
    oldValue: Any
    newValue: Any


class HistoryEntry(BaseModel):
    """One thing that happened to a document."""

    time: Instant
    objectId: str
    type: str
    user: str
    comment: str | None = None
    edited: list[Edited] | None = None


class BulkItem(BaseModel):
    """What became of one line."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    id: str | None = Field(None, alias="_id")
    status: int
    result: str | None = None
    error: ErrorBody | None = None


class BulkAnswer(Answer):
    """What became of each line, in order."""

    took: int
    errors: bool = Field(description="Whether any line failed.")
    items: list[dict[str, BulkItem]]


class Task(BaseModel):
    """How far a task is."""

    model_config = ConfigDict(extra="allow")

    id: str
    state: str

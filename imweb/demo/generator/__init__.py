"""Believable incidents, groups and history for demonstrations, tests and benchmarks; the same for the same plan."""

from .population import ASSET_TAGS, SITES
from .writer import MAX_DAYS, MAX_INCIDENTS, Body, Plan, Targets, Writer

__all__ = ["ASSET_TAGS", "MAX_DAYS", "MAX_INCIDENTS", "SITES", "Body", "Plan", "Targets", "Writer"]

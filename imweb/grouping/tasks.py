"""Celery's tasks of grouping; they may be lost, run twice or die half-way, the next one goes on where they stood."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="grouping.run", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def run_grouping() -> None:
    """Group what was written since the last run."""
    from imweb.grouping import engine

    engine.run(seconds=60)

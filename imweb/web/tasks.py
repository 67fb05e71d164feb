"""Celery's tasks of the pages; they may be lost or run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="settings.move", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def begin_moves() -> None:
    """Begin the moves of incidents that waited for OpenSearch."""
    from imweb.web.settings_pages import moving

    moving.begin_waiting()

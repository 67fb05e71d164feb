"""Celery's task for the trail; it may be lost or run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="audit.ship", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def ship() -> None:
    """Move waiting entries into the index."""
    from imweb.audit import trail

    trail.try_ship()

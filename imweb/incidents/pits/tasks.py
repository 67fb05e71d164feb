"""Beat's task for the points in time; settings.CELERY_BEAT_SCHEDULE says how often."""

from __future__ import annotations

from celery import shared_task

from imweb.incidents.pits import sweeper


@shared_task(name="pits.sweep", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def sweep() -> None:
    """Close what nobody holds and renew what somebody holds."""
    sweeper.sweep()

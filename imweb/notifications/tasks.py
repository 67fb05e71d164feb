"""Celery's tasks of notifications; they may be lost or run twice, the outbox knows what is done."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

# What was delivered is kept so long: a history that is read once more finds it there, and nothing is told twice.
KEPT = timedelta(days=30)


@shared_task(name="notifications.follow", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def follow() -> None:
    """Put what is new in the history into the outbox, and have sent what is due."""
    from imweb.notifications import delivering, following

    following.follow()
    for rule in delivering.due():
        deliver.apply_async((rule,), retry=False, expires=60)


@shared_task(name="notifications.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
def deliver(rule: str) -> None:
    """Send what one rule has to send."""
    from imweb.notifications import delivering

    delivering.run(rule)


@shared_task(name="notifications.tidy", ignore_result=True)  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Drop what is long done: deliveries after thirty days, given-up and notices after ninety."""
    from django.utils import timezone

    from imweb.notifications.models import Delivery, Notice

    now = timezone.now()
    Delivery.objects.filter(state__in=("delivered", "cancelled"), finished_at__lt=now - KEPT).delete()
    Delivery.objects.filter(state="dead", finished_at__lt=now - 3 * KEPT).delete()
    Notice.objects.filter(created_at__lt=now - 3 * KEPT).delete()

"""Celery's tasks for incidents; they may be lost or run twice, the rows and the documents know what is done."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="jobs.run", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def run_job(job_id: str) -> None:
    """Run one job to its end."""
    from imweb.incidents import jobs

    jobs.run(job_id)


@shared_task(name="jobs.resume", ignore_result=True)  # type: ignore[untyped-decorator]
def resume_jobs() -> None:
    """Nudge the jobs whose process is gone."""
    from imweb.incidents import jobs

    jobs.resume()


@shared_task(name="history.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep_history() -> None:
    """Copy the history entries that a dead process left in their documents."""
    from imweb.incidents import history

    history.sweep()


@shared_task(name="fields.apply", ignore_result=True)  # type: ignore[untyped-decorator]
def apply_custom_fields() -> None:
    """Map the custom fields that were saved while OpenSearch was down."""
    from imweb.incidents.models import CustomField
    from imweb.incidents.setup import apply_custom_fields as apply

    if CustomField.objects.filter(mapped=False).exists():
        apply()


@shared_task(name="access.mark", ignore_result=True)  # type: ignore[untyped-decorator]
def mark_groups() -> None:
    """Mark the groups of before with the access fields in which their incidents agree."""
    from imweb.incidents import declaring

    declaring.mark_groups()

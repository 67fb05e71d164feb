"""Long work that survives tab, web process, worker and Redis (DESIGN: Changing things, Jobs)."""

from imweb.incidents.jobs.runner import resume, run
from imweb.incidents.jobs.service import Recent, bulk_matching, recent, undo, undo_with_settings
from imweb.incidents.jobs.store import Task, faults, get_task, stop

__all__ = [
    "Recent",
    "Task",
    "bulk_matching",
    "faults",
    "get_task",
    "recent",
    "resume",
    "run",
    "stop",
    "undo",
    "undo_with_settings",
]

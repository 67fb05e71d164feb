"""What administrators shape: named settings objects with revisions, a record of every change, undo and defaults.

A domain describes its objects once as a `Kind` (severity levels, workflows, grouping rules, …); reading, saving with a
check of the whole set, reordering, undoing and telling two administrators apart is the same for all of them.
"""

from imweb.configuration.kinds import Kind

__all__ = ["Kind"]

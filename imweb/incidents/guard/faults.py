"""A fault in a search query: where it stands and what to change."""


class Fault(Exception):
    """Raised inside the guard for one clause; collected, so that all faults of a query are told at once."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


class TooBig(Fault):
    """A bound of the whole query is passed: nothing more is looked at."""

"""The errors a caller can act on; both faces, JSON and HTML, render them, nothing else is shown to anybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Detail:
    """One fault of a request: the field it is in, and what to change there."""

    field: str
    reason: str
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the detail as the API shows it."""
        return {"field": self.field, "reason": self.reason, **self.extra}


class ImError(Exception):
    """Base of all errors shown to a caller; `reason` tells a person what to change."""

    type: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, reason: str, details: Iterable[Detail] = (), *, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = list(details)
        self.headers = headers or {}

    def as_json(self) -> dict[str, Any]:
        """Return the error in OpenSearch's shape (CONTRACT: For every call)."""
        return {
            "error": {"type": self.type, "reason": self.reason, "details": [d.as_json() for d in self.details]},
            "status": self.status,
        }


class ValidationFailed(ImError):
    """The request is not understood; every fault stands in `details`."""

    type = "validation_error"
    status = 400

    @classmethod
    def of(cls, details: Iterable[Detail]) -> ValidationFailed:
        """Build the error from its faults, saying them all in one sentence."""
        faults = list(details)
        return cls("; ".join(f"{d.field}: {d.reason}" if d.field else d.reason for d in faults[:5]), faults)

    @classmethod
    def field(cls, name: str, reason: str) -> ValidationFailed:
        """Build the error from one fault."""
        return cls.of([Detail(name, reason)])


class QueryRejected(ImError):
    """A search clause that is not allowed, or that OpenSearch refused."""

    type = "query_rejected"
    status = 400


class AuthenticationRequired(ImError):
    """Nobody is signed in and no valid token was sent."""

    type = "authentication_required"
    status = 401


class PermissionDenied(ImError):
    """The user lacks the permission that this needs."""

    type = "permission_denied"
    status = 403


class NotFound(ImError):
    """No such thing, or none that this user may know of."""

    type = "not_found"
    status = 404


class MethodNotAllowed(ImError):
    """The path exists, the method does not."""

    type = "method_not_allowed"
    status = 405


class VersionConflict(ImError):
    """Somebody else changed the same thing meanwhile; `details` carry who, when and both values."""

    type = "version_conflict"
    status = 409


class PitExpired(ImError):
    """The point in time is over; a new one is needed."""

    type = "pit_expired"
    status = 410


class PayloadTooLarge(ImError):
    """The body or the number of items is over the limit."""

    type = "payload_too_large"
    status = 413


class UnsupportedMediaType(ImError):
    """The body is of a kind that this endpoint does not read."""

    type = "unsupported_media_type"
    status = 415


class TooManyPits(ImError):
    """No further point in time can be opened for now."""

    type = "too_many_pits"
    status = 429

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        super().__init__(reason, headers={"Retry-After": str(retry_after)})
        self.retry_after = retry_after


class SearchUnavailable(ImError):
    """OpenSearch cannot be reached or answered only in part."""

    type = "search_unavailable"
    status = 503


class SearchTimeout(ImError):
    """OpenSearch did not finish within the time limit."""

    type = "search_timeout"
    status = 504

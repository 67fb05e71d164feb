"""Turn what OpenSearch and its client raise into the errors that callers can act on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opensearchpy import exceptions as client_errors

from imweb.errors import (
    Detail,
    ImError,
    NotFound,
    PitExpired,
    QueryRejected,
    SearchTimeout,
    SearchUnavailable,
    TooManyPits,
    VersionConflict,
)

# Sentences that several faults share.
UNREACHABLE = "OpenSearch cannot be reached just now; nothing was changed. Try again in a moment."
BUSY = "OpenSearch is overloaded just now; nothing was changed. Try again in a moment."
PIT_OVER = "This point in time is over. Request a new one and go on from the same place."
PARTIAL = "OpenSearch answered only for a part of the data, so no answer is given. Try again in a moment."
TIMED_OUT = "The search took longer than the time limit. Narrow the time range or the filters."
UNANSWERED = "OpenSearch did not answer in time; it hangs or is overloaded. Try again in a moment."
FOREIGN = "What answers at OPENSEARCH_URL is not OpenSearch, or something in between answers for it."
NOT_SET_UP = "The incident indices are missing. An administrator creates them with `manage.py bootstrap`."

_PIT_GONE = {"search_context_missing_exception"}
_BAD_QUERY = {
    "parsing_exception",
    "x_content_parse_exception",
    "query_shard_exception",
    "illegal_argument_exception",
    "number_format_exception",
    "parse_exception",
    "too_many_clauses",
    "too_many_nested_clauses",
    "json_parse_exception",
    "input_coercion_exception",
    "too_complex_to_determinize_exception",
}


def causes(info: Any) -> Iterator[dict[str, Any]]:
    """Yield every error object in an answer, the innermost cause last."""
    if isinstance(info, list):
        for item in info:
            yield from causes(item)
    elif isinstance(info, dict):
        if "type" in info and ("reason" in info or "caused_by" in info):
            yield info
        for name in ("error", "failures", "failed_shards", "root_cause", "reason", "caused_by"):
            if isinstance(info.get(name), dict | list):
                yield from causes(info[name])


def classify(info: Any, status: int) -> ImError:
    """Return our error for an error answer, by the type of its causes and not by its status alone."""
    found = list(causes(info))
    types = {str(cause["type"]) for cause in found}
    reasons = " ".join(str(cause.get("reason", "")) for cause in found)
    if types & _PIT_GONE or "Point In Time id" in reasons or "No search context found" in reasons:
        return PitExpired(PIT_OVER)
    if "too many point in time" in reasons.lower() or "search.max_open_pit_context" in reasons:
        return TooManyPits("OpenSearch has reached its limit of open points in time. Try again in a few seconds.")
    if types & {"index_not_found_exception", "alias_not_found_exception"}:
        return SearchUnavailable(NOT_SET_UP)
    if "version_conflict_engine_exception" in types:
        return VersionConflict("Somebody else changed this meanwhile.")
    if types & {"timeout_exception", "task_cancelled_exception", "search_timeout_exception"}:
        return SearchTimeout(TIMED_OUT)
    if status == 429 or types & {"rejected_execution_exception", "circuit_breaking_exception"}:
        return SearchUnavailable(BUSY, headers={"Retry-After": "5"})
    if status == 404:
        return NotFound("There is no such document.")
    if status in (401, 403):
        return SearchUnavailable("OpenSearch refuses this application's account. An administrator must check its role.")
    if types & _BAD_QUERY or status == 400:
        reason = next((str(c["reason"]) for c in reversed(found) if c.get("reason")), "OpenSearch refused it")
        return QueryRejected(f"OpenSearch rejected the query: {reason}", [Detail("search_query", reason)])
    return SearchUnavailable(PARTIAL if status == 200 else BUSY)


def translate(error: client_errors.OpenSearchException) -> ImError:
    """Return our error for whatever the client raised."""
    if isinstance(error, client_errors.ConnectionTimeout):
        # A search that is slow ends by its own limit, which is shorter than the client's.
        return SearchTimeout(UNANSWERED)
    if isinstance(error, client_errors.ConnectionError):
        return SearchUnavailable(UNREACHABLE)
    if isinstance(error, client_errors.SerializationError):
        return SearchUnavailable(FOREIGN)
    if isinstance(error, client_errors.TransportError) and isinstance(error.status_code, int):
        return classify(error.info, error.status_code)
    return SearchUnavailable(UNREACHABLE)


def check_complete(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a search answer that covers everything asked for; anything less is an error, never a page."""
    shards = answer.get("_shards", {})
    if answer.get("timed_out"):
        raise SearchTimeout(TIMED_OUT)
    if shards.get("failures") or shards.get("failed"):
        raise classify(shards.get("failures", []), 200)
    return answer

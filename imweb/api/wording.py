"""What the OpenAPI document says in words: parameters, errors, the introduction; each sentence stands here once."""

from __future__ import annotations

from typing import Any

ABOUT = """\
Reads and changes incidents and aggregation results (groups of incidents) in OpenSearch.

**Signing in.** Send `Authorization: Bearer <token>`, or use the session of a browser that is signed in, then with the
page's CSRF token in `X-CSRFToken` for every call that is not a GET.

**Paths** work with and without a trailing slash. **GET and DELETE** take a JSON body; where a client or proxy drops
it, scalar parameters may stand in the query string, and `incidents_full_types` takes POST.

**Unknown parameters** are refused, and one given twice with different values too, so that a typo never widens a search.
All faults of a request are reported together, each with the field it is in.

**Times** are ISO 8601, epoch milliseconds, or date math such as `now-1d/d`, rounded in `time_zone`. With a point in
time they are fixed to its creation, so that page 7 sees the same window as page 1.
"""

TAGS = {
    "Point in time": "Freeze the data for paging, and give the freeze back.",
    "Lists": "Find, page and count.",
    "Incidents": "Read, create, change and delete; history and ATT&CK.",
    "Aggregation results": "Groups of incidents: read them, change them, spread the change to their incidents.",
    "Many at once": "Bulk changes and long-running work.",
    "About": "This description.",
}

PARAMETERS = {
    "pit": "A point in time from `GET /_im/incidents/pit`; each use renews it.",
    "from": "How many documents to skip; any depth.",
    "size": "How many documents to return.",
    "search_query": "One query clause of OpenSearch's DSL, as a JSON text or as an object. Clauses that run scripts or "
    "read other indices are refused.",
    "query_string": "The search bar's language: `severity:critical and not reviewer:*`.",
    "additional_fields": "Filters on single fields.",
    "start_time": "Where the time range begins, included.",
    "end_time": "Where the time range ends, included.",
    "is_show_aggs": "`false` leaves aggregation results out. Left out, it is what the point in time was opened for.",
    "collapse_grouped": "Leaves out incidents that belong to an aggregation result which the whole query matches.",
    "time_zone": "An IANA name such as `Europe/Warsaw`, for rounding, local times and bars; the user's by default.",
    "with_total_docs": "Also returns `total_docs`, exactly.",
    "sort": 'One field and its direction, `[{"severity": "desc"}]`; in an address `severity:desc`. Severity sorts by '
    "rank.",
    "search_after": "The `next` of the answer before.",
    "next": "The same as `search_after`.",
    "interval": "Adds a histogram: `auto`, or a width such as `1h` or `1d`.",
    "id": "An incident's id.",
    "incident_aggregation_id": "The id of the aggregation that the results belong to.",
    "incident_aggregation_result_id": "The id of one aggregation result.",
    "sync": "`true` also gives status, workflow_id, severity, comment and reviewer of the body (and resolution with "
    "its status) to the contained incidents.",
    "task": "A task's id, the last part of the address in a 202 answer.",
    "name": "The field.",
    "value": "number: a number, or a range such as `>=5` or `5..10`; text: the whole value, `*` and `?` are wildcards; "
    "select: exactly this text; multiselect: a list, any of which is meant.",
    "exclude": "Leaves out what matches.",
}

EXAMPLE_IDS = {
    "id": "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5",
    "incident_aggregation_id": "brute-force-by-host",
    "incident_aggregation_result_id": "a0c5b3a2-8a5e-5f0e-9a52-0b7a4f1f6d11",
    "task": "j5f1c2a90",
}

LINES = """\
NDJSON, up to 10,000 items: `{"update": {"_id": "…"}}` and then the changed fields, bare or in `{"doc": {…}}`; or lines
of `{"_meta": {"id": "…"}, …}` alone; or `{"create": {"_id": "…"}}` and then the incident. A bad line fails alone.
"""

IDEMPOTENCY_KEY = """\
A name of your own for this very request, 1 to 128 characters of ASCII without blanks. When the same lines come again
under it, what was done is not done again, and what was lost is done; other lines are another request.
"""

ANSWERS = {200: "Done.", 201: "Created.", 202: "Accepted: it goes on in the background."}

# Status → type, reason, details of the example.
ERRORS: dict[int, tuple[str, str, list[dict[str, Any]]]] = {
    400: (
        "validation_error",
        "The request is not understood, or (query_rejected) its search clause is not allowed; details name each fault.",
        [{"field": "size", "reason": "10000 or less"}],
    ),
    401: ("authentication_required", "Nobody is signed in and no valid token was sent.", []),
    403: ("permission_denied", "The caller lacks the permission, or the CSRF token of a session is missing.", []),
    404: ("not_found", "There is no such thing, or none that the caller may know of.", []),
    409: (
        "version_conflict",
        "Somebody else changed the same field meanwhile, or the id exists; details say who, when and both values.",
        [
            {
                "field": "status",
                "reason": "boris changed it meanwhile",
                "user": "boris",
                "time": "2026-11-23T09:02:11.004Z",
            }
        ],
    ),
    410: ("pit_expired", "The point in time is over; request a new one and go on from the same place.", []),
    413: ("payload_too_large", "The body or the number of items is over the limit.", []),
    415: (
        "unsupported_media_type",
        "The body is not announced as JSON in UTF-8.",
        [{"field": "Content-Type", "reason": "application/json"}],
    ),
    429: ("too_many_pits", "No further point in time can be opened for now; try again after Retry-After seconds.", []),
    503: ("search_unavailable", "OpenSearch cannot be reached, or answered only in part.", []),
    504: ("search_timeout", "OpenSearch did not finish within the time limit.", []),
}

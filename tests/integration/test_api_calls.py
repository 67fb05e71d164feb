"""What every call of the API has in common: addresses, sign-in, errors, bodies."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.models import ApiToken, User
from imweb.api import routes
from tests.api_client import Api, api_for

pytestmark = [pytest.mark.django_db, pytest.mark.relational]


@pytest.fixture
def api(indices: None, analyst: User) -> Api:
    return api_for(analyst)


def test_every_address_states_its_permission() -> None:
    """Deny by default: nothing below /_im/ is reachable without an operation that names a known permission."""

    def walk(resolver: URLResolver, prefix: str = "") -> list[tuple[str, URLPattern]]:
        found = []
        for entry in resolver.url_patterns:
            here = prefix + str(entry.pattern)
            found += walk(entry, here) if isinstance(entry, URLResolver) else [(here, entry)]
        return found

    patterns = [(address, entry) for address, entry in walk(get_resolver()) if address.startswith("_im/")]
    assert len(patterns) == len(routes.by_path()) + 1
    for address, entry in patterns[:-1]:
        operations = entry.callback.operations
        assert operations, address
        for operation in operations:
            assert operation.permission in permissions.ALL, (address, operation.method)


@pytest.mark.parametrize("operation", [o for o in routes.OPERATIONS if not o.page], ids=lambda o: o.id)
def test_nobody_gets_in_without_signing_in(indices: None, operation: Any) -> None:
    path = operation.path.replace("{", "").replace("}", "")
    answer = Api(Client()).call(operation.method, path, {})
    assert answer.status == 401
    assert answer.error["type"] == "authentication_required"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", routes.OPERATIONS, ids=lambda o: o.id)
def test_nobody_gets_in_without_the_permission(indices: None, operation: Any) -> None:
    nobody = User.objects.create_user("nobody", password="nobody-password")
    path = operation.path.replace("{", "").replace("}", "")
    answer = api_for(nobody).call(operation.method, path, {})
    assert answer.status == 403
    assert answer.error["type"] == "permission_denied"
    assert operation.permission in answer.error["reason"]


@pytest.mark.parametrize("path", ["", "nothing", "incidents/a/b/c", "incidents//", "../admin", "incidents/a%2Fb/x"])
def test_an_unknown_address_is_404_in_json(api: Api, path: str) -> None:
    answer = api.call("GET", path)
    assert answer.status == 404
    assert answer.error == {
        "type": "not_found",
        "reason": "There is nothing at this address; /_im/openapi.json lists what there is.",
        "details": [],
    }


def test_the_root_without_its_slash_is_the_apis_too(api: Api) -> None:
    assert api.client.get("/_im").json()["error"]["type"] == "not_found"


@pytest.mark.parametrize("path", ["incidents_full_types", "incidents/pit", "incidents", "incidents_full_types/"])
def test_a_path_works_with_and_without_its_slash(api: Api, path: str) -> None:
    assert api.call("GET", path.rstrip("/")).status == 200
    assert api.call("GET", path.rstrip("/") + "/").status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "incidents_full_types", "GET, HEAD, POST"),
        ("GET", "incidents_full_types/stats/severity", "POST"),
        ("POST", "incidents/pit", "DELETE, GET"),
        ("HEAD", "incidents/pit", "DELETE, GET"),
        ("OPTIONS", "incidents/pit", "DELETE, GET"),
        ("TRACE", "incidents_full_types", "GET, HEAD, POST"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.call(method, path)
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert answer.error["type"] == "method_not_allowed"
        assert allowed in answer.error["reason"]


def test_head_answers_as_get_without_its_body(api: Api) -> None:
    answer = api.client.head("/_im/incidents_full_types", headers=api.headers)
    assert (answer.status_code, answer.content) == (200, b"")


class TestTokens:
    """A bearer token opens what its owner may, while it is valid."""

    def call(self, secret: str, scheme: str = "Bearer") -> Any:
        return Api(Client(), {"Authorization": f"{scheme} {secret}"}).call("GET", "incidents_full_types")

    def test_it_works_and_needs_no_csrf(self, indices: None, analyst: User) -> None:
        _token, secret = ApiToken.issue(analyst, "script")
        client = Client(enforce_csrf_checks=True)
        answer = Api(client, {"Authorization": f"Bearer {secret}"}).call("POST", "incidents_full_types", {})
        assert answer.status == 200
        assert self.call(secret, "bearer").status == 200

    @pytest.mark.parametrize("secret", ["", "im_", "im_unknown", "other", "im_" + "x" * 5_000, "im_ä"])
    def test_an_unknown_one_is_401(self, indices: None, analyst: User, secret: str) -> None:
        answer = self.call(secret)
        assert (answer.status, answer.error["type"]) == (401, "authentication_required")

    def test_a_bad_one_is_not_made_good_by_a_session(self, indices: None, analyst: User) -> None:
        client = Client()
        client.force_login(analyst)
        assert Api(client).call("GET", "incidents_full_types").status == 200
        assert Api(client, {"Authorization": "Bearer im_no"}).call("GET", "incidents_full_types").status == 401

    def test_an_expired_one_is_401(self, indices: None, analyst: User) -> None:
        token, secret = ApiToken.issue(analyst, "script")
        ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        answer = self.call(secret)
        assert (answer.status, answer.error["reason"]) == (401, "This token has expired; make a new one.")

    def test_a_revoked_one_is_401(self, indices: None, analyst: User) -> None:
        token, secret = ApiToken.issue(analyst, "script")
        ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
        answer = self.call(secret)
        assert (answer.status, answer.error["reason"]) == (401, "This token was revoked.")

    def test_one_of_an_inactive_user_is_401(self, indices: None, analyst: User) -> None:
        _token, secret = ApiToken.issue(analyst, "script")
        User.objects.filter(pk=analyst.pk).update(is_active=False)
        assert self.call(secret).status == 401

    def test_its_permissions_are_narrowed_by_its_scopes(self, indices: None, analyst: User) -> None:
        _token, secret = ApiToken.issue(analyst, "script", scopes=[permissions.COMMENT])
        answer = self.call(secret)
        assert (answer.status, answer.error["type"]) == (403, "permission_denied")

    def test_it_is_stored_hashed_and_its_use_noted_once_a_minute(self, indices: None, analyst: User) -> None:
        token, secret = ApiToken.issue(analyst, "script")
        assert secret not in json.dumps(list(ApiToken.objects.values()), default=str)
        assert token.last_used_at is None
        self.call(secret)
        token.refresh_from_db()
        first = token.last_used_at
        assert first is not None
        self.call(secret)
        token.refresh_from_db()
        assert token.last_used_at == first
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(seconds=61))
        self.call(secret)
        token.refresh_from_db()
        assert token.last_used_at is not None
        assert token.last_used_at > first


class TestSessions:
    """A browser's session works with the page's CSRF token."""

    @pytest.fixture
    def client(self, indices: None, analyst: User) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(analyst)
        return client

    def test_safe_methods_need_no_csrf_token(self, client: Client) -> None:
        assert Api(client).call("GET", "incidents_full_types", {"size": 1}).status == 200

    def test_unsafe_ones_without_it_are_403_in_json(self, client: Client) -> None:
        answer = Api(client).call("POST", "incidents_full_types", {})
        assert (answer.status, answer.error["type"]) == (403, "permission_denied")
        assert "X-CSRFToken" in answer.error["reason"]

    def test_unsafe_ones_with_it_work(self, client: Client) -> None:
        client.cookies["im_csrf"] = "a" * 32
        assert Api(client, {"X-CSRFToken": "a" * 32}).call("POST", "incidents_full_types", {}).status == 200

    def test_a_wrong_one_is_403(self, client: Client) -> None:
        client.cookies["im_csrf"] = "a" * 32
        assert Api(client, {"X-CSRFToken": "b" * 32}).call("POST", "incidents_full_types", {}).status == 403


class TestRequestIds:
    """X-Request-Id stands on every answer and is echoed when sent."""

    @pytest.mark.parametrize("path", ["incidents_full_types", "nothing", "incidents/pit/"])
    def test_it_stands_on_every_answer(self, api: Api, path: str) -> None:
        assert len(api.call("GET", path).headers["X-Request-Id"]) == 32

    def test_it_is_echoed(self, api: Api) -> None:
        api.headers["X-Request-Id"] = "abc-123"
        assert api.call("GET", "incidents_full_types").headers["X-Request-Id"] == "abc-123"

    @pytest.mark.parametrize("sent", ["a b", "x" * 129, "ä"])
    def test_one_that_could_break_a_log_line_is_replaced(self, api: Api, sent: str) -> None:
        api.headers["X-Request-Id"] = sent
        assert api.call("GET", "incidents_full_types").headers["X-Request-Id"] != sent


class TestBodies:
    """A body is a JSON object in UTF-8 within the limit."""

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"{", "is no JSON: EOF while parsing an object in line 1, column 1"),
            (b"[]", "a JSON object"),
            (b'"text"', "a JSON object"),
            (b"null", "a JSON object"),
            (b'{"size": 1} {"size": 2}', "is no JSON: trailing characters in line 1, column 13"),
            (b'{"query_string": "\xff"}', "is not UTF-8 (byte 18)"),
            (b"\xef\xbb\xbf{}", "begins with a byte order mark; leave it out"),
            (b'{"query_string": "\\ud800"}', "is no JSON: unexpected end of hex escape in line 1, column 25"),
            (b'{"from": NaN}', "is no JSON: expected value in line 1, column 10"),
            (b'{"from": 1e999}', "holds a number that is too large"),
            (b'{"search_query": ' + b'{"a":' * 5_000, "is no JSON: recursion limit exceeded in line 1, column 1018"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_what_is_no_object_is_400(self, api: Api, method: str, body: bytes, reason: str) -> None:
        answer = api.send(method, "incidents_full_types", body)
        assert (answer.status, answer.error["type"]) == (400, "validation_error")
        assert answer.error["details"] == [{"field": "", "reason": reason}]

    def test_no_body_is_an_empty_one(self, api: Api) -> None:
        assert api.send("GET", "incidents_full_types", b"").status == 200
        assert api.send("GET", "incidents_full_types", b" \n").status == 200

    @pytest.mark.parametrize(
        "kind",
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/xml",
            "application/json; charset=latin-1",
        ],
    )
    def test_another_kind_is_415_and_says_which(self, api: Api, kind: str) -> None:
        answer = api.send("POST", "incidents_full_types", b'{"size": 1}', kind)
        assert (answer.status, answer.error["type"]) == (415, "unsupported_media_type")
        assert answer.error["details"][0]["field"] == "Content-Type"

    @pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "APPLICATION/JSON", ""])
    def test_json_is_json(self, api: Api, kind: str) -> None:
        assert api.send("POST", "incidents_full_types", b'{"size": 1}', kind).status == 200

    def test_a_compressed_one_is_415(self, api: Api) -> None:
        api.headers["Content-Encoding"] = "gzip"
        answer = api.call("POST", "incidents_full_types", {})
        assert (answer.status, answer.error["details"][0]["field"]) == (415, "Content-Encoding")

    def test_one_over_the_limit_is_413(self, api: Api, settings: Any) -> None:
        settings.IM_MAX_BODY_BYTES = 2 * 1024**2
        at_limit = b'{"query_string": "' + b" " * (2 * 1024**2 - 20) + b'"}'
        assert len(at_limit) == 2 * 1024**2
        assert api.send("POST", "incidents_full_types", at_limit).status == 400
        answer = api.send("POST", "incidents_full_types", at_limit + b" ")
        assert (answer.status, answer.error["type"]) == (413, "payload_too_large")
        assert "2 MB" in answer.error["reason"]

    def test_djangos_own_limits_do_not_get_in_first(self, api: Api) -> None:
        large = b'{"size": 1' + b" " * 3 * 1024**2 + b"}"
        assert api.send("POST", "incidents_full_types", large).status == 200
        answer = api.call("GET", "incidents?" + "&".join(f"reviewer={n}" for n in range(1_001)))
        assert (answer.status, answer.error["details"]) == (
            400,
            [{"field": "reviewer", "reason": "at most 1000 values"}],
        )

    def test_one_without_its_length_is_not_taken_for_none(self, api: Api) -> None:
        answer = api.send("POST", "incidents_full_types", b"", HTTP_TRANSFER_ENCODING="chunked")
        assert (answer.status, answer.error["details"][0]["field"]) == (400, "Content-Length")


class TestParameters:
    """A typo must not silently widen a search."""

    def test_an_unknown_one_is_400_with_the_nearest_name(self, api: Api) -> None:
        answer = api.call("GET", "incidents_full_types", {"additional_field": [], "size": 1})
        assert (answer.status, answer.error["type"]) == (400, "validation_error")
        assert answer.error["details"] == [
            {"field": "additional_field", "reason": "unknown parameter; did you mean 'additional_fields'?"}
        ]

    def test_scalars_may_stand_in_the_query_string(self, api: Api) -> None:
        answer = api.call("GET", "incidents_full_types?size=0&with_total_docs=true&sort=severity:desc&from=3")
        assert answer.status == 200
        assert answer.json["total_docs"] == 0

    @pytest.mark.parametrize(
        ("query", "field", "reason"),
        [
            ("size=ten", "size", "a whole number"),
            ("size=1e3", "size", "a whole number"),
            ("from=-1", "from", "0 or more"),
            ("size=10001", "size", "10000 or less"),
            ("with_total_docs=yes", "with_total_docs", "true or false"),
            ("sort=severity", "sort", "a field and its direction, for example severity:desc"),
            ("sizes=1", "sizes", "unknown parameter; did you mean 'size'?"),
            ("size=1&size=2", "size", "given more than once with different values"),
        ],
    )
    def test_they_are_checked_alike(self, api: Api, query: str, field: str, reason: str) -> None:
        answer = api.call("GET", f"incidents_full_types?{query}")
        assert answer.status == 400
        assert answer.error["details"] == [{"field": field, "reason": reason}]

    def test_one_given_twice_with_the_same_value_is_fine(self, api: Api) -> None:
        same = {"size": 5, "start_time": 1760000000000, "is_show_aggs": False}
        query = "size=5&size=5&start_time=1760000000000&is_show_aggs=false"
        assert api.call("GET", f"incidents_full_types?{query}", same).status == 200

    def test_one_given_twice_with_different_values_is_400(self, api: Api) -> None:
        answer = api.call("GET", "incidents_full_types?size=5&from=0", {"size": 6, "from": 0})
        assert (answer.status, answer.error["details"]) == (
            400,
            [{"field": "size", "reason": "given in the body and in the query string with different values"}],
        )

    def test_all_faults_are_reported_together(self, api: Api) -> None:
        body = {"from": -1, "size": 10**9, "typo": 1, "start_time": "yesterday", "additional_fields": [{"name": "x"}]}
        answer = api.call("GET", "incidents_full_types?size=5&pit=a&pit=b", body)
        assert answer.status == 400
        fields = [detail["field"] for detail in answer.error["details"]]
        assert {"from", "size", "typo", "start_time", "additional_fields[0].type", "pit"} <= set(fields)

    @pytest.mark.parametrize("path", ["incidents_full_types", "incidents", "aggregations/results"])
    def test_a_text_too_long_for_an_address_belongs_into_the_body(self, api: Api, path: str) -> None:
        answer = api.call("GET", f"{path}?search_after={'A' * 8_193}")
        reasons = [fault["reason"] for fault in answer.error["details"]]
        assert answer.status == 400
        assert "at most 8192 characters in an address; send it in the body" in reasons
        answer = api.call("GET", path, {"search_after": "A" * 8_193})
        assert answer.error["details"][0]["reason"] == "the 'next' of an earlier answer, unchanged; this is none"

    def test_a_query_string_that_is_no_utf_8_is_400(self, api: Api) -> None:
        answer = api.call("GET", "incidents_full_types?query_string=%ff")
        assert (answer.status, answer.error["reason"]) == (400, "The query string is not UTF-8.")


def test_a_wrong_host_is_refused_in_json(api: Api) -> None:
    answer = api.send("GET", "incidents_full_types", b"", HTTP_HOST="evil.example")
    assert (answer.status, answer.error["type"]) == (400, "validation_error")


def test_a_browser_that_shows_an_answer_may_load_nothing_for_it(api: Api) -> None:
    for path in ("incidents_full_types", "nothing/at/this/address", "openapi.json"):
        policy = api.call("GET", path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "script-src" not in policy
    page = api.call("GET", "docs").headers["Content-Security-Policy"]
    assert "script-src 'self'" in page


def test_an_answer_is_kept_by_no_cache(api: Api) -> None:
    assert api.call("GET", "incidents_full_types").headers["Cache-Control"] == "no-store"


def test_a_fault_of_ours_is_500_in_json_without_a_trace(api: Api, monkeypatch: Any, caplog: Any) -> None:
    from imweb.incidents import services

    def broken(*_args: Any) -> None:
        raise KeyError("a secret detail")

    monkeypatch.setattr(services, "list_documents", broken)
    answer = api.call("GET", "incidents_full_types")
    assert (answer.status, answer.error["type"]) == (500, "internal_error")
    assert answer.headers["X-Request-Id"] in answer.error["reason"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    logged = [str(record.msg) for record in caplog.records]
    assert any("api_failed" in line and "a secret detail" in line and "Traceback" in line for line in logged), logged


def test_each_call_leaves_a_line_with_user_route_status_and_times(
    api: Api, analyst: User, settings: Any, caplog: Any
) -> None:
    logging.getLogger().setLevel("INFO")
    try:
        api.headers["X-Request-Id"] = "line-1"
        api.call("GET", "incidents_full_types/", {"with_total_docs": True})
    finally:
        logging.getLogger().setLevel(settings.IM_LOG_LEVEL)
    (line,) = [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == "request"]
    assert line["request_id"] == "line-1"
    assert (line["user"], line["route"], line["status"]) == (analyst.pk, "_im/incidents_full_types", 200)
    assert line["ms"] >= line["opensearch_ms"] > 0

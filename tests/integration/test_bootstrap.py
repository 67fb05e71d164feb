"""`manage.py bootstrap`: makes what is missing, again and again, and refuses a server that it cannot work with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from imweb.accounts.models import Role
from imweb.incidents import registry
from imweb.incidents.models import CustomField
from imweb.opensearch import client, gateway, schema
from imweb.opensearch.node import free_port
from tests import services

Serve = Callable[..., None]
ALIASES = (schema.incidents_alias, schema.aggregations_alias, schema.history_alias, schema.audit_alias)
pytestmark = [pytest.mark.django_db, pytest.mark.relational]


def bootstrap() -> str:
    out = io.StringIO()
    call_command("bootstrap", stdout=out)
    return out.getvalue()


def refusal() -> str:
    with pytest.raises(CommandError) as caught:
        bootstrap()
    return str(caught.value)


@pytest.fixture
def nothing(opensearch_server: Any, redis_server: Any) -> Iterator[None]:
    """A server without our indices."""
    services.delete_indices()
    registry.forget()
    yield
    registry.forget()


def test_it_makes_sorted_strict_indices_behind_aliases(nothing: None) -> None:
    out = bootstrap()
    for alias in (alias() for alias in ALIASES):
        assert alias in out
        assert gateway().alias_indices(alias) == [f"{alias}-000001"]
        assert gateway().raw("GET", f"/{alias}/_mapping")[f"{alias}-000001"]["mappings"]["dynamic"] == "strict"
    for alias in schema.document_aliases():
        settings = gateway().raw("GET", f"/{alias}/_settings")[f"{alias}-000001"]["settings"]["index"]
        assert settings["sort"] == {"field": ["@timestamp", "key"], "order": ["desc", "asc"]}
    assert set(Role.objects.values_list("name", flat=True)) >= {"analyst", "lead", "admin"}


def test_fields_are_mapped_alike_in_both_indices(nothing: None) -> None:
    bootstrap()
    incidents, aggregations = (gateway().mapping(alias) for alias in schema.document_aliases())
    assert incidents == aggregations


def test_a_second_run_changes_nothing(nothing: None) -> None:
    bootstrap()
    alias = schema.incidents_alias()
    gateway().index(alias, "i1", {"key": "incident/i1", "@timestamp": "2026-01-01T00:00:00Z"}, refresh="true")
    before = gateway().raw("GET", f"/{services.RUN_ID}*")
    assert "created nothing new; fields mapped: none new; roles: none new." in bootstrap()
    assert gateway().raw("GET", f"/{services.RUN_ID}*") == before
    assert gateway().count({"match_all": {}}, index=alias) == 1


def test_a_field_that_a_newer_version_knows_is_added(nothing: None) -> None:
    body = {"mappings": {"dynamic": "strict", "properties": {"key": {"type": "keyword"}}}}
    for alias in schema.document_aliases():
        schema.ensure_index(alias, body)
    bootstrap()
    assert all("severity" in gateway().mapping(alias) for alias in schema.document_aliases())


def test_a_custom_field_saved_while_the_server_was_away_is_mapped(nothing: None) -> None:
    CustomField.objects.create(name="floor", label="Floor", type="number", mapped=False)
    bootstrap()
    for alias in schema.document_aliases():
        assert gateway().mapping(alias)["floor"] == {"type": "double"}
    assert CustomField.objects.get(name="floor").mapped


@pytest.fixture
def serve(settings: Any) -> Iterator[Serve]:
    """Return a function that puts another product's server at OPENSEARCH_URL."""
    servers: list[HTTPServer] = []

    def start(answer: Any, *, status: int = 200, content_type: str = "application/json") -> None:
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()

        class Foreign(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Foreign)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        point_at(f"http://127.0.0.1:{server.server_port}")

    def point_at(url: str) -> None:
        settings.OPENSEARCH_URL = url
        client.reading.cache_clear()
        client.writing.cache_clear()

    start.point_at = point_at  # type: ignore[attr-defined]
    yield start
    for made in (client.reading(), client.writing()):
        made.close()
    client.reading.cache_clear()
    client.writing.cache_clear()
    for server in servers:
        server.shutdown()
        server.server_close()


ELASTICSEARCH = {
    "name": "es-1",
    "cluster_name": "elasticsearch",
    "version": {"number": "8.15.0", "build_flavor": "default", "lucene_version": "9.11.1"},
    "tagline": "You Know, for Search",
}


def test_elasticsearch_is_refused(serve: Serve) -> None:
    serve(ELASTICSEARCH)
    said = refusal()
    assert "is not OpenSearch: it answers as version 8.15.0 of something else." in said
    assert "Point OPENSEARCH_URL at an OpenSearch 2.19 or newer." in said


@pytest.mark.parametrize("number", ["1.3.20", "2.0.0", "2.9.0", "2.18.0"])
def test_an_older_opensearch_is_refused(serve: Serve, number: str) -> None:
    serve({"version": {"distribution": "opensearch", "number": number}, "tagline": "The OpenSearch Project"})
    assert refusal() == f"OpenSearch {number} is too old: 2.19 or newer is needed. Upgrade the cluster first."


@pytest.mark.parametrize("answer", [{}, [], {"version": "7"}, {"hello": "world"}])
def test_any_other_json_is_refused(serve: Serve, answer: Any) -> None:
    serve(answer)
    assert "is not OpenSearch: it answers as something else." in refusal()


def test_a_web_page_is_refused(serve: Serve) -> None:
    serve("<html>It works!</html>", content_type="text/html")
    assert "is not OpenSearch" in refusal()


def test_an_account_without_rights_is_said(serve: Serve) -> None:
    serve({"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403}, status=403)
    assert "account" in refusal()


def test_a_server_that_does_not_answer_is_said(serve: Serve) -> None:
    serve.point_at(f"http://127.0.0.1:{free_port()}")  # type: ignore[attr-defined]
    assert "cannot be reached" in refusal()

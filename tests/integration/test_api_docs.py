"""The API's description: complete, valid, and a page that works without any other server."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from django.test import Client

from imweb.accounts.models import User
from imweb.api import openapi, routes
from tests.api_client import api_for

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document()


def test_it_is_openapi_3_1_with_every_operation(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path.removeprefix("/_im/"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {(o.method, o.path) for o in routes.OPERATIONS if not (o.page or o.undocumented)}


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_operation_says_all_of_itself(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["security"], where
            assert {"400", "401", "403", "503", "504"} <= set(operation["responses"]), where
            assert any(status.startswith("2") for status in operation["responses"]), where
            for parameter in operation["parameters"]:
                assert parameter["description"], f"{where}: {parameter['name']}"


def test_every_schema_is_one_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        for field, part in schema.get("properties", {}).items():
            assert isinstance(part, dict), f"{name}.{field}"

    def references(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for part in value.values():
                yield from references(part)
        elif isinstance(value, list):
            for part in value:
                yield from references(part)

    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for answer in operation["responses"].values()]
            for media in (content["application/json"] for content in contents if "application/json" in content):
                examples = [item["value"] for item in media.get("examples", {}).values()]
                examples += [media["example"]] if "example" in media else []
                checker = jsonschema_rs.validator_for({**media["schema"], "components": document["components"]})
                for example in examples:
                    assert not list(checker.iter_errors(example)), (path, example)


def test_it_is_served(indices: None, analyst: User, document: dict[str, Any]) -> None:
    assert api_for(analyst).call("GET", "openapi.json").ok() == document


def test_the_page_shows_every_operation_and_needs_no_other_server(indices: None, analyst: User) -> None:
    client = Client()
    client.force_login(analyst)
    answer = client.get("/_im/docs")
    text = answer.content.decode()
    assert answer.status_code == 200
    for operation in routes.OPERATIONS:
        assert operation.page or operation.undocumented or f'id="{operation.id}"' in text
    # Also what the lines of a bulk are, which no table of fields can say.
    assert "lines\nof <code>" in text or "lines of <code>" in text
    assert '<code class="im-code">Idempotency-Key</code><small>header</small>' in text
    assert "//cdn" not in text
    assert " style=" not in text
    assert "<script>" not in text


def test_the_page_sends_a_visitor_to_sign_in(db: None) -> None:
    answer = Client().get("/_im/docs/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/_im/docs/")

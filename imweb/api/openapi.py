"""The OpenAPI 3.1 document, made from the declared operations; nothing in it is written twice."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any, get_args, get_origin

from django.conf import settings
from django.http import HttpResponse
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

import imweb
from imweb.accounts import permissions
from imweb.api import schemas, wording
from imweb.api.encoding import encode
from imweb.api.operations import Call, NoParameters, Operation
from imweb.api.parameters import MAX_IN_ADDRESS

Json = dict[str, Any]
REF = "#/components/schemas/{model}"
SAFE = frozenset({"GET", "HEAD"})
# What every call can meet; an operation names the others.
COMMON_ERRORS = (400, 401, 403, 413, 415, 503, 504)


class _Schemas(GenerateJsonSchema):
    """Pydantic's schemas without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document() -> Json:
    """Return the OpenAPI document; the same for everybody, made once."""
    return _made()[0]


def serve(call: Call) -> HttpResponse:
    """Answer `/_im/openapi.json`."""
    response = HttpResponse(_made()[1], content_type="application/json")
    response["Cache-Control"] = "no-store"
    call.request.im_answered = True  # type: ignore[attr-defined]
    return response


@cache
def _made() -> tuple[Json, bytes]:
    from imweb.api.routes import OPERATIONS

    made = build([operation for operation in OPERATIONS if not (operation.page or operation.undocumented)])
    return made, encode(made)


def build(operations: list[Operation]) -> Json:
    """Return the document of these operations."""
    models = _models(operations)
    paths: Json = {}
    for operation in operations:
        paths.setdefault(f"/_im/{operation.path}", {})[operation.method.lower()] = _operation(operation, models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Incident Manager",
            "version": imweb.__version__,
            "summary": "Triage, assign and close security incidents kept in OpenSearch.",
            "description": wording.ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [{"name": name, "description": text} for name, text in wording.TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {
                name: schema for name, schema in sorted(models["$defs"].items()) if name not in _unused(operations)
            },
            "responses": {_response_name(status): _error(status) for status in sorted(wording.ERRORS)},
            "headers": {
                "X-Request-Id": {
                    "description": "Ties the answer to its line in the log; echoed when sent.",
                    "schema": {"type": "string", "maxLength": 128},
                },
                "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, made on the page API tokens or by `manage.py create_token`.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": settings.SESSION_COOKIE_NAME,
                    "description": "The session of a browser that is signed in.",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRFToken",
                    "description": "With a session, every call that is not a GET proves to come from our own page.",
                },
            },
        },
    }


def _operation(operation: Operation, models: Json) -> Json:
    text = operation.description
    text += f"\n\nPermission: `{operation.permission}` ({permissions.LABELS[operation.permission].lower()})."
    found: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": text.strip(),
        "security": [{"token": []}, {"session": []} if operation.method in SAFE else {"session": [], "csrf": []}],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, models)],
        "responses": _responses(operation),
    }
    if body := _body(operation):
        found["requestBody"] = body
    return found


def _path_parameters(operation: Operation) -> list[Json]:
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": wording.PARAMETERS.get(name, ""),
            # The end of bytes cannot be said in a schema, the end of characters is near enough.
            "schema": {"type": "string", "minLength": 1, "maxLength": 512, "pattern": r"^[^/\x00-\x1f\x7f-\x9f]+$"},
            "example": wording.EXAMPLE_IDS.get(name, "i59eb2be0-1841-11ef-9ffd-ad0f43d0acc5"),
        }
        for name in names
    ]


def _query_parameters(operation: Operation, models: Json) -> list[Json]:
    found: list[Json] = []
    if operation.method in ("GET", "DELETE") or operation.query_only:
        properties = models["$defs"][operation.parameters.__name__].get("properties", {})
        required = models["$defs"][operation.parameters.__name__].get("required", [])
        for name, schema in properties.items():
            if (plain := _scalar(schema)) is None:
                continue
            found.append(
                {
                    "name": name,
                    "in": "query",
                    # The same may stand in the body instead.
                    "required": operation.query_only and name in required,
                    "description": wording.PARAMETERS.get(name, schema.get("description", "")),
                    "schema": plain,
                }
            )
    for name, text in operation.headers.items():
        schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}
        found.append({"name": name, "in": "header", "required": False, "description": text, "schema": schema})
    if operation.open_query:
        found.append(
            {
                "name": "fields",
                "in": "query",
                "required": False,
                "description": operation.open_query,
                "style": "form",
                "explode": True,
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
                "example": {"severity": "high"},
            }
        )
    return found


def _scalar(schema: Json) -> Json | None:
    """Return the schema of a parameter as text in an address, None when only a body can hold it."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") not in ("null", "object")]
    # A moment may be a number in a body; in an address everything is text.
    texts = [kind for kind in kinds if kind.get("type") == "string"] or kinds
    if not texts or texts[0].get("type") in ("array", None):
        return None
    plain = dict(texts[0])
    if plain["type"] == "string" and "enum" not in plain:
        plain["maxLength"] = min(plain.get("maxLength", MAX_IN_ADDRESS), MAX_IN_ADDRESS)
    if schema.get("default") is not None:
        plain["default"] = schema["default"]
    return plain


def _body(operation: Operation) -> Json | None:
    if operation.lines:
        return {
            "required": True,
            "description": wording.LINES,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string", "minLength": 1},
                    "examples": {name: {"value": value} for name, value in operation.examples.items()},
                }
            },
        }
    model = operation.body or operation.parameters
    if operation.query_only and operation.body is None:
        return None
    if model is NoParameters or (operation.open_query and operation.body is None):
        return None
    media: Json = {"schema": {"$ref": REF.format(model=model.__name__)}}
    if operation.examples:
        media["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
    return {"required": operation.body is not None, "content": {"application/json": media}}


def _responses(operation: Operation) -> Json:
    found: Json = {}
    for status, model in operation.answers.items():
        found[str(status)] = {
            "description": wording.ANSWERS.get(status, HTTPStatus(status).phrase),
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        }
        if model is not None:
            media: Json = {"schema": _schema_of(model)}
            if operation.example_answer is not None and status == next(iter(operation.answers)):
                media["example"] = operation.example_answer
            found[str(status)]["content"] = {"application/json": media}
    for status in sorted({*COMMON_ERRORS, *operation.errors}):
        found[str(status)] = {"$ref": f"#/components/responses/{_response_name(status)}"}
    return found


def _error(status: int) -> Json:
    kind, reason, details = wording.ERRORS[status]
    headers: Json = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if status == 429:
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    example = {"error": {"type": kind, "reason": reason, "details": details}, "status": status}
    return {
        "description": reason,
        "headers": headers,
        "content": {"application/json": {"schema": {"$ref": REF.format(model="Error")}, "example": example}},
    }


def _response_name(status: int) -> str:
    return wording.ERRORS[status][0]


def _schema_of(model: Any) -> Json:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {"$ref": REF.format(model=model.__name__)}
    if get_origin(model) is list:
        return {"type": "array", "items": _schema_of(get_args(model)[0])}
    if isinstance(model, tuple):
        return {"anyOf": [_schema_of(part) for part in model]}
    return {"type": "object"}


def _models(operations: list[Operation]) -> Json:
    every: dict[type[BaseModel], None] = {schemas.Error: None}
    for operation in operations:
        every[operation.parameters] = None
        if operation.body is not None:
            every[operation.body] = None
        for model in operation.answers.values():
            every.update(dict.fromkeys(_classes(model)))
    _, made = models_json_schema(
        [(model, "validation") for model in every], ref_template=REF, schema_generator=_Schemas
    )
    for schema in made["$defs"].values():
        for name, part in schema.get("properties", {}).items():
            if "description" not in part and name in wording.PARAMETERS:
                part["description"] = wording.PARAMETERS[name]
    return made


def _classes(model: Any) -> list[type[BaseModel]]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [model]
    if get_origin(model) is list:
        return _classes(get_args(model)[0])
    return [found for part in model for found in _classes(part)] if isinstance(model, tuple) else []


def _unused(operations: list[Operation]) -> set[str]:
    """Return the models that only list parameters of an address, and are no body."""
    bodies = {(operation.body or operation.parameters).__name__ for operation in operations if _body(operation)}
    return {operation.parameters.__name__ for operation in operations} - bodies

"""The API's description: as a document for programs, and as a page of the console for people."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

from imweb.accounts import permissions
from imweb.api import openapi
from imweb.api.operations import Call, Operation

Json = dict[str, Any]
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or a field, as the page lists it."""

    name: str
    where: str
    type: str
    required: bool
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation, as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    rows: list[Row]
    curl: str
    answer: str
    refusals: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of one tag."""

    id: str
    name: str
    text: str
    entries: list[Entry]


def _page(call: Call) -> HttpResponse:
    document = openapi.document()
    address = call.request.build_absolute_uri("/").rstrip("/")
    context = {
        "info": document["info"],
        "about": _html(document["info"]["description"]),
        "groups": groups(document, address),
    }
    call.request.im_answered = True  # type: ignore[attr-defined]
    response = render(call.request, "api/docs.html", context)
    response["Cache-Control"] = "no-store"
    return response


def groups(document: Json, address: str) -> list[Group]:
    """Return an OpenAPI document as the page shows it; `address` is where the examples are sent."""
    found = {
        tag["name"]: Group(tag["name"].lower().replace(" ", "-"), tag["name"], tag["description"], [])
        for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].entries.append(_entry(document, address, method.upper(), path, operation))
    return [group for group in found.values() if group.entries]


def _entry(document: Json, address: str, method: str, path: str, operation: Json) -> Entry:
    parameters = [
        Row(
            item["name"],
            "address" if item["in"] == "query" else item["in"],
            _type(item["schema"]),
            item["required"],
            _default(item["schema"]),
            _html(item["description"]),
        )
        for item in operation["parameters"]
    ]
    body, example, media = _body(document, operation)
    in_body = {row.name for row in body}
    answer: Json = next((r for status, r in operation["responses"].items() if status.startswith("2")), {})
    shown = answer.get("content", {}).get("application/json", {}).get("example")
    return Entry(
        operation["operationId"],
        method,
        path,
        operation["summary"],
        _html(f"{operation['description']}\n\n{operation.get('requestBody', {}).get('description', '')}"),
        # Where both places are open the table of the body says it all.
        [*(row for row in parameters if row.where == "path" or row.name not in in_body), *body],
        _curl(address, method, path, operation, example, media),
        json.dumps(shown, indent=2, ensure_ascii=False) if shown is not None else "",
        [_refusal(document, status, item) for status, item in operation["responses"].items() if "$ref" in item],
    )


def _body(document: Json, operation: Json) -> tuple[list[Row], Any, str]:
    content: Json = operation.get("requestBody", {}).get("content", {})
    if not content:
        return [], None, ""
    media, body = next(iter(content.items()))
    examples = [item["value"] for item in body.get("examples", {}).values()]
    schema = _resolved(document, body["schema"])
    rows = [
        Row(
            name,
            "body",
            _type(part),
            name in schema.get("required", []),
            _default(part),
            _html(part.get("description", "")),
        )
        for name, part in schema.get("properties", {}).items()
    ]
    return rows, examples[0] if examples else None, media


def _curl(address: str, method: str, path: str, operation: Json, example: Any, media: str) -> str:
    for item in operation["parameters"]:
        if item["in"] == "path":
            path = path.replace(f"{{{item['name']}}}", item["example"])
    needed = [item for item in operation["parameters"] if item["in"] == "query" and item["required"]]
    query = "&".join(f"{item['name']}={item['schema'].get('default', 'true')}".lower() for item in needed)
    parts = [f"curl -X {method} {shlex.quote(address + path + ('?' + query if query else ''))}"]
    parts.append('-H "Authorization: Bearer $TOKEN"')
    if example is not None:
        text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
        parts.append(f"-H 'Content-Type: {media}'")
        parts.append(f"--data-binary {shlex.quote(text)}")
    return " \\\n  ".join(parts)


@lru_cache(maxsize=1024)
def _html(text: str) -> str:
    return mark_safe(str(_MARKDOWN.render(text)))  # noqa: S308 - our own words, in which nothing is HTML


def _refusal(document: Json, status: str, item: Json) -> tuple[str, str, str]:
    name = item["$ref"].rsplit("/", 1)[-1]
    return status, name, document["components"]["responses"][name]["description"]


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" in schema:
        found: Json = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _type(schema: Json) -> str:
    kinds = [_one_type(kind) for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind))


def _one_type(schema: Json) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = str(schema.get("type", schema.get("$ref", "any").rsplit("/", 1)[-1]))
    bounds = [str(schema[edge]) for edge in ("minimum", "maximum") if edge in schema and schema[edge] < 2**53]
    return f"{kind} {'…'.join(bounds)}" if len(bounds) == 2 else kind


def _default(schema: Json) -> str:
    default = schema.get("default")
    return "" if default is None else json.dumps(default)


OPERATIONS = [
    Operation(
        method="GET",
        path="openapi.json",
        id="openApiDocument",
        tag="About",
        permission=permissions.VIEW,
        run=openapi.serve,
        summary="This description as an OpenAPI 3.1 document",
        answers={200: dict},
    ),
    Operation(
        method="GET",
        path="docs",
        id="docs",
        tag="About",
        permission=permissions.VIEW,
        run=_page,
        summary="This description as a page",
        page=True,
    ),
]

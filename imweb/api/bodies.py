"""What a request brings: its body within the limit and of the right kind, its query string, both read strictly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from imweb.api.encoding import NoJson, decode
from imweb.errors import Detail, PayloadTooLarge, UnsupportedMediaType, ValidationFailed

JSON_TYPES = frozenset({"application/json", "application/vnd.opensearch+json", "text/json"})
LINE_TYPES = JSON_TYPES | {"application/x-ndjson", "application/ndjson", "application/vnd.opensearch+x-ndjson"}
MAX_PARAMETERS = 10_000


def content(request: HttpRequest, types: Collection[str] = JSON_TYPES) -> bytes:
    """Return the body, empty when there is none; raises `PayloadTooLarge`, `UnsupportedMediaType`."""
    limit = settings.IM_MAX_BODY_BYTES
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise ValidationFailed("The header Content-Length is no number.") from None
    if length > limit:
        raise _too_large(limit)
    try:
        body = request.body if length or "HTTP_TRANSFER_ENCODING" not in request.META else _chunked(request, limit)
    except UnreadablePostError:
        raise ValidationFailed("The body ended before its announced length.") from None
    if body:
        _check_type(request, types)
    return body


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds, an empty one for no body; raises `ValidationFailed`."""
    if not body.strip():
        return {}
    try:
        value = decode(body)
    except NoJson as error:
        raise ValidationFailed(f"The body {error.reason}.", [Detail(error.field, error.reason)]) from None
    if not isinstance(value, dict):
        raise ValidationFailed("The body is a JSON object.", [Detail("", "a JSON object")])
    return value


def query_string(request: HttpRequest) -> dict[str, list[str]]:
    """Return the parameters of the address, each with all its values; raises `ValidationFailed`."""
    raw = request.META.get("QUERY_STRING", "")
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise ValidationFailed("The query string is not UTF-8.") from None
    except ValueError:
        raise ValidationFailed(f"The query string holds more than {MAX_PARAMETERS} parameters.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _check_type(request: HttpRequest, types: Collection[str]) -> None:
    declared = request.META.get("CONTENT_TYPE", "")
    kind, _, parameters = declared.lower().partition(";")
    expected = "application/x-ndjson or application/json" if "application/x-ndjson" in types else "application/json"
    if kind.strip() not in types and kind.strip():
        raise UnsupportedMediaType(
            f"The body is announced as {kind.strip()[:100]}; send the header Content-Type: {expected}.",
            [Detail("Content-Type", expected)],
        )
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(
            f"The body is announced in the character set {charset[:40]}; send UTF-8.", [Detail("Content-Type", "utf-8")]
        )
    coding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(
            f"The body is compressed ({coding[:40]}); send it as it is.", [Detail("Content-Encoding", "identity")]
        )


def _chunked(request: HttpRequest, limit: int) -> bytes:
    """Return a body that comes without its length: Django takes it for none, and a search would silently widen."""
    stream = request.META.get("wsgi.input")
    if stream is None or not request.META.get("wsgi.input_terminated"):
        raise ValidationFailed(
            "The body came without its length; send the header Content-Length.",
            [Detail("Content-Length", "is required")],
        )
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    # Django reads the stream itself otherwise and would find it empty.
    request._body = body
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    shown = f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit} bytes"
    return PayloadTooLarge(f"The body is larger than {shown}; send it in several parts.")

"""The opensearch-py clients of a process: one that may retry reads, one that never sends a request twice."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from opensearchpy import OpenSearch
from opensearchpy.serializer import JSONSerializer
from pydantic_core import from_json


@cache
def reading() -> OpenSearch:
    """Return the client for reads, which a lost connection makes it send again."""
    return _make(max_retries=2, retry_on_timeout=False)


@cache
def writing() -> OpenSearch:
    """Return the client for writes and for opening points in time.

    A retried write may be done twice, and a retried PIT creation leaks one (OpenSearch keeps both).
    """
    return _make(max_retries=0, retry_on_timeout=False)


class _Serializer(JSONSerializer):
    """Reads answers with pydantic's parser, in half the time that the standard library's takes."""

    def loads(self, s: str) -> Any:
        """Return what a JSON text holds; raises the client's `SerializationError`."""
        try:
            return from_json(s, cache_strings="keys")
        except ValueError:
            # Half a surrogate pair, which other applications may have stored, is none for that parser.
            return super().loads(s)


def _make(*, max_retries: int, retry_on_timeout: bool) -> OpenSearch:
    return OpenSearch(
        settings.OPENSEARCH_URL,
        pool_maxsize=settings.OPENSEARCH_POOL_SIZE,
        timeout=settings.OPENSEARCH_TIMEOUT,
        max_retries=max_retries,
        retry_on_timeout=retry_on_timeout,
        retry_on_status=(502, 503) if max_retries else (),
        ca_certs=settings.OPENSEARCH_CA_CERTS,
        http_compress=False,
        serializer=_Serializer(),
    )

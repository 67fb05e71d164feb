"""Errors of pages become pages with a sentence that helps; the `_im` API has its own middleware."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers
from redis.exceptions import RedisError

from imweb.errors import ImError, SearchUnavailable
from imweb.web import errors

log = structlog.get_logger()


class PageCompressionMiddleware(GZipMiddleware):
    """Send pages and fragments compressed; the API's bytes are left to the proxy in front.

    Safe against BREACH: the length is blurred by up to 100 random bytes (Django's "Heal the BREACH"), and the CSRF
    token that stands in a page is masked anew for each answer.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress what is a page."""
        if request.path.startswith(("/_im", "/static/")):
            return response
        return super().process_response(request, response)


class PolicyMiddleware(CSPMiddleware):
    """Give pages the policy of the settings, and data the narrowest that there is: nothing of an answer may load."""

    DATA = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the header."""
        if response.get("Content-Type", "").startswith("application/json"):
            response[HEADER] = self.DATA
            return response
        return super().process_response(request, response)


class PageErrorMiddleware:
    """Render our own errors as pages or fragments, and keep htmx's fragments apart from pages in caches."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        response = self.get_response(request)
        if not request.path.startswith(("/_im", "/static/")):
            patch_vary_headers(response, ["HX-Request"])
            if "Cache-Control" not in response:
                # Pages hold incidents: neither a proxy nor the Back button of a shared machine may keep them.
                response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn an error that a person can act on into a page; anything else is Django's to log."""
        if request.path.startswith("/_im"):
            return None
        if isinstance(exception, RedisError):
            log.error("redis_unavailable", error=str(exception), path=request.path)
            exception = SearchUnavailable("Redis cannot be reached, so this cannot be done now. Try again shortly.")
        if isinstance(exception, ImError):
            return errors.from_im_error(request, exception)
        return None

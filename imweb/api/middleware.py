"""What every answer below `/_im/` has in common: one spelling of its path, and JSON whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from imweb.api import replies
from imweb.errors import ImError, NotFound, PermissionDenied, ValidationFailed

ROOT = "/_im/"
log = structlog.get_logger(__name__)


class ApiMiddleware:
    """Serve a path with and without its trailing slash, and put JSON in the place of what Django itself answers.

    It stands before all the others, so that their refusals (a wrong host, say) pass through it too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve the request."""
        path = request.path_info
        if path == ROOT[:-1]:
            request.path_info = ROOT
        elif not path.startswith(ROOT):
            return self.get_response(request)
        elif path.endswith("/") and path != ROOT:
            # By a redirect the body of a GET or PUT would be lost.
            request.path_info = path[:-1]
        response = self.get_response(request)
        if getattr(request, "im_answered", False) or response.status_code < 400:
            return response
        return self._instead_of(request, response)

    def _instead_of(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code >= 500:
            return replies.unexpected(request)
        error: ImError = ValidationFailed("The request was not understood; check its address and its headers.")
        if response.status_code == 404:
            error = NotFound("There is nothing at this address; /_im/openapi.json lists what there is.")
        elif response.status_code == 403:
            error = PermissionDenied("The request was refused.")
        return replies.failure(request, error)

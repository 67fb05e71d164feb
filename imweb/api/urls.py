"""The addresses below `/_im/`; the middleware has taken a trailing slash off."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from imweb.api import replies, routes
from imweb.api.operations import endpoint
from imweb.errors import NotFound


@csrf_exempt
def nothing_here(request: HttpRequest) -> HttpResponse:
    """Answer for every other address, in JSON like everything here."""
    return replies.failure(
        request, NotFound("There is nothing at this address; /_im/openapi.json lists what there is.")
    )


urlpatterns: list[URLPattern] = [
    path(route.replace("{", "<str:").replace("}", ">"), endpoint(operations), name=operations[0].id)
    for route, operations in routes.by_path().items()
]
urlpatterns.append(re_path(r"", nothing_here))

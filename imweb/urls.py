"""All addresses: health checks, the `_im` API, the pages."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from imweb import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz/live", health.live, name="health-live"),
    path("healthz/ready", health.ready, name="health-ready"),
]
for prefix, module in (("_im/", "imweb.api.urls"), ("", "imweb.web.urls")):
    if find_spec(module):
        urlpatterns.append(path(prefix, include(module)))

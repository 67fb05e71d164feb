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

handler400 = "imweb.web.errors.bad_request"
handler403 = "imweb.web.errors.permission_denied"
handler404 = "imweb.web.errors.page_not_found"
handler500 = "imweb.web.errors.server_error"

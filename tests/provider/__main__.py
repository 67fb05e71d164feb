"""Run the provider: its tables, its users, the one program that it knows, its web server."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from tests.provider import CLIENT_ID, CLIENT_SECRET, PASSWORD
from tests.provider.users import USERS

django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

from django.contrib.auth.models import User  # noqa: E402 - Django has to be set up
from oauth2_provider.models import Application  # noqa: E402

Application.objects.create(
    name="Incident Manager",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    algorithm=Application.RS256_ALGORITHM,
    redirect_uris="http://localhost/login/oidc/back http://testserver/login/oidc/back",
    skip_authorization=True,
)
for name in USERS:
    User.objects.create_user(name, password=PASSWORD)
server = ThreadedWSGIServer(("127.0.0.1", settings.STATED["port"]), WSGIRequestHandler)
server.set_app(get_wsgi_application())
server.serve_forever()

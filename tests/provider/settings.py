"""Django settings of the provider's process."""

from __future__ import annotations

import json
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

STATED = json.loads(os.environ["PROVIDER"])


def new_key() -> str:
    """Return a new RSA key as text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


SECRET_KEY = "of a provider that lives for the length of a test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.provider.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{STATED['folder']}/provider.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGIN_URL = "/login"
# Beside the session of the console, on the same machine.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "provider_session", "provider_csrf"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]
# The tables as they are now, without the way there.
MIGRATION_MODULES = {name.rpartition(".")[2]: None for name in INSTALLED_APPS}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
_PAGE = '<title>Provider</title><form method="post">{% csrf_token %}{{ form }}<button>Go on</button></form>'
_LOADER = ("django.template.loaders.locmem.Loader", {"registration/login.html": _PAGE})
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [_LOADER], "context_processors": ["django.template.context_processors.request"]},
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_RSA_PRIVATE_KEY": new_key(),
    "PKCE_REQUIRED": True,
    # The port of a test's web server is known last (RFC 8252, section 7.3).
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "SCOPES": {"openid": "who you are", "profile": "your name", "email": "your address", "groups": "your groups"},
    "OAUTH2_VALIDATOR_CLASS": "tests.provider.tokens.Validator",
}

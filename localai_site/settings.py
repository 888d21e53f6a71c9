"""All settings of the site, from the environment and `.env` (README has the table)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from localai_site import __version__
from localai_site.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent

environment = Environment(Path(os.environ.get("LOCALAI_ENV_FILE") or BASE_DIR / ".env"))

# LocalAI

VERSION = __version__
MODEL_NAME = environment.text("MODEL_NAME", "openai/gpt-oss-20b") or "openai/gpt-oss-20b"
DEFAULT_MAX_TOKENS = environment.positive_integer("DEFAULT_MAX_TOKENS", 1000)
MAX_CONTEXT_TOKENS = environment.positive_integer("MAX_CONTEXT_TOKENS", 2000)
DEFAULT_REASONING_EFFORT = environment.choice("DEFAULT_REASONING_EFFORT", "low", ["low", "medium", "high"])
MAX_CONCURRENT_GENERATIONS = environment.positive_integer("MAX_CONCURRENT_GENERATIONS", 1)
FIRST_TOKEN_TIMEOUT = environment.positive_integer("FIRST_TOKEN_TIMEOUT", 120)
NEXT_TOKEN_TIMEOUT = environment.positive_integer("NEXT_TOKEN_TIMEOUT", 60)
ENGINE = environment.choice("ENGINE", "vllm", ["vllm", "vllm-server"])
VLLM_SERVER_URL = environment.addresses("VLLM_SERVER_URL", ["http", "https"])
VLLM_SERVER_API_KEY = environment.text("VLLM_SERVER_API_KEY")
VLLM_ENGINE_ARGS = environment.json_object("VLLM_ENGINE_ARGS")
HF_TOKEN = environment.text("HF_TOKEN")
ALLOW_SIGNUP = environment.boolean("ALLOW_SIGNUP", False)
CACHE_FOLDER = Path(environment.text("XDG_CACHE_HOME") or Path.home() / ".cache") / "localai"

if ENGINE == "vllm-server" and not VLLM_SERVER_URL:
    raise ImproperlyConfigured(
        "VLLM_SERVER_URL is not set; ENGINE=vllm-server needs it, such as http://127.0.0.1:8001."
    )
if not re.fullmatch(r"demo|[./~].*|[\w.-]+/[\w.-]+", MODEL_NAME) and ENGINE == "vllm":
    raise ImproperlyConfigured(
        f"MODEL_NAME is {MODEL_NAME!r}; it must be a Hugging Face id such as openai/gpt-oss-20b, "
        "a local path that begins with / or ./, or demo."
    )

# Django

DEBUG = environment.boolean("DEBUG", False)
SECRET_KEY = environment.text("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set; put a long random text into .env, or into a file that SECRET_KEY_FILE names. "
            "One comes from: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    SECRET_KEY = "for-development-only-" + "x" * 40
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")
HTTPS = environment.boolean("HTTPS", False)
MAX_CONVERSATIONS_PER_USER = environment.positive_integer("MAX_CONVERSATIONS_PER_USER", 10_000)
MAX_MESSAGES_PER_USER = environment.positive_integer("MAX_MESSAGES_PER_USER", 200_000)
MAX_SOCKETS_PER_USER = environment.positive_integer("MAX_SOCKETS_PER_USER", 500)
MAX_API_REQUESTS_PER_MINUTE = environment.positive_integer("MAX_API_REQUESTS_PER_MINUTE", 6000)
MAX_STATEMENT_SECONDS = environment.positive_integer("MAX_STATEMENT_SECONDS", 30)
DATA_UPLOAD_MAX_MEMORY_SIZE = environment.positive_integer("MAX_REQUEST_BYTES", 2_621_440)
REDIS_URL = environment.address("REDIS_URL", "", ["redis", "rediss", "unix"])

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "inference",
    "chat",
    "localai_site",
]

MIDDLEWARE = [
    "localai_site.probes.probes",
    "django.middleware.security.SecurityMiddleware",
    "localai_site.static_files.StaticFilesMiddleware",
    "localai_site.compression.CompressionMiddleware",
    "localai_site.policy.PolicyMiddleware",
    "localai_site.browsers.browsers",
    "localai_site.programs.programs",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chat.languages.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "localai_site.urls"
ASGI_APPLICATION = "localai_site.asgi.application"

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
            ],
        },
    }
]

DATABASE_URL = environment.address("DATABASE_URL", "sqlite:///db.sqlite3", ["sqlite", "postgres", "postgresql"])
DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # With these four, 20 concurrent writers see no "database is locked" (measured; the defaults: 1,703 in 6 s).
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
    if not Path(DATABASES["default"]["NAME"]).is_absolute() and DATABASES["default"]["NAME"] != ":memory:":
        DATABASES["default"]["NAME"] = str(BASE_DIR / DATABASES["default"]["NAME"])
DATABASE_FILE = Path(DATABASES["default"]["NAME"]) if DATABASE_URL.startswith("sqlite:///") else None
BACKUP_FOLDER = (DATABASE_FILE.parent if DATABASE_FILE else BASE_DIR) / Path(
    environment.text("BACKUP_FOLDER") or "backups"
).expanduser()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    # The defaults lose what is beyond 100 messages, five seconds of frames, without a word, and who listens for a day.
    else {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 10_000, "expiry": 3600, "group_expiry": 10**9},
    }
}

CACHES = {  # what must not be tried too often is counted here
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "localai",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [  # the first makes new ones; a hash by another is renewed at the next log-in
    "chat.accounts.hashers.SmallArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
REQUIRE_TWO_FACTOR_FOR_STAFF = environment.boolean("REQUIRE_TWO_FACTOR_FOR_STAFF", False)
OTP_TOTP_ISSUER = "LocalAI"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "chat:home"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60

globals().update(environment.mail_server("EMAIL_URL"))
CAN_SEND_EMAIL = bool(environment.text("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM")
if CAN_SEND_EMAIL and not DEFAULT_FROM_EMAIL:
    raise ImproperlyConfigured("EMAIL_FROM is not set; EMAIL_URL needs it, such as localai@example.org.")
if CAN_SEND_EMAIL and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is '*'; with EMAIL_URL it must list the names of the site: "
        "links in letters would lead to whatever name a stranger asks by."
    )

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each as its speakers call it
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = environment.time_zone("TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Security

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
if DEBUG:  # what a page wanted and must not have is then in the log
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["report-uri"] = ["/policy/report/"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = ["^metrics$"]  # asked by the machine itself, without the proxy
    SECURE_HSTS_SECONDS = 31_536_000
    # Other names of the same domain are not ours to decide about, nor is a browser's preload list.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# Logs and metrics

LOG_FORMAT = environment.choice("LOG_FORMAT", "text", ["text", "json"])
LOG_LEVEL = environment.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
METRICS_TOKEN = environment.text("METRICS_TOKEN")
METRICS_NETWORKS = environment.networks("METRICS_NETWORKS", "127.0.0.0/8,::1")
SECRETS, SECRET_FILES = environment.secrets, environment.secret_files
DEFAULT_EXCEPTION_REPORTER_FILTER = "localai_site.reports.ReportFilter"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "localai_site.logs.RequestFilter"},
        "not_readyz": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "/readyz" not in record.getMessage(),
        },
    },
    "formatters": {
        "text": {
            "()": "localai_site.logs.TextFormatter",
            "format": "{asctime} {levelname} {name} [{request_id}]: {message}",
            "style": "{",
        },
        "json": {"()": "localai_site.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["request"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "chat": {"level": LOG_LEVEL},
        "inference": {"level": LOG_LEVEL},
        "localai_site": {"level": LOG_LEVEL},
        # The access log is the site's own: these have whole addresses, and so what somebody searched for.
        "django.channels.server": {"level": "CRITICAL"},
        "httpx": {"level": "WARNING"},
        # Neither e-mails nor a debugging console: both would quote what people sent.
        "django": {"handlers": [], "level": "INFO"},
        # A probe that asks every second until the engine is ready is no error.
        "django.request": {"filters": ["not_readyz"]},
    },
}

"""Django settings. Every variable of the environment that is read here stands in README.md."""

import sqlite3
import sys
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.utils.csp import CSP

from config.env import BASE_DIR, env, refuse_unsafe, secret_key

# --- Where things are ---------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data")))
LOCAL_URL = "http://127.0.0.1:8000"
PUBLIC_URL = env.str("PUBLIC_URL", default=LOCAL_URL).rstrip("/")

# --- Safety -------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = secret_key(DATA_DIR)
refuse_unsafe(debug=DEBUG, secret_key=SECRET_KEY, public_url=PUBLIC_URL)
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [
    *env.list("ALLOWED_HOSTS", default=[]),
    _public.hostname or "localhost",
    "localhost",
    "127.0.0.1",
    "[::1]",
]
# How many proxies stand in front: that entry of X-Forwarded-For, from the right, is the client.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_SSL_REDIRECT = False  # the proxy in front redirects; probes inside speak plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # see SECURE_SSL_REDIRECT above
# Admin pages need more: see config/middleware.py.
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

# --- Rooms, top to bottom (an import goes down only: see pyproject.toml) ------------------------
INSTALLED_APPS = [
    "config",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "config.apps.HouseAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "drills",
    "incidents.insights",
    "incidents.runbooks",
    "incidents.alerts",
    "incidents.reviews",  # before comms: who is told that it is over is told when it is reviewed
    "incidents.comms",
    "incidents.escalation",
    "incidents.notifications",
    "incidents.oncall",
    "incidents.core",
    "incidents.timers",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "config.middleware.SafeAnswers",
    "config.health.Probes",  # before hosts are checked and sessions are read
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.ReadersZone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.csp",
            ]
        },
    }
]

# --- Database -----------------------------------------------------------------------------------
# Which of the three kinds of process this is: web | worker | command. Set by `manage.py up`.
PROCESS = env.str("TOCSIN_PROCESS", default="command")
DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    _options = DATABASES["default"].setdefault("OPTIONS", {})
    # Who vanishes without a farewell must not hold anything for long: neither a client its rows in
    # the server, nor a server that is gone a loop of ours (20 s each at most).
    _session = {
        "lock_timeout": "5s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "15s",
        "client_connection_check_interval": "5s",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15s",
    }
    _options["options"] = " ".join(f"-c {name}={value}" for name, value in _session.items())
    _options |= {"connect_timeout": 3, "tcp_user_timeout": 20_000}  # seconds; milliseconds
    _options |= {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
    _options["prepare_threshold"] = 5  # allows it to incidents.timers.prepared; the ORM never does
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    if PROCESS == "web":
        # Celery's Django fixup closes a whole pool around every task: web processes only.
        # The pool doubles its pause between attempts to come back; after 5 s it begins anew.
        _options["pool"] = {"min_size": 2, "max_size": 20, "timeout": 3, "reconnect_timeout": 5}
    else:
        DATABASES["default"]["CONN_MAX_AGE"] = 60
else:
    # SQLite 3.7.0 to 3.51.2 can corrupt a WAL database that several processes reset at once.
    SQLITE_PATH = Path(env.str("SQLITE_PATH", default=str(DATA_DIR / "tocsin.sqlite3")))
    SQLITE_PATH.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    SQLITE_PATH.touch(mode=0o600)  # what is in it is nobody else's business
    _journal = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "TRUNCATE"
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(SQLITE_PATH),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": f"PRAGMA synchronous=FULL; PRAGMA journal_mode={_journal};",
            },
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker: hints only, never the truth --------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
CELERY_BROKER_URL = REDIS_URL or "memory://"
# Several installations may share one Redis.
REDIS_PREFIX = env.str("REDIS_PREFIX", default="tocsin:")

# --- People -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "incidents.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in [
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
    ]
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"

# --- The ways out -------------------------------------------------------------------------------
SMTP_HOST = env.str("SMTP_HOST", default="")
SMTP_PORT = env.int("SMTP_PORT", default=587)
SMTP_USER = env.str("SMTP_USER", default="")
SMTP_PASSWORD = env.str("SMTP_PASSWORD", default="")
SMTP_STARTTLS = env.bool("SMTP_STARTTLS", default=SMTP_PORT == 587)
SMTP_SSL = env.bool("SMTP_SSL", default=SMTP_PORT == 465)
# Django's own mail; the outbox talks to the server by itself, with the same settings.
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": SMTP_HOST,
            "port": SMTP_PORT,
            "username": SMTP_USER,
            "password": SMTP_PASSWORD,
            "use_tls": SMTP_STARTTLS,
            "use_ssl": SMTP_SSL,
            "timeout": 10,
        },
    }
}
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default=f"Tocsin <tocsin@{_public.hostname}>")
MAIL_DOMAIN = parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
# Where to turn when nobody can be paged: addresses that need no policy, no schedule and no person.
LAST_RESORT = env.list("LAST_RESORT", default=[])
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)
DELIVERY_LEASE = timedelta(seconds=env.float("DELIVERY_LEASE_SECONDS", default=6))
TIMER_LEASE = timedelta(seconds=env.float("TIMER_LEASE_SECONDS", default=5))
PAGE_INTERVAL = timedelta(seconds=env.float("PAGE_INTERVAL_SECONDS", default=60))
DEMO_TRANSPORTS = env.bool("DEMO_TRANSPORTS", default=False)

# --- Whether it is well -------------------------------------------------------------------------
HEARTBEAT_URL = env.str("HEARTBEAT_URL", default="")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- What the public sees -----------------------------------------------------------------------
STATUS_PAGE = env.bool("STATUS_PAGE", default=True)
STATUS_PAGE_TITLE = env.str("STATUS_PAGE_TITLE", default="Status")

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "incidents.core.rest.TokenAuthentication",
        "incidents.core.rest.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["incidents.core.rest.RuledPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["incidents.core.rest.SafeJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "incidents.core.rest.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["incidents.core.rest.Filters"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.problem",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tocsin API",
    "DESCRIPTION": "Incidents, the people who answer them, and what happens by itself.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Severity": "incidents.core.models.Severity",
        "IncidentStatus": "incidents.core.models.Status",
        "Outcome": "incidents.core.models.Incident.Outcome",
        "DataLoss": "incidents.core.models.Incident.DataLoss",
        "MitigationKind": "incidents.core.models.Incident.MitigationKind",
        "TimelineKind": "incidents.core.models.Kind",
        "TeamRole": "incidents.core.models.Role",
        "IncidentRole": "incidents.core.models.IncidentRole",
        "AlertStatus": "incidents.alerts.models.Alert.Status",
        "SourceKind": "incidents.alerts.models.Source.Kind",
        "RotationKind": "incidents.oncall.models.Rotation.Kind",
        "TargetKind": "incidents.escalation.models.LevelTarget.Kind",
        "Audience": "incidents.comms.models.Audience",
        "Occasion": "incidents.comms.models.Occasion",
        "CustomerNoticeState": "incidents.comms.models.CustomerNotice.State",
        "ReviewState": "incidents.reviews.models.ReviewState",
        "ActionItemState": "incidents.reviews.models.ItemState",
        "ActionItemKind": "incidents.reviews.models.ActionItem.Kind",
        "ItemEntryKind": "incidents.reviews.models.ItemEntry.Kind",
        "EscalationState": "incidents.escalation.models.Escalation.State",
        "TimerState": "incidents.timers.models.Timer.State",
        "DeliveryState": "incidents.notifications.models.Delivery.State",
        "AttemptOutcome": "incidents.notifications.models.Attempt.Outcome",
        "Channel": "incidents.notifications.models.Channel",
    },
}

# --- Words, time, files -------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "config.formats"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# Straight out of the packages, looked up once at the start: nothing to collect.
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144  # 256 KiB, as GoAlert: a larger alert is a 413


def _static(path: str) -> Callable[[Any], str]:
    return lambda _request: f"{STATIC_URL}{path}"


UNFOLD = {
    "SITE_TITLE": "Tocsin",
    "SITE_HEADER": "Tocsin",
    "SITE_SUBHEADER": "Incidents and drills",
    "SITE_SYMBOL": "notifications_active",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("tocsin/bell.svg")},
    ],
    "SHOW_HISTORY": False,
    "SITE_URL": "/i/",
    "STYLES": [
        _static("tocsin/house.css"),
        _static("tocsin/cockpit.css"),
        _static("tocsin/pictures.css"),
        _static("tocsin/review.css"),
    ],
    "SCRIPTS": [_static("tocsin/live.js")],
    "DASHBOARD_CALLBACK": "config.cockpit.views.dashboard",
    "SITE_VIEWS": [
        ("cockpit/now/", "cockpit_now", "config.cockpit.views.Now"),
        ("cockpit/charts/", "cockpit_charts", "config.cockpit.views.Charts"),
        ("cockpit/set-up/", "cockpit_set_up", "config.cockpit.views.SettingUp"),
        ("cockpit/trial/", "cockpit_trial", "config.cockpit.views.Trial"),
        ("set-up/", "set_up", "config.cockpit.views.Checklist"),
        ("page-me/", "page_me", "config.cockpit.views.PageMe"),
    ],
    "SIDEBAR": {"navigation": "config.sidebar.navigation"},
    "ACCOUNT": {"navigation": "config.sidebar.account"},
}

# --- Logs ---------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]
_as_text = sys.stderr.isatty() or DEBUG
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer()
                if _as_text
                else structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "apprise": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},  # the in-memory broker has no host, indeed
    },
}
structlog.configure(
    processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

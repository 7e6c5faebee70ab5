"""Settings of every environment. What differs is in local, test and production."""

from pathlib import Path
from typing import Any

from celery.schedules import crontab
from django.templatetags.static import static

from omni.settings import env

BASE_DIR = Path(__file__).resolve().parent.parent.parent
OMNI_STATE_DIR = env.state_dir()
OMNI_BASE_DOMAIN = env.text("OMNI_BASE_DOMAIN", "localhost")
OMNI_PUBLIC_PORT = int(env.text("OMNI_PUBLIC_PORT", "8000") or 0)
OMNI_DATA_DIR = Path(env.text("OMNI_DATA_DIR") or OMNI_STATE_DIR / "data")  # DuckDB files that connections may name
OMNI_TOMBSTONES = Path(env.text("OMNI_TOMBSTONES") or OMNI_STATE_DIR / "tombstones")  # outside of the database
OMNI_ALLOWED_NETWORKS: list[str] = [
    item.strip()
    for name in ("OMNI_ALLOWED_NETWORKS", "OMNI_ALLOWED_SOURCES")  # the second is the name that older set-ups use
    for item in (env.text(name) or "").split(",")
    if item.strip()
]
OMNI_ALLOWED_PROVIDERS: list[str] = [host for host in (env.text("OMNI_ALLOWED_PROVIDERS") or "").split(",") if host]
OMNI_TRUSTED_PROXIES: list[str] = env.networks("OMNI_TRUSTED_PROXIES")
OMNI_SESSION_IDLE_MAX_MIN = env.number("OMNI_SESSION_IDLE_MAX_MIN", 12 * 60)
OMNI_SESSION_MAX_MIN = env.number("OMNI_SESSION_MAX_MIN", 7 * 24 * 60)
OMNI_TOKEN_MAX_DAYS = env.number("OMNI_TOKEN_MAX_DAYS", 366)
OMNI_MULTI_FACTORS: list[str] = [item for item in (env.text("OMNI_MULTI_FACTORS") or "").split(",") if item]
OMNI_CONFIRM_MAX_MIN = env.number("OMNI_CONFIRM_MAX_MIN", 60)
OMNI_TENANT_RUNNING_MAX = env.number("OMNI_TENANT_RUNNING_MAX", 8)
OMNI_WAITING_MAX = env.number("OMNI_WAITING_MAX", 500)
OMNI_BACKGROUND_BEHIND_S = env.number("OMNI_BACKGROUND_BEHIND_S", 60)
OMNI_DOWNLOAD_MAX_ROWS = env.number("OMNI_DOWNLOAD_MAX_ROWS", 5_000_000)
OMNI_DOWNLOAD_MAX_BYTES = env.number("OMNI_DOWNLOAD_MAX_BYTES", 4 * 1024**3)
OMNI_DOWNLOAD_TIMEOUT_S = env.number("OMNI_DOWNLOAD_TIMEOUT_S", 900)
OMNI_LEASE_S = env.number("OMNI_LEASE_S", 30)  # a worker that is silent for so long has lost its run
OMNI_RATES = {
    "sign_in": env.text("OMNI_RATE_SIGN_IN", "60/minute"),
    "person": env.text("OMNI_RATE_PERSON", "30/minute"),
    "failed_token": env.text("OMNI_RATE_FAILED_TOKEN", "30/minute"),
    "recovery": env.text("OMNI_RATE_RECOVERY", "30/minute"),
    "api": env.text("OMNI_RATE_API", "1200/minute"),
    "scim": env.text("OMNI_RATE_SCIM", "600/minute"),
}

DEBUG = False
ALLOWED_HOSTS = [f".{OMNI_BASE_DOMAIN}"]
USE_X_FORWARDED_HOST = False

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "apps.tenants",
    "apps.vault",
    "apps.audit",
    "apps.accounts",
    "apps.access",
    "apps.connections",
    "apps.datamodels",
    "apps.governance",
    "apps.queries",
    "apps.dashboards",
    "apps.support",
    "apps.retention",
    "apps.trust",
    "apps.demo",
]

MIDDLEWARE = [
    "apps.trust.middleware.ResponseHeadersMiddleware",
    "apps.tenants.middleware.ForwardedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.tenants.middleware.TenantMiddleware",
    "apps.accounts.sessions.TenantSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.access.middleware.BearerCsrfMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.access.middleware.ActorMiddleware",
    "apps.access.guards.GuardMiddleware",
    "apps.support.middleware.SupportSessionMiddleware",
    "apps.access.middleware.ViewAsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.access.middleware.SignInRequiredMiddleware",
]

ROOT_URLCONF = "omni.urls.tenant"
TENANT_URLCONF = "omni.urls.tenant"
PLATFORM_URLCONF = "omni.urls.platform"
WSGI_APPLICATION = "omni.wsgi.application"
ASGI_APPLICATION = "omni.asgi.application"

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
                "apps.access.context_processors.actor",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": env.database(env.required("OMNI_DATABASE_URL")),
    "owner": env.database(env.text("OMNI_DATABASE_OWNER_URL") or env.required("OMNI_DATABASE_URL")),
}
OMNI_MASTER_KEY_PREVIOUS = env.text("OMNI_MASTER_KEY_PREVIOUS") or ""  # opens, never seals; while keys are rotated
OMNI_RUNTIME_ROLE = DATABASES["default"]["USER"]
OMNI_REDIS_URL = env.required("OMNI_REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": OMNI_REDIS_URL}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.IdentityBackend"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []
SESSION_ENGINE = "apps.accounts.sessions"
SESSION_COOKIE_NAME = "omni_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "omni_csrf"
CSRF_USE_SESSIONS = False
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # a cookie would outlive the session, and its signature knows no tenant
LOGIN_URL = "/accounts/sign-in/"
LOGIN_REDIRECT_URL = "/"

ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_ONLY = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {"openid_connect": {"OAUTH_PKCE_ENABLED": True}}

ANONYMOUS_USER_NAME = None
SILENCED_SYSTEM_CHECKS = [
    "guardian.W001"
]  # object permissions are asked through apps.access, never through user.has_perm
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
GUARDIAN_USER_OBJ_PERMS_MODEL = "access.GenericUserPermission"
GUARDIAN_GROUP_OBJ_PERMS_MODEL = "access.GenericGroupPermission"

CELERY_BROKER_URL = env.text("OMNI_BROKER_URL") or OMNI_REDIS_URL.replace("unix://", "redis+socket://", 1)
OMNI_IS_WORKER = env.text("OMNI_PROCESS") == "worker"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "omni"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 500  # Celery's own way would sign in to the database anew for every task; see omni.celery
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker for as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 10, "socket_connect_timeout": 2, "retry_on_timeout": False}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_BEAT_SCHEDULE_FILENAME = str(OMNI_STATE_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "purge-expired": {"task": "retention.purge_expired", "schedule": crontab()},
    "finish-rotations": {"task": "retention.finish_rotations", "schedule": crontab()},
    "place-audit-notes": {"task": "audit.place_notes", "schedule": 20.0},
    "look-after-lost-runs": {"task": "queries.look_after_runs", "schedule": OMNI_LEASE_S / 2},
    "put-back-waiting-runs": {"task": "queries.look_after_runs", "schedule": crontab(), "kwargs": {"everything": True}},
    "refresh-schemas": {"task": "connections.refresh_schemas", "schedule": crontab()},
}

OMNI_CACHE_DEFAULT_AGE_S = 6 * 3600  # where no policy of the model says otherwise
OMNI_CACHE_MAX_AGE_S = 24 * 3600  # of a tenant that has chosen no maximum
OMNI_CACHE_CEILING_S = 30 * 24 * 3600  # of every tenant
OMNI_HANDOVER_S = 60  # for answers that nobody keeps, until those who wait have them
OMNI_CACHE_SLOT_S = 3600
OMNI_CACHE_SHORT_SLOT_S = 60  # for what lives no longer than ten of these
OMNI_RUN_LIFETIME_S = 900
OMNI_DOWNLOAD_FETCH_S = 900  # in which a download that nobody keeps can be fetched, after the time its source may take
OMNI_ERASURE_WAIT_DAYS = env.number("OMNI_ERASURE_WAIT_DAYS", 14)  # at least, for a tenant that asks to be erased
OMNI_ERASURE_WAIT_S = 10.0  # in which workers give up the queries of a tenant that is being erased
OMNI_KEY_GRACE_S = 120  # longer than any transaction: what one began under an old key has been written by then

STATIC_URL = "/static/"
MEDIA_URL = (
    "/media/"  # there is none; unset, it would be the prefix that the first request says, and could be STATIC_URL
)
STATIC_ROOT = OMNI_STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static", OMNI_STATE_DIR / "assets"]
(OMNI_STATE_DIR / "assets").mkdir(parents=True, exist_ok=True)

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BLUE = {
    "50": "239 243 255", "100": "224 231 254", "200": "199 211 252", "300": "163 182 248", "400": "121 146 241",
    "500": "85 115 232", "600": "58 90 216", "700": "47 73 181", "800": "42 63 147", "900": "38 56 117", "950": "25 35 71",
}  # fmt: skip
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Omni",
    "SITE_HEADER": "Omni",
    "SITE_SUBHEADER": "Administration",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "COLORS": {"primary": BLUE},
    "SITE_SYMBOL": "shield_person",
    "ENVIRONMENT": "apps.access.sites.environment",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}],
    "SCRIPTS": [lambda request: static("js/administration.js"), lambda request: static("js/drafts.js")],
    "STYLES": [lambda request: static("css/drafts.css")],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}

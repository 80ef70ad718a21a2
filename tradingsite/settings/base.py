"""Django's settings: the laptop's defaults, everything else from the environment."""

from pathlib import Path

from tradingsite import env

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env.load_env_file()

SECRET_KEY = env.secret("SECRET_KEY")
DEBUG = env.flag("DEBUG", default=False)
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "rest_framework_simplejwt",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "pgtrigger",
    "marketdata",
    "mlweights",
    "strategies",
    "risk",
    "execution",
    "tradingsite",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tradingsite.access.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "tradingsite.urls"
ASGI_APPLICATION = "tradingsite.asgi.application"

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
                "csp.context_processors.nonce",
            ],
        },
    },
]

DATABASE = env.database_config(env.database_url())
# The web opens one connection per request; workers keep theirs (a new one costs a walk 10 ms).
DATABASE["CONN_MAX_AGE"] = env.integer("DATABASE_MAX_AGE_SECONDS", 0)
if env.flag("SHORT_DATABASE_TIMEOUTS", default=False):
    DATABASE["OPTIONS"]["options"] = (
        "-c lock_timeout=3s -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s"
    )
# "venue" is the paper venue's own autocommit connection to the same database: what it has
# accepted stays accepted whatever becomes of the caller's transaction.
DATABASES = {
    "default": DATABASE,
    "venue": {**DATABASE, "TEST": {"MIRROR": "default"}},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The durable one: rate budgets and tick streams live there; CACHES may be another server.
REDIS_URL = env.redis_url()

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.redis_live_url(),
        "OPTIONS": {
            # The default serializer is pickle, and the default client waits for ever.
            "serializer": "tradingsite.access.json_values.JsonValues",
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
        },
    }
}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Only a deployment that collects its files needs a folder for them.
STATIC_ROOT = env.text("STATIC_ROOT") or None
# Straight from the folders: a newcomer's desk needs no collectstatic.
WHITENOISE_USE_FINDERS = True

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# What an order's client id is derived from, beside natural keys: two desks never share ids.
DESK_ENVIRONMENT = env.text("PLUMBLINE_ENVIRONMENT", "desk")
# A sandbox has no pages to tell.
LIVE_BROADCAST = env.flag("LIVE_BROADCAST", default=True)

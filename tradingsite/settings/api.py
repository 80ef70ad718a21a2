"""The API: DRF, tokens, schema."""

from datetime import timedelta

from tradingsite import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tradingsite.access.permissions.RolePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "tradingsite.access.paging.DeskPagination",
    "DEFAULT_SCHEMA_CLASS": "tradingsite.api.schema.DeskSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "tradingsite.access.throttling.UserThrottle",
        "tradingsite.access.throttling.AnonymousThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"user": "600/min", "anon": "60/min", "login": "10/min"},
    "EXCEPTION_HANDLER": "tradingsite.access.problems.problem_response",
    "COERCE_DECIMAL_TO_STRING": True,
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": env.secret("JWT_SIGNING_KEY"),
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Plumbline",
    "DESCRIPTION": "The desk's read API, bot control and kill switch.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "TimeframeEnum": "marketdata.models.bars.TIMEFRAMES",
        "TickSideEnum": "marketdata.models.ticks.SIDES",
        "DepthSideEnum": "marketdata.models.ticks.DepthLevel.SIDES",
        "BookSideEnum": "marketdata.models.ticks.BookMessage.SIDES",
        "SignalSideEnum": "strategies.models.signals.Signal.SIDES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

_SELF = "'self'"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [_SELF],
        "script-src": [_SELF],
        "style-src": [_SELF],
        "connect-src": [_SELF],
        "img-src": [_SELF, "data:"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": [_SELF],
        "form-action": [_SELF],
    }
}

"""The framework's own floor: Django with a session, its user and one GET from Redis. Nothing of ours, and no governance.

``python -m tests.bench.bare`` makes its tables, a person who is signed in and one kept text, and prints the session's key;
gunicorn serves ``tests.bench.bare:application`` with as many workers and threads as ours. Where: ``BARE_DATABASE_URL``,
``BARE_REDIS_URL``.
"""

import json
import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

import django
import redis
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from psycopg.conninfo import conninfo_to_dict

KEPT = "bare:answer"
SERVED = "application/json"

if __name__ in ("__main__", "tests.bench.bare") and not settings.configured:
    _place = conninfo_to_dict(os.environ["BARE_DATABASE_URL"])
    settings.configure(
        SECRET_KEY="bare-only",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": _place["dbname"], "USER": _place.get("user", ""),
                "PASSWORD": _place.get("password", ""), "HOST": _place.get("host", ""), "PORT": _place.get("port", ""),
                "CONN_MAX_AGE": None,
            }
        },
    )  # fmt: skip


@cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(os.environ["BARE_REDIS_URL"])


def answer(request: HttpRequest) -> HttpResponse:
    """Give the kept text to whoever is signed in."""
    user: Any = request.user  # type: ignore[attr-defined]  # its own middleware's, not ours
    if not user.is_authenticated:
        return HttpResponse(status=401)
    question = json.loads(request.body)
    kept: Any = _redis().get(question["key"])
    return HttpResponse(kept, content_type=SERVED)


urlpatterns: list[URLPattern] = [path("", answer)]


def _prepare(kept: bytes) -> str:
    """Make tables, a person, a session and the kept text; return the session's key."""
    django.setup()
    call_command("migrate", verbosity=0)
    user, _ = get_user_model().objects.get_or_create(username="eve")
    session = import_module("django.contrib.sessions.backends.db").SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    _redis().set(KEPT, kept)
    return str(session.session_key)


def application(environ: Any, start_response: Any) -> Any:
    """Serve; loaded at the first request of a worker."""
    return _handler()(environ, start_response)


@cache
def _handler() -> WSGIHandler:
    return get_wsgi_application()


if __name__ == "__main__":
    sys.stdout.write(_prepare(sys.stdin.buffer.read()) + "\n")

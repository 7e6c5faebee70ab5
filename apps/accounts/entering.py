"""Begin a session: a new key each time, and in it how the person came in."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts import rates
from apps.accounts.models import IdentityProvider, User
from apps.accounts.sessions import (
    CONFIRMED_KEY,
    PROVIDER_KEY,
    PROVIDER_NAME_KEY,
    RECOVERY_KEY,
    SessionStore,
    arrival_of,
)
from apps.tenants.binding import bound_tenant_id

BACKEND = "apps.accounts.backends.IdentityBackend"
TOO_OFTEN = "You have signed in very often just now. Please wait a minute and try again."


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody came in; without a provider it was by a recovery link. ``confirmed_at`` None is not known."""

    provider: IdentityProvider | None
    confirmed_at: datetime | None = None


def safe_next(request: HttpRequest, target: str | None) -> str:
    """Return the target when it is a path on this host, else the home page."""
    is_safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if target and is_safe and target.startswith("/") else "/"


def enter(request: HttpRequest, user: User, target: str | None, way: Way) -> HttpResponse:
    """Start a fresh session for the person; whatever the browser held before is gone."""
    if retry_s := rates.hit("person", bound_tenant_id(), str(user.pk)):
        response = render(request, "accounts/sign_in_refused.html", {"message": TOO_OFTEN}, status=429)
        response["Retry-After"] = str(retry_s)
        return response
    request.session.flush()
    request.session = SessionStore(None, arrival_of(request))  # allauth replaces the store by one that knows no tenant
    login(request, user, backend=BACKEND)
    if way.provider is None:
        request.session[RECOVERY_KEY] = True
    else:
        request.session[PROVIDER_KEY] = str(way.provider.pk)
        request.session[PROVIDER_NAME_KEY] = way.provider.name
    request.session[CONFIRMED_KEY] = int(way.confirmed_at.timestamp()) if way.confirmed_at else 0
    return HttpResponseRedirect(safe_next(request, target))

"""What django-allauth may do here: build provider applications from the bound tenant's rows, and nothing else."""

from typing import Any

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render

from apps.accounts.models import IdentityProvider
from apps.accounts.selectors import enabled_providers
from apps.accounts.services import opened_secret
from apps.accounts.sessions import rejoin
from apps.network.fetching import checked_session

CANCELLED = "You stopped the sign-in at your identity provider."
FAILED = "The sign-in did not finish. It may have taken too long, or been started in another tab. Please try again."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the base has no types
    """No sign-up, no password, no e-mail confirmation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # the base has no types
    """Applications come from the bound tenant's enabled providers; nothing is stored in allauth's tables."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        apps = [social_app(row) for row in enabled_providers()]
        return [
            app
            for app in apps
            if client_id in (None, app.client_id) and provider in (None, app.provider, app.provider_id)
        ]

    def get_requests_session(self) -> requests.Session:
        """Reach providers where the operator lets customers' addresses lead, and nowhere else."""
        return checked_session(settings.OMNI_ALLOWED_PROVIDERS)

    def on_authentication_error(self, request: HttpRequest, provider: Any, error: Any = None, **kwargs: Any) -> None:
        rejoin(request)
        text = CANCELLED if str(error) == "cancelled" else FAILED
        raise ImmediateHttpResponse(render(request, "accounts/sign_in_refused.html", {"message": text}, status=400))


def social_app(row: IdentityProvider) -> SocialApp:
    """Return the row as allauth's application, unsaved, with its secret opened for this request."""
    if row.is_saml:
        return SocialApp(provider="saml", provider_id=row.slug, name=row.name, client_id=row.slug)
    options = {"server_url": row.issuer, "issuer": row.issuer, "oauth_pkce_enabled": True, "scope": row.scopes.split()}
    return SocialApp(
        provider="openid_connect", provider_id=row.slug, name=row.name, client_id=row.client_id,
        secret=opened_secret(row), settings=options,
    )  # fmt: skip

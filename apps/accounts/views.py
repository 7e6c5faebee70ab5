"""Sign-in and sign-out. No page here takes a secret from a person."""

import secrets
from urllib.parse import urlsplit

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.utils import get_request_param
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from apps.accounts.models import IdentityProvider
from apps.accounts.oidc import Adapter, CallbackView, safe_next

UNREACHABLE = "Your identity provider cannot be reached at the moment. Please try again in a minute."


def _origins(providers: list[IdentityProvider]) -> tuple[str, ...]:
    parts = [urlsplit(provider.issuer) for provider in providers]
    return tuple(sorted({f"{part.scheme}://{part.netloc}" for part in parts}))


@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """Offer the bound tenant's providers."""
    target = safe_next(request, request.GET.get("next"))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    providers = list(IdentityProvider.objects.filter(is_enabled=True).order_by("name"))
    response = render(request, "accounts/sign_in.html", {"providers": providers, "next": target})
    response.csp_form_action = _origins(providers)  # type: ignore[attr-defined]  # read by the header middleware
    return response


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the person to the provider with state, nonce and a PKCE challenge."""
    row = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True)
    nonce = secrets.token_urlsafe(24)
    target = safe_next(request, get_request_param(request, "next"))
    try:
        response: HttpResponse = (
            Adapter(request, row)
            .get_provider()
            .redirect(request, process="login", next_url=target, data={"nonce": nonce}, auth_params={"nonce": nonce})
        )
    except (OAuth2Error, RequestException, ValueError, KeyError):
        return render(request, "accounts/sign_in_refused.html", {"message": UNREACHABLE}, status=502)
    return response


@require_GET
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the provider's answer."""
    row = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True)
    response: HttpResponse = CallbackView.adapter_view(Adapter(request, row))(request)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session and have the browser forget what it kept."""
    logout(request)
    response = HttpResponseRedirect("/accounts/sign-in/")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response

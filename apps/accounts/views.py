"""Sign-in and sign-out. No page here takes a secret from a person."""

import secrets
from urllib.parse import urlsplit

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.utils import get_request_param
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from requests import RequestException

from apps.accounts import recovering
from apps.accounts.entering import Way, enter, safe_next
from apps.accounts.models import IdentityProvider
from apps.accounts.oidc import Adapter, CallbackView
from apps.accounts.sessions import PROVIDER_KEY, RECOVERY_KEY
from apps.tenants.addresses import client_address

UNREACHABLE = "Your identity provider cannot be reached at the moment. Please try again in a minute."


def _origins(providers: list[IdentityProvider]) -> tuple[str, ...]:
    parts = [urlsplit(provider.issuer) for provider in providers]
    return tuple(sorted({f"{part.scheme}://{part.netloc}" for part in parts}))


@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """Offer the bound tenant's providers."""
    target = safe_next(request, request.GET.get("next"))
    if request.user.is_authenticated and not request.session.get(RECOVERY_KEY):
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
    data, params = {"nonce": nonce}, {"nonce": nonce}
    if request.POST.get("confirm") and request.user.is_authenticated:
        data["confirms"] = str(request.user.pk)
        max_age_s = request.tenant.limits.confirm_within_min * 60  # type: ignore[attr-defined]
        params |= {"prompt": "login", "max_age": str(max_age_s)}
    try:
        response: HttpResponse = (
            Adapter(request, row)
            .get_provider()
            .redirect(request, process="login", next_url=target, data=data, auth_params=params)
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


@require_GET
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask the person to prove who they are, at the provider that they came from, and to come back."""
    target = safe_next(request, request.GET.get("next"))
    if not request.user.is_authenticated or request.session.get(RECOVERY_KEY):
        return HttpResponseRedirect(target)
    providers = IdentityProvider.objects.filter(is_enabled=True, issuer=request.user.issuer)
    came_by = request.session.get(PROVIDER_KEY, "")
    found = [provider for provider in providers if str(provider.pk) == came_by] or list(providers)
    response = render(request, "accounts/confirm.html", {"providers": found, "next": target})
    response.csp_form_action = _origins(found)  # type: ignore[attr-defined]  # read by the header middleware
    return response


@require_http_methods(["GET", "POST"])
def recover(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a button; pressing it uses the link up. A browser or a mail scanner that fetches links presses nothing."""
    now = timezone.now()
    if request.method == "GET":
        link = recovering.open_link(secret, now=now)
        if link is None:
            return render(request, "accounts/recovery_over.html", status=404)
        return render(request, "accounts/recover.html", {"link": link})
    address = client_address(request)
    user = recovering.use_link(secret, address=str(address or "unknown"), now=now)
    if user is None:
        return render(request, "accounts/recovery_over.html", status=404)
    return enter(request, user, "/accounts/recovery/", Way(None))


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session and have the browser forget what it kept."""
    logout(request)
    response = HttpResponseRedirect("/accounts/sign-in/")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response

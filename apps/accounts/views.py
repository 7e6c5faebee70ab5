"""Sign-in and sign-out. No page here takes a secret from a person."""

import logging
import secrets
from urllib.parse import urlsplit

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.utils import get_request_param
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from onelogin.saml2.errors import OneLogin_Saml2_Error
from requests import RequestException

from apps.accounts.adapters import FAILED
from apps.accounts.errors import SamlError
from apps.accounts.models import IdentityProvider
from apps.accounts.oidc import Adapter, CallbackView, safe_next
from apps.accounts.saml.library import Provider as SamlProvider
from apps.accounts.selectors import enabled_providers, provider_for

logger = logging.getLogger(__name__)
UNREACHABLE = "Your identity provider cannot be reached at the moment. Please try again in a minute."
UNKNOWN_DOMAIN = "No provider is listed for the part after the @. Choose one below, or ask your administrator."
MAX_EMAIL = 254


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _origins(providers: list[IdentityProvider]) -> tuple[str, ...]:
    return tuple(sorted({_origin(row.sso_url if row.is_saml else row.issuer) for row in providers}))


@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Offer the bound tenant's providers; lead an address to the one that its domain is listed for."""
    target = safe_next(request, get_request_param(request, "next"))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    providers = enabled_providers()
    email, message = request.POST.get("email", "").strip()[:MAX_EMAIL], ""
    if request.method == "POST" and email:
        row = provider_for(email)
        if row is not None:
            return _leave(request, row, target, login_hint=email)
        message = UNKNOWN_DOMAIN
    context = {"providers": providers, "next": target, "email": email, "message": message}
    response = render(request, "accounts/sign_in.html", context)
    response.csp_form_action = _origins(providers)  # type: ignore[attr-defined]  # read by the header middleware
    return response


@require_POST
def start(request: HttpRequest, slug: str, protocol: str) -> HttpResponse:
    """Send the person to the provider."""
    row = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True, protocol=protocol)
    return _leave(request, row, safe_next(request, get_request_param(request, "next")))


def _leave(request: HttpRequest, row: IdentityProvider, target: str, *, login_hint: str = "") -> HttpResponse:
    """Answer with the way to the provider: OpenID Connect with state, nonce and a PKCE challenge, SAML with a request."""
    try:
        if row.is_saml:
            response: HttpResponse = SamlProvider(request, row).redirect(request, process="login", next_url=target)
        else:
            nonce = secrets.token_urlsafe(24)
            asked = {"nonce": nonce} | ({"login_hint": login_hint} if login_hint else {})
            provider = Adapter(request, row).get_provider()
            response = provider.redirect(
                request, process="login", next_url=target, data={"nonce": nonce}, auth_params=asked
            )
    except (OAuth2Error, RequestException, ValueError, KeyError, SamlError, OneLogin_Saml2_Error):
        return render(request, "accounts/sign_in_refused.html", {"message": UNREACHABLE}, status=502)
    if _origin(response["Location"]) in _origins([row]):
        return response
    return _by_page(request, row, response["Location"])


def _by_page(request: HttpRequest, row: IdentityProvider, location: str) -> HttpResponse:
    """Lead on by a page: browsers let a form's redirect go only to origins that the form's page has named."""
    response = render(request, "accounts/leaving.html", {"provider": row, "location": location})
    response["Refresh"] = f"0; url={location}"
    return response


@require_GET
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the OpenID Connect provider's answer."""
    row = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True, protocol=IdentityProvider.Protocol.OIDC)
    try:
        response: HttpResponse = CallbackView.adapter_view(Adapter(request, row))(request)
    except (OAuth2Error, RequestException, AttributeError, KeyError, TypeError, ValueError) as error:
        logger.warning("answer of provider %s has another shape than agreed: %s", row.pk, type(error).__name__)
        return render(request, "accounts/sign_in_refused.html", {"message": FAILED}, status=400)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session and have the browser forget what it kept."""
    logout(request)
    response = HttpResponseRedirect("/accounts/sign-in/")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response

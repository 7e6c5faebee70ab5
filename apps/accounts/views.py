"""Sign-in and sign-out. No page here takes a secret from a person."""

import logging
import secrets
from urllib.parse import urlsplit

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.utils import get_request_param
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from onelogin.saml2.errors import OneLogin_Saml2_Error
from requests import RequestException

from apps.accounts import recovering
from apps.accounts.adapters import FAILED
from apps.accounts.entering import Way, enter, safe_next
from apps.accounts.errors import SamlError
from apps.accounts.models import IdentityProvider, User
from apps.accounts.oidc import Adapter, CallbackView
from apps.accounts.saml.library import Provider as SamlProvider
from apps.accounts.selectors import enabled_providers, provider_for
from apps.accounts.services import PersonActor, end_sessions
from apps.accounts.sessions import PROVIDER_KEY, RECOVERY_KEY, rejoin
from apps.tenants.addresses import client_address

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
    if request.user.is_authenticated and not request.session.get(RECOVERY_KEY):
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
    confirms = str(request.user.pk) if request.POST.get("confirm") and request.user.is_authenticated else ""
    try:
        if row.is_saml:
            data = {"confirms": confirms} if confirms else {}
            response: HttpResponse = SamlProvider(request, row).redirect(
                request, process="login", next_url=target, data=data
            )
        else:
            response = _to_openid(request, row, target, login_hint=login_hint, confirms=confirms)
    except (OAuth2Error, RequestException, ValueError, KeyError, SamlError, OneLogin_Saml2_Error):
        return render(request, "accounts/sign_in_refused.html", {"message": UNREACHABLE}, status=502)
    rejoin(request)
    if _origin(response["Location"]) in _origins([row]):
        return response
    return _by_page(request, row, response["Location"])


def _to_openid(
    request: HttpRequest, row: IdentityProvider, target: str, *, login_hint: str, confirms: str
) -> HttpResponse:
    nonce = secrets.token_urlsafe(24)
    data, asked = {"nonce": nonce}, {"nonce": nonce}
    if login_hint:
        asked["login_hint"] = login_hint
    if confirms:
        data["confirms"] = confirms
        max_age_s = request.tenant.limits.confirm_within_min * 60  # type: ignore[attr-defined]  # bound by the middleware
        asked |= {"prompt": "login", "max_age": str(max_age_s)}
    provider = Adapter(request, row).get_provider()
    response: HttpResponse = provider.redirect(request, process="login", next_url=target, data=data, auth_params=asked)
    return response


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


@require_GET
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask the person to prove who they are, at the provider that they came from, and to come back."""
    target = safe_next(request, request.GET.get("next"))
    if not request.user.is_authenticated or request.session.get(RECOVERY_KEY):
        return HttpResponseRedirect(target)
    providers = [row for row in enabled_providers() if row.identity_issuer == request.user.issuer]
    came_by = request.session.get(PROVIDER_KEY, "")
    found = [provider for provider in providers if str(provider.pk) == came_by] or providers
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
    """End the session and have the browser forget what it kept; of our staff all sessions end, and visits with them."""
    user = request.user
    logout(request)
    if isinstance(user, User) and request.tenant.is_platform:  # type: ignore[attr-defined]  # bound by the middleware
        end_sessions(user, by=PersonActor(user), now=timezone.now())
    response = HttpResponseRedirect("/accounts/sign-in/")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response

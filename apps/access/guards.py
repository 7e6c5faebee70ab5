"""Turn requests away before any view: from the wrong network, out of a recovery's bounds, or too many."""

import hashlib
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import timezone

from apps.access.middleware import bearer
from apps.access.problems import problem
from apps.access.selectors import anonymous
from apps.access.types import Actor
from apps.accounts import rates
from apps.accounts.models import ApiToken, ScimToken, UserSession
from apps.accounts.outside import record_refusal
from apps.accounts.sessions import SessionStore, arrival_of
from apps.tenants.addresses import admits, client_address, counted_as
from apps.tenants.types import TenantRef

API, SCIM, RECOVER, RECOVERY_HOME = "/api/", "/scim/", "/accounts/recover/", "/accounts/recovery/"
SIGN_IN = ("/accounts/oidc/", "/accounts/saml/")
BY_ADDRESS = "/accounts/sign-in/"
"""a page to look at; a form that is sent leads to a provider"""
IN_RECOVERY = (
    RECOVERY_HOME, "/accounts/sign-in/", "/accounts/sign-out/", "/accounts/oidc/", "/accounts/saml/", "/admin/accounts/identityprovider/",
    "/admin/accounts/user/", "/admin/accounts/usergroup/", "/admin/accounts/attributedefinition/",
    "/admin/tenants/signinsettings/", "/admin/autocomplete/", "/admin/jsi18n/",
)  # fmt: skip
"""all that a recovery link leads to: setting up sign-in and letting people in"""
WRONG_NETWORK = "This address is not among those from which {tenant} may be reached."
TOO_OFTEN = "Too many requests. Try again in {retry_s} seconds."
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class GuardMiddleware:
    """Three checks; none needs a statement to let somebody pass, and none lets in anybody whom another would refuse."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal = outside_networks(request) or outside_recovery(request) or too_often(request)
        if refusal is not None:
            return refusal
        return guessing(request, self.get_response(request))


def outside_networks(request: HttpRequest) -> HttpResponse | None:
    """Refuse who does not come from the tenant's networks, signed in or not. A recovery link works from everywhere, for nobody known."""
    tenant, actor = _tenant(request), _actor(request)
    limits = tenant.limits
    if request.path.startswith(SCIM):
        networks = limits.networks_scim
    elif request.path.startswith(API) and bearer(request):
        networks = limits.networks_tokens
    elif actor.kind == "recovery":
        return None
    else:
        networks = limits.networks_people
    address = client_address(request)
    if admits(networks, address):
        return None
    note_refusal(request, str(address or ""))
    be_nobody(request)
    if request.path.startswith(RECOVER):
        return None
    detail = WRONG_NETWORK.format(tenant=tenant.name)
    return _refuse(request, 403, "Forbidden", detail, "access/wrong_network.html")


def note_refusal(request: HttpRequest, address: str) -> None:
    """Have it written down when a valid session or token came from outside; of what opens nothing there is nothing to say."""
    actor, now = _actor(request), timezone.now()
    if actor.token_id is not None:
        kind = ScimToken if actor.kind == "scim" else ApiToken
        record_refusal(kind, actor.token_id, address=address, by=actor, now=now)
    elif not bearer(request) and not request.path.startswith(SCIM) and (session := request.session.row_id):  # type: ignore[attr-defined]  # of our own kind of session
        record_refusal(UserSession, session, address=address, by=actor, now=now)


def be_nobody(request: HttpRequest) -> None:
    """Take the person and the session out of a request: its answer names nobody, and changes nothing of the session.

    The browser keeps its key: whoever comes back into the network goes on.
    """
    request.actor = anonymous(_tenant(request).id)  # type: ignore[attr-defined]  # bound by the middleware
    request.user = AnonymousUser()
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    request.session = SessionStore(None, arrival_of(request))


def outside_recovery(request: HttpRequest) -> HttpResponse | None:
    """Keep who came by a recovery link to what it is for; everything else does not exist for them."""
    if _actor(request).kind != "recovery" or request.path == "/admin/" or request.path.startswith(IN_RECOVERY):
        return None
    if request.path == "/" and request.method == "GET":
        return HttpResponseRedirect(RECOVERY_HOME)
    return response_for_exception(request, Http404())


def too_often(request: HttpRequest) -> HttpResponse | None:
    """Count sign-ins per address, SCIM per token, and the API per person, each within its tenant."""
    tenant, actor = _tenant(request), _actor(request)
    retry_s = 0
    if request.path.startswith(SIGN_IN) or (request.path == BY_ADDRESS and request.method == "POST"):
        retry_s = rates.hit("sign_in", tenant.id, counted_as(client_address(request)))
    elif request.path.startswith(SCIM):
        token = bearer(request)
        subject = hashlib.sha256(token.encode()).hexdigest() if token else counted_as(client_address(request))
        retry_s = rates.hit("scim", tenant.id, subject)
    elif request.path.startswith(API) and actor.user_id is not None:
        retry_s = rates.hit("api", tenant.id, str(actor.user_id))
    return _slow_down(request, retry_s) if retry_s else None


def guessing(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Count refused tokens, and recovery links that open nothing, per address and each for itself.

    What is valid is never refused for what others tried before it, and nobody's sign-in is.
    """
    is_link = response.status_code == 404 and request.path.startswith(RECOVER)
    is_token = response.status_code == 401 and request.path.startswith((API, SCIM)) and bearer(request) is not None
    if not is_link and not is_token:
        return response
    what: rates.What = "recovery" if is_link else "failed_token"
    retry_s = rates.hit(what, _tenant(request).id, counted_as(client_address(request)))
    return _slow_down(request, retry_s) if retry_s else response


def _slow_down(request: HttpRequest, retry_s: int) -> HttpResponse:
    detail = TOO_OFTEN.format(retry_s=retry_s)
    response = _refuse(request, 429, "Too many requests", detail, "access/too_often.html")
    response["Retry-After"] = str(retry_s)
    return response


def _refuse(request: HttpRequest, status: int, title: str, detail: str, template: str) -> HttpResponse:
    """Answer in the form that the caller reads: SCIM's error, a problem document (RFC 9457), or a page."""
    if request.path.startswith(SCIM):
        body = {"schemas": [SCIM_ERROR], "status": str(status), "detail": detail}
        return JsonResponse(body, status=status, content_type="application/scim+json")
    if request.path.startswith(API):
        return problem(status, title, detail)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=status, headers={"HX-Refresh": "true"})
    return render(request, template, {"detail": detail, "address": client_address(request)}, status=status)


def _tenant(request: HttpRequest) -> TenantRef:
    tenant: TenantRef = request.tenant  # type: ignore[attr-defined]  # bound by the middleware
    return tenant


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # bound by the middleware
    return actor

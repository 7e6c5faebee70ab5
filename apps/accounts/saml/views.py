"""The two steps in which an answer arrives.

Browsers send no session cookie along with a form that another site makes them post. So the first step checks the
answer and keeps what it says under a cookie of its own, as allauth does (but what was verified, not what was posted, and sealed),
and the second, a plain GET, has the session again and looks whether this browser asked.
"""

import json
import logging
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.socialaccount.sessions import LoginSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.adapters import FAILED
from apps.accounts.confirming import check_confirmation
from apps.accounts.entering import Way, enter
from apps.accounts.errors import SamlError, SignInError
from apps.accounts.models import IdentityProvider
from apps.accounts.saml.assertions import Assertion, read_answer
from apps.accounts.saml.claims import claims_of, methods_of
from apps.accounts.saml.library import Provider
from apps.accounts.saml.services import refuse, spend
from apps.accounts.selectors import domains_of
from apps.accounts.services import sign_in_from_claims
from apps.accounts.sessions import rejoin, session_digest
from apps.vault.errors import VaultError
from apps.vault.services import open_sealed, seal

logger = logging.getLogger(__name__)
KEEP_S = 120
TABLE, COLUMN = "accounts_usersession", "session_data"
ANSWER_KEY = "saml_answer"
"""in what is kept between the two steps; a person's session, which is a row of the same table, has no such key"""
UNASKED = "Nobody here asked your identity provider for this. Start at the sign-in page."


TIMES = ("expires_at", "authenticated_at")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser asked for: where to go on, and whose fresh sign-in it is to be."""

    target: str
    confirms: str | None = None


@csrf_exempt
@require_POST
def acs(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the provider's answer from any browser; nothing unverified is kept."""
    row = _row(slug)
    now = timezone.now()
    try:
        assertion = read_answer(request, row, request.POST.get("SAMLResponse", ""), now=now)
        if assertion.request_id is None and not row.allows_unsolicited:
            refuse(row, "unsolicited", now=now)
            raise SamlError("unsolicited", UNASKED)
        spend(assertion, provider=row, now=now)
    except SamlError as error:
        logger.warning("SAML answer for provider %s refused: %s", row.pk, error.code)
        return refused(request, error, status=400)
    return _keep(request, row, assertion, request.POST.get("RelayState", ""))


@require_GET
def finish(request: HttpRequest, slug: str) -> HttpResponse:
    """See that this browser asked, and sign the person in."""
    row = _row(slug)
    held = _taken(request, row)
    asked = _asked(request, row, held) if held else None
    if held is None or asked is None:
        return refused(request, SamlError("no_state", FAILED), status=400)
    assertion, now = _read(held["assertion"]), timezone.now()
    claims, confirmed_at = claims_of(assertion, row, domains_of(row)), assertion.authenticated_at
    try:
        user = sign_in_from_claims(provider=row, claims=claims, amr=methods_of(assertion), now=now)
        check_confirmation(request, asked.confirms, str(user.pk), confirmed_at, now=now)
    except SignInError as error:
        return refused(request, error, status=403)
    response = enter(request, user, asked.target, Way(row, confirmed_at))
    response.delete_cookie(_cookie())
    return response


def refused(request: HttpRequest, error: SignInError, *, status: int) -> HttpResponse:
    """Say why, with the code that helps an administrator."""
    return render(
        request, "accounts/sign_in_refused.html", {"message": error.message, "code": error.code}, status=status
    )


def _row(slug: str) -> IdentityProvider:
    return get_object_or_404(IdentityProvider, slug=slug, is_enabled=True, protocol=IdentityProvider.Protocol.SAML)


def _cookie() -> str:
    return ("__Host-" if settings.SESSION_COOKIE_SECURE else "") + "omni_saml"


def _keep(request: HttpRequest, row: IdentityProvider, assertion: Assertion, relay_state: str) -> HttpResponse:
    said = {name: getattr(assertion, name) for name in assertion.__dataclass_fields__}
    said |= {name: said[name] and said[name].isoformat() for name in TIMES}
    answer = json.dumps({"provider": row.mark, "assertion": said, "relay_state": relay_state[:500]}).encode()
    response = HttpResponseRedirect(reverse("accounts:saml_finish", args=[row.slug]))
    request.COOKIES.pop(_cookie(), None)  # a key that the browser brought is never taken over
    kept = LoginSession(request, "saml_session", _cookie())
    kept.store.set_expiry(KEEP_S)
    kept.store.create()  # so that it has a key: what is kept opens in its own row only
    kept.store[ANSWER_KEY] = b64encode(seal(answer, table=TABLE, row=_place(kept), column=COLUMN)).decode()
    kept.save(response)
    for name, value in (("path", "/"), ("httponly", True), ("max-age", KEEP_S)):
        response.cookies[_cookie()][name] = value
    return response


def _taken(request: HttpRequest, row: IdentityProvider) -> dict[str, Any] | None:
    """Return what the first step kept for this browser and provider, once; nothing of what the provider was before a change."""
    kept = LoginSession(request, "saml_session", _cookie())
    sealed: str | None = kept.store.get(ANSWER_KEY)
    if sealed is None:  # nothing, or the key of a session that is none of ours to remove
        return None
    place = _place(kept)
    kept.delete()
    try:
        opened = open_sealed(b64decode(sealed), table=TABLE, row=place, column=COLUMN)
    except VaultError:  # by another key than today's, or of another row
        return None
    held: dict[str, Any] = json.loads(opened)
    return held if held["provider"] == row.mark else None


def _place(kept: LoginSession) -> str:
    """Return what names the row between the two steps: the hash of the key that only the browser has."""
    return session_digest(kept.store.session_key or "").hex()


def _read(said: dict[str, Any]) -> Assertion:
    """Return the assertion as the first step has kept it."""
    return Assertion(**said | {name: said[name] and datetime.fromisoformat(said[name]) for name in TIMES})


def _asked(request: HttpRequest, row: IdentityProvider, held: dict[str, Any]) -> Asked | None:
    """Return what the browser wanted, or None when this browser did not ask for the answer."""
    request_id = held["assertion"]["request_id"]
    if request_id is None:
        return Asked(str(held["relay_state"]) or "/") if row.allows_unsolicited else None
    try:
        state = Provider(request, row).unstash_redirect_state(request, request_id)
    except PermissionDenied:
        return None
    finally:
        rejoin(request)
    return Asked(str(state.get("next") or "/"), (state.get("data") or {}).get("confirms"))

"""OpenID Connect, stricter than the library's default: a nonce, and the ID token's signature checked always.

Rules: OpenID Connect Core 1.0, 3.1.3.7 (ID token validation) and 5.3.2 (userinfo's subject).
"""

from typing import Any

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from apps.accounts.adapters import social_app
from apps.accounts.confirming import check_confirmation, stated_time
from apps.accounts.entering import Way, enter
from apps.accounts.errors import SignInError
from apps.accounts.models import IdentityProvider, is_address
from apps.accounts.services import sign_in_from_claims
from apps.accounts.sessions import rejoin

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
SKEW_S = 60
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
USERINFO = "userinfo_endpoint"


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # the base has no types
    """One provider of the bound tenant, for one request."""

    def __init__(self, request: HttpRequest, row: IdentityProvider) -> None:
        super().__init__(request, row.slug)
        self.row = row
        self.state: dict[str, Any] = {}

    def get_provider(self) -> "Provider":
        return Provider(self.request, app=social_app(self.row), row=self.row)

    @property
    def openid_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().openid_config
        if not isinstance(config, dict) or config.get("issuer") != self.row.issuer:
            raise OAuth2Error("the discovery document names another issuer")
        addresses = [str(config.get(name, "")) for name in (*ENDPOINTS, *({USERINFO} & config.keys()))]
        if not all(is_address(address) for address in addresses):
            raise OAuth2Error("the discovery document lacks an address")
        if not settings.OMNI_IS_LOCAL and not all(address.startswith("https://") for address in addresses):
            raise OAuth2Error("the provider must be reached over TLS")
        return config

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return str(build_absolute_uri(request, reverse("accounts:callback", args=[self.row.slug])))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> None:
        """Check everything, sign the person in, and answer at once: allauth's own accounts are not used."""
        if request.GET.get("iss", self.row.issuer) != self.row.issuer:
            raise OAuth2Error("the answer comes from another issuer")  # RFC 9207
        id_claims = self._id_token_claims(app.client_id, kwargs["response"].get("id_token"))
        userinfo = self._fetch_user_info(token.token) if USERINFO in self.openid_config else {"sub": id_claims["sub"]}
        if not isinstance(userinfo, dict) or userinfo.get("sub") != id_claims["sub"]:
            raise OAuth2Error("userinfo is about somebody else")
        raise ImmediateHttpResponse(
            self._answer(request, _together(userinfo, id_claims), _methods(id_claims), id_claims)
        )

    def _id_token_claims(self, client_id: str, id_token: str | None) -> dict[str, Any]:
        if not id_token:
            raise OAuth2Error("the provider sent no ID token")
        try:
            key, algorithm = self._signing_key(id_token)
            claims: dict[str, Any] = jwt.decode(
                id_token, key=key, algorithms=[algorithm], issuer=self.row.issuer, audience=client_id, leeway=SKEW_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"], "strict_aud": False},
            )  # fmt: skip
        except jwt.PyJWTError:
            raise OAuth2Error("the ID token is not valid") from None
        if claims["nonce"] != self.state.get("nonce"):
            raise OAuth2Error("the ID token belongs to another sign-in")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != client_id:
            raise OAuth2Error("the ID token is for several audiences")
        if claims.get("azp", client_id) != client_id:
            raise OAuth2Error("the ID token was issued to another client")
        return claims

    def _signing_key(self, id_token: str) -> tuple[Any, str]:
        header = jwt.get_unverified_header(id_token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS or "crit" in header:
            raise OAuth2Error("the ID token's algorithm is not allowed")
        with get_adapter().get_requests_session() as session:
            response = session.get(self.openid_config["jwks_uri"])
            response.raise_for_status()
            keys = signing_keys(response.json())
        kid, kind = header.get("kid"), "EC" if algorithm.startswith("ES") else "RSA"
        fitting = [
            key
            for key in keys
            if key["kty"] == kind and key.get("alg", algorithm) == algorithm and (kid is None or key.get("kid") == kid)
        ]
        if len(fitting) != 1:
            raise OAuth2Error("the provider has no such signing key")
        return jwt.PyJWK.from_dict(fitting[0], algorithm=algorithm).key, algorithm

    def _answer(
        self, request: HttpRequest, claims: dict[str, Any], methods: list[str], id_claims: dict[str, Any]
    ) -> HttpResponse:
        now, confirmed_at = timezone.now(), stated_time(id_claims.get("auth_time"))
        try:
            user = sign_in_from_claims(provider=self.row, claims=claims, amr=methods, now=now)
            check_confirmation(request, self.state.get("confirms"), str(user.pk), confirmed_at, now=now)
        except SignInError as error:
            return render(request, "accounts/sign_in_refused.html", {"message": error.message}, status=403)
        return enter(request, user, self.state.get("next"), Way(self.row, confirmed_at))


def _together(userinfo: dict[str, Any], id_claims: dict[str, Any]) -> dict[str, Any]:
    """Return what both say, the ID token first; that an address is verified counts for the address it was said of."""
    claims = userinfo | id_claims
    claims.pop("email_verified", None)
    for said in (userinfo, id_claims):
        if "email_verified" in said and said.get("email") == claims.get("email"):
            claims["email_verified"] = said["email_verified"]
    return claims


def _methods(id_claims: dict[str, Any]) -> list[str]:
    """Return how the person proved who they are: methods (``amr``) and class (``acr``) of the ID token alone."""
    amr, acr = id_claims.get("amr"), id_claims.get("acr")
    methods = [str(method) for method in amr] if isinstance(amr, list) else []
    return [*methods, acr] if isinstance(acr, str) else methods


def signing_keys(document: Any) -> list[dict[str, Any]]:
    """Return the public keys of a key set that may sign; keys for encryption are not among them."""
    keys = document.get("keys", []) if isinstance(document, dict) else []
    return [
        key
        for key in keys
        if isinstance(key, dict)
        and key.get("kty") in ("RSA", "EC")
        and key.get("use", "sig") == "sig"
        and "d" not in key
    ]


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # the base has no types
    """The library's provider, with our adapter."""

    def __init__(self, request: HttpRequest, app: Any, row: IdentityProvider) -> None:
        super().__init__(request, app=app)
        self.row = row

    def get_oauth2_adapter(self, request: HttpRequest) -> Adapter:
        return Adapter(request, self.row)


class CallbackView(OAuth2CallbackView):  # type: ignore[misc]  # the base has no types
    """The library's callback; the state is handed to the adapter, which compares the nonce."""

    adapter: Adapter

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        rejoin(request)
        if state is not None:
            data = state.get("data") or {}
            self.adapter.state = {
                "nonce": data.get("nonce"), "next": state.get("next"), "confirms": data.get("confirms"),
            }  # fmt: skip
        return state, response

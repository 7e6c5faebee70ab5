"""python3-saml and allauth's provider, set up from one row and for the host that was asked."""

from typing import Any
from xml.sax.saxutils import escape

from allauth.socialaccount.providers.saml.provider import SAMLProvider
from allauth.socialaccount.providers.saml.utils import prepare_django_request
from allauth.utils import build_absolute_uri
from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from onelogin.saml2.auth import OneLogin_Saml2_Auth

from apps.accounts.adapters import social_app
from apps.accounts.errors import SamlError
from apps.accounts.models import IdentityProvider
from apps.accounts.saml.metadata import POST, REDIRECT


def acs_url(request: HttpRequest, row: IdentityProvider) -> str:
    """Return where the provider has browsers post its answers (assertion consumer service)."""
    return str(build_absolute_uri(request, reverse("accounts:saml_acs", args=[row.slug])))


def entity_id(request: HttpRequest, row: IdentityProvider) -> str:
    """Return what we call ourselves towards this provider, on this host."""
    return acs_url(request, row).removesuffix("acs/")


def saml_settings(request: HttpRequest, row: IdentityProvider) -> dict[str, Any]:
    """Return the library's settings: strict, assertions signed, nothing weak."""
    return {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": entity_id(request, row),
            "assertionConsumerService": {"url": acs_url(request, row), "binding": POST},
            "NameIDFormat": row.name_id_format,
        },
        "idp": {
            "entityId": row.issuer,
            # the library writes it into XML as it is
            "singleSignOnService": {"url": escape(row.sso_url, {'"': "&quot;"}), "binding": REDIRECT},
            "x509certMulti": {"signing": list(row.certificates)},
        },
        "security": {
            "wantAssertionsSigned": True,
            "wantNameId": True,
            "wantAttributeStatement": False,
            "allowRepeatAttributeName": True,
            "rejectDeprecatedAlgorithm": True,
            "requestedAuthnContext": False,
            "authnRequestsSigned": False,
            "allowSingleLabelDomains": True,
        },
    }


class Auth(OneLogin_Saml2_Auth):  # type: ignore[misc]  # the base has no types
    """The library's door, for one request and one row."""

    def __init__(self, request: HttpRequest, row: IdentityProvider) -> None:
        self.row = row
        self.request_data = prepare_django_request(request)
        super().__init__(self.request_data, saml_settings(request, row))

    def get_sso_url(self) -> str:
        return self.row.sso_url


class Provider(SAMLProvider):  # type: ignore[misc]  # the base has no types
    """allauth's provider, with our settings; the request's id is kept in the browser's session as its state."""

    def __init__(self, request: HttpRequest, row: IdentityProvider) -> None:
        super().__init__(request, app=social_app(row))
        self.row = row

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponseRedirect:
        """Send the person to the provider; one who shall confirm who they are has to sign in there anew (ForceAuthn).

        Raises:
            SamlError: the provider's address is not one to send people to.
        """
        if not settings.OMNI_IS_LOCAL and not self.row.sso_url.startswith("https://"):
            raise SamlError("plain", "The identity provider must be reached over TLS.")
        auth = Auth(request, self.row)
        address = auth.login(return_to="", force_authn=bool((data or {}).get("confirms")))
        self.stash_redirect_state(request, process, next_url, data, state_id=auth.get_last_request_id())
        return HttpResponseRedirect(address)

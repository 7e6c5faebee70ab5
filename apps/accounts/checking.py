"""What a provider answers just now, in words for whoever sets it up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import jwt
import requests
from django.conf import settings
from django.db import transaction

from apps.accounts.errors import ProviderError
from apps.accounts.models import IdentityProvider, is_address
from apps.accounts.oidc import ALGORITHMS, ENDPOINTS, USERINFO, signing_keys
from apps.accounts.saml.metadata import loaded_certificate, plain_certificate
from apps.accounts.services import opened_secret
from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.network.fetching import FetchError, checked_session

SOON_DAYS = 30
DISCOVERY = "/.well-known/openid-configuration"
NO_CODE = "not-a-code"
"""what the token endpoint is asked with: whoever knows the client answers that this code is no good"""


class Level(StrEnum):
    GOOD = "good"
    DOUBT = "doubt"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    text: str


def check_provider(row: IdentityProvider, *, callback: str, by: AuditActor, now: datetime) -> list[Finding]:
    """Ask the provider and return what was found, in order; ``callback`` is our address for its answers."""
    found = list(_saml(row, now) if row.is_saml else _oidc(row, callback))
    is_good = all(finding.level != Level.BAD for finding in found)
    with transaction.atomic():
        record("accounts.provider_checked", row, by=by, now=now, facts={"is_good": is_good})
    return found


def _good(text: str) -> Finding:
    return Finding(Level.GOOD, text)


def _doubt(text: str) -> Finding:
    return Finding(Level.DOUBT, text)


def _bad(text: str) -> Finding:
    return Finding(Level.BAD, text)


def _words(error: requests.RequestException) -> str:
    """Say what went wrong without an address or a library's text."""
    if isinstance(error, FetchError):
        return error.message
    if isinstance(error, requests.exceptions.SSLError):
        return "Its certificate for TLS is not trusted."
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"It answered with status {error.response.status_code}."
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return "It answered with something that is not JSON."
    return "It cannot be reached."


def _fetch(address: str) -> Any:
    with checked_session(settings.OMNI_ALLOWED_PROVIDERS) as session:
        response = session.get(address)
        response.raise_for_status()
        return response.json()


def _oidc(row: IdentityProvider, callback: str) -> Iterator[Finding]:
    if not settings.OMNI_IS_LOCAL and not row.issuer.startswith("https://"):
        yield _bad("The issuer must begin with https://.")
        return
    try:
        config = _fetch(row.issuer.rstrip("/") + DISCOVERY)
    except requests.RequestException as error:
        yield _bad(f"The discovery document of the issuer was not read. {_words(error)}")
        return
    if not isinstance(config, dict):
        yield _bad("The discovery document has another form than it should.")
        return
    yield _good("The discovery document was read.")
    said = str(config.get("issuer", ""))[:200]
    if said != row.issuer:
        yield _bad(f"It calls itself {said!r}, not {row.issuer!r}. Both must be equal to the last character.")
        return
    yield _good("It calls itself as you wrote it.")
    missing = [name for name in ENDPOINTS if not is_address(str(config.get(name, "")))]
    if missing:
        yield _bad(f"It names no usable {' and no '.join(missing)}.")
        return
    plain = [name for name in (*ENDPOINTS, USERINFO) if str(config.get(name, "https://")).startswith("http://")]
    if plain and not settings.OMNI_IS_LOCAL:
        yield _bad(f"These addresses are without TLS: {', '.join(plain)}.")
        return
    yield from _features(row, config)
    yield from _keys(str(config["jwks_uri"]))
    yield from _client(row, config, callback)


def _features(row: IdentityProvider, config: dict[str, Any]) -> Iterator[Finding]:
    signed = [str(name) for name in _listed(config, "id_token_signing_alg_values_supported")]
    if signed and not set(signed) & set(ALGORITHMS):
        yield _bad(f"It signs with {', '.join(signed)}; one of {', '.join(ALGORITHMS)} is needed.")
    elif signed:
        yield _good(f"It signs with {', '.join(name for name in signed if name in ALGORITHMS)}.")
    methods = _listed(config, "code_challenge_methods_supported")
    if "S256" in methods:
        yield _good("It supports PKCE.")
    else:
        yield _doubt("It does not say that it supports PKCE (S256). Sign-in asks for it all the same.")
    scopes = _listed(config, "scopes_supported")
    unknown = [scope for scope in row.scopes.split() if scopes and scope not in scopes]
    if unknown:
        yield _doubt(f"It does not list these scopes, which sign-in asks for: {', '.join(unknown)}.")


def _keys(address: str) -> Iterator[Finding]:
    try:
        keys = signing_keys(_fetch(address))
    except requests.RequestException as error:
        yield _bad(f"Its keys were not read. {_words(error)}")
        return
    readable = [key for key in keys if _is_readable(key)]
    if not readable:
        yield _bad("It publishes no RSA or elliptic-curve key for signatures that can be read.")
        return
    yield _good(f"{len(readable)} of its keys can be used to check signatures.")


def _is_readable(key: dict[str, Any]) -> bool:
    try:
        jwt.PyJWK.from_dict(key, algorithm=str(key.get("alg") or ("ES256" if key["kty"] == "EC" else "RS256")))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return False
    return True


def _client(row: IdentityProvider, config: dict[str, Any], callback: str) -> Iterator[Finding]:
    """Ask for tokens with a code that cannot be good: the refusal tells whether client and secret are known."""
    methods = _listed(config, "token_endpoint_auth_methods_supported")
    secret = opened_secret(row)
    form = {"grant_type": "authorization_code", "code": NO_CODE, "redirect_uri": callback, "code_verifier": "x" * 43}
    is_basic = "client_secret_post" not in methods and "client_secret_basic" in methods
    form |= {} if is_basic else {"client_id": row.client_id, "client_secret": secret}
    try:
        with checked_session(settings.OMNI_ALLOWED_PROVIDERS) as session:
            response = session.post(
                str(config["token_endpoint"]), data=form, auth=(row.client_id, secret) if is_basic else None
            )
        answer = response.json()
    except requests.RequestException as error:
        yield _doubt(f"Whether it knows the client could not be seen. {_words(error)}")
        return
    said = str(answer.get("error", "") if isinstance(answer, dict) else "")[:60]
    if said == "invalid_grant":
        yield _good("It knows the client and takes the secret.")
    elif said in ("invalid_client", "unauthorized_client"):
        yield _bad("It does not take the client id or the secret.")
    else:
        yield _doubt(f"Whether it knows the client could not be seen: it said {said or 'nothing'!r}.")


def _listed(config: dict[str, Any], name: str) -> list[Any]:
    found = config.get(name)
    return found if isinstance(found, list) else []


def _saml(row: IdentityProvider, now: datetime) -> Iterator[Finding]:
    yield _good(f"Its answers are taken when they come from {row.issuer!r}.")
    if not settings.OMNI_IS_LOCAL and not row.sso_url.startswith("https://"):
        yield _bad("The sign-in address must begin with https://.")
    yield from _certificates(row, now)
    yield from _sso(row)
    if not row.domains.exists():
        yield _doubt(
            "No e-mail domain is listed. SAML does not say whether an address is verified: unless the provider sends "
            "email_verified, invited people cannot take up their invitation."
        )
    if row.name_id_format != IdentityProvider.NameId.PERSISTENT:
        yield _doubt("People are known by a name that may belong to somebody else one day; persistent is better.")
    if row.allows_unsolicited:
        yield _doubt("The provider may start sign-ins: such an answer is bound to no browser of ours.")


def _certificates(row: IdentityProvider, now: datetime) -> Iterator[Finding]:
    for number, text in enumerate(row.certificates, 1):
        try:
            certificate = loaded_certificate(plain_certificate(text))
        except ProviderError as error:
            yield _bad(f"Certificate {number}: {error}")
            continue
        until = certificate.not_valid_after_utc
        days = (until - now).days
        if days < 0:
            yield _doubt(
                f"Certificate {number} ended on {until.date()}. Its key still counts, as SAML has it; providers change "
                "keys at that time, so bring the new metadata."
            )
        elif days < SOON_DAYS:
            yield _doubt(
                f"Certificate {number} ends in {days} days, on {until.date()}: bring the new metadata in time."
            )
        else:
            yield _good(f"Certificate {number} can be read and is valid until {until.date()}.")


def _sso(row: IdentityProvider) -> Iterator[Finding]:
    """See whether the sign-in page answers. Browsers go there, not we: silence is no fault by itself."""
    try:
        with checked_session(settings.OMNI_ALLOWED_PROVIDERS) as session:
            status = session.get(row.sso_url).status_code
    except FetchError as error:
        if error.code == "redirected":
            yield _good("The sign-in address answers.")
        else:
            yield _doubt(
                f"The sign-in address did not answer us. {error.message} People's browsers may still reach it."
            )
        return
    except requests.RequestException as error:
        yield _doubt(f"The sign-in address did not answer us. {_words(error)} People's browsers may still reach it.")
        return
    if status in (404, 410) or status >= 500:
        yield _bad(f"The sign-in address answers with status {status}.")
    else:
        yield _good("The sign-in address answers.")

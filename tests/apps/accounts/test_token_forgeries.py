"""An OpenID Connect provider that lies: every ID token that must fail, and the honest one beside it."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test import Client

from apps.accounts.checking import Level, check_provider
from apps.accounts.models import IdentityProvider, User, UserSession
from apps.accounts.services import invite_user, save_provider
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef

HOST = "acme.localhost"
KEY, STRANGER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
Spoil = Callable[[dict[str, Any], dict[str, Any]], str]


def jwk(key: Any, kid: str, **extra: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} | extra


def honest(claims: dict[str, Any], header: dict[str, Any]) -> str:
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k1"} | header)


class Liar:
    """A provider over HTTP whose every answer a test may change."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"
        self.spoil: Spoil = honest
        self.keys = [jwk(KEY, "k1"), jwk(CURVE, "k2"), jwk(STRANGER, "k3", use="enc")]
        self.userinfo: Any = {"sub": "eve", "email": "eve@acme.example", "email_verified": True}
        self.config: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        self.nonce = ""

    def token(self) -> dict[str, Any]:
        now = int(datetime.now().timestamp())  # noqa: DTZ005  (seconds since the epoch)
        claims = {"iss": self.issuer, "sub": "eve", "aud": "omni", "exp": now + 300, "iat": now, "nonce": self.nonce}
        return {"access_token": "a", "token_type": "Bearer", "id_token": self.spoil(claims, {})}

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/token" and form.get("code") == ["not-a-code"]:
            return 400, {"error": "invalid_grant" if form.get("client_secret") == ["secret"] else "invalid_client"}
        answers = {
            "/.well-known/openid-configuration": lambda: self.config,
            "/token": self.token,
            "/keys": lambda: {"keys": self.keys},
            "/userinfo": lambda: self.userinfo,
        }
        return (200, answers[path]()) if path in answers else (404, {})


@pytest.fixture
def liar() -> Iterator[Liar]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status, answer = found.answer(urlsplit(self.path).path, parse_qs(body))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815  (names of the library)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Liar(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def main(acme: TenantRef, liar: Liar, now: datetime) -> IdentityProvider:
    row = IdentityProvider(slug="main", name="Main", issuer=liar.issuer, client_id="omni")
    save_provider(row, client_secret="secret", by=SYSTEM, now=now)
    invite_user(email="eve@acme.example", by=SYSTEM, now=now)
    return row


def sign_in(liar: Liar, extra: str = "") -> int:
    """Go through a sign-in; return the last status, which is 302 for whoever got in."""
    client = Client(HTTP_HOST=HOST)
    with unbound():
        location = client.post("/accounts/oidc/main/login/", {"next": "/trust/"})["Location"]
        asked = parse_qs(urlsplit(location).query)
        liar.nonce = asked["nonce"][0]
        answer = client.get(f"/accounts/oidc/main/callback/?code=c&state={asked['state'][0]}{extra}")
        is_in = client.get("/trust/").status_code == 200
    assert is_in == (answer.status_code == 302)
    return int(answer.status_code)


def test_the_honest_token_is_taken(main: IdentityProvider, liar: Liar) -> None:
    assert sign_in(liar) == 302
    assert sign_in(liar, f"&iss={liar.issuer}") == 302
    liar.spoil = lambda claims, header: jwt.encode(claims, CURVE, algorithm="ES256", headers={"kid": "k2"})
    assert sign_in(liar) == 302
    assert User.objects.get(subject="eve").issuer == liar.issuer


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})


def confused(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """Sign with a keyed hash whose key is the provider's public key, which everybody has."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, claims)
    ]
    mac = base64.urlsafe_b64encode(hmac.digest(public, b".".join(parts), hashlib.sha256)).rstrip(b"=")
    return b".".join([*parts, mac]).decode()


def by(key: Any, **header: Any) -> Spoil:
    return lambda claims, _header: jwt.encode(
        claims, key, algorithm=header.pop("alg", "RS256"), headers={"kid": "k1"} | header
    )


def saying(**changes: Any) -> Spoil:
    """Change claims; a callable is given the old value, None removes."""

    def spoil(claims: dict[str, Any], header: dict[str, Any]) -> str:
        for name, change in changes.items():
            claims[name] = change(claims.get(name)) if callable(change) else change
        return honest({name: value for name, value in claims.items() if value is not None}, header)

    return spoil


FORGED: dict[str, Spoil] = {
    "alg none": unsigned,
    "key confusion": confused,
    "the client secret as key": lambda claims, _: jwt.encode(claims, "secret" * 8, algorithm="HS256", headers={"kid": "k1"}),
    "another key": by(STRANGER),
    "a key id that is not published": lambda claims, _: jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k9"}),
    "a key for encryption": lambda claims, _: jwt.encode(claims, STRANGER, algorithm="RS256", headers={"kid": "k3"}),
    "a key in the header": lambda claims, _: jwt.encode(claims, STRANGER, algorithm="RS256", headers={"kid": "k1", "jwk": jwk(STRANGER, "k1")}),
    "a key of another kind": lambda claims, _: jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k2"}),
    "an unknown critical header": lambda claims, header: honest(claims, {"crit": ["x"], "x": 1}),
    "issuer": saying(iss="http://localhost:1"),
    "issuer with more behind": saying(iss=lambda value: f"{value}/"),
    "audience": saying(aud="another"),
    "several audiences, not authorized for us": saying(aud=["omni", "another"]),
    "authorized party": saying(azp="another"),
    "expired": saying(exp=lambda value: value - 362),
    "from the future": saying(iat=lambda value: value + 120),
    "not before": saying(nbf=lambda _: 4102444800),
    "nonce": saying(nonce="another"),
    "no nonce": saying(nonce=None),
    "no audience": saying(aud=None),
    "no expiry": saying(exp=None),
    "no subject": saying(sub=None),
    "no issue time": saying(iat=None),
    "a subject that is a number": saying(sub=7),
    "no token": lambda *_: "",
    "junk": lambda *_: "a.b.c",
    "changed afterwards": lambda claims, header: honest(claims, header)[:-6] + "AAAAAA",
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_token_that_is_wrong_in_one_thing(main: IdentityProvider, liar: Liar, what: str) -> None:
    liar.spoil = FORGED[what]
    assert sign_in(liar) == 400
    liar.spoil = honest
    assert sign_in(liar) == 302


def test_clocks_may_differ_by_a_minute(main: IdentityProvider, liar: Liar) -> None:
    liar.spoil = saying(exp=lambda value: value - 330, iat=lambda value: value + 30)
    assert sign_in(liar) == 302
    liar.spoil = saying(aud=["omni", "another"], azp="omni")
    assert sign_in(liar) == 302


@pytest.mark.parametrize(
    "change",
    [
        lambda liar: setattr(liar, "userinfo", {"sub": "mallory"}),
        lambda liar: setattr(liar, "userinfo", ["eve"]),
        lambda liar: setattr(liar, "keys", [{"kty": "oct", "k": "AAAA", "kid": "k1", "use": "sig"}]),
        lambda liar: setattr(liar, "keys", [jwk(KEY, "k1"), jwk(STRANGER, "k1")]),
        lambda liar: setattr(liar, "keys", "k1"),
        lambda liar: liar.config.update(jwks_uri="http://169.254.169.254/keys"),
        lambda liar: liar.config.update(token_endpoint="file:///etc/passwd"),
    ],
    ids=["userinfo of somebody else", "userinfo of another shape", "symmetric key", "two keys of one id", "keys of another shape", "keys at a private address", "a file as token endpoint"],
)  # fmt: skip
def test_what_stands_beside_the_token(main: IdentityProvider, liar: Liar, change: Callable[[Liar], None]) -> None:
    assert sign_in(liar) == 302
    before = AuditEvent.objects.filter(verb="accounts.signed_in").count()
    client = Client(HTTP_HOST=HOST)
    with unbound():
        location = client.post("/accounts/oidc/main/login/")["Location"]
    asked = parse_qs(urlsplit(location).query)
    liar.nonce = asked["nonce"][0]
    change(liar)
    with unbound():
        assert client.get(f"/accounts/oidc/main/callback/?code=c&state={asked['state'][0]}").status_code == 400
    assert AuditEvent.objects.filter(verb="accounts.signed_in").count() == before


def test_an_answer_that_names_another_issuer(main: IdentityProvider, liar: Liar) -> None:
    assert sign_in(liar, "&iss=https://other.example") == 400


@pytest.mark.parametrize(
    "change",
    [{"issuer": "https://new.example"}, {"client_id": "another"}, {"required_amr": "mfa"}, {"is_enabled": False}],
)
def test_a_provider_that_is_changed_while_it_is_asked_lets_nobody_in(
    acme: TenantRef, main: IdentityProvider, liar: Liar, now: datetime, change: dict[str, Any]
) -> None:
    """Whoever is to be shut out answers as slowly as they like; nothing ends a session that begins after the change."""
    assert sign_in(liar) == 302

    def slow(claims: dict[str, Any], header: dict[str, Any]) -> str:
        with bound(acme.id):
            row = IdentityProvider.objects.get(pk=main.pk)
            for name, value in change.items():
                setattr(row, name, value)
            save_provider(row, client_secret=None, by=SYSTEM, now=now)
        connection.close()
        return honest(claims, header)

    liar.spoil = slow
    assert sign_in(liar) in (400, 403)
    assert not UserSession.objects.filter(user__subject="eve").exists()


def test_a_provider_without_userinfo(main: IdentityProvider, liar: Liar) -> None:
    del liar.config["userinfo_endpoint"]
    liar.spoil = saying(email="eve@acme.example", email_verified=True)
    assert sign_in(liar) == 302


@pytest.mark.parametrize("is_in_token", [True, False], ids=["address in the ID token", "address at userinfo"])
def test_a_verified_address_is_the_one_of_which_that_was_said(
    main: IdentityProvider, liar: Liar, *, is_in_token: bool
) -> None:
    """A provider may verify one address and take another from its person: no invitation goes by a word on the first."""
    invited, verified = {"email": "eve@acme.example"}, {"email": "mallory@mail.example", "email_verified": True}
    said, beside = (invited, verified) if is_in_token else ({"email_verified": True}, invited)
    liar.spoil, liar.userinfo = saying(**said), {"sub": "eve"} | beside
    assert sign_in(liar) == 403
    assert User.objects.get(email="eve@acme.example").subject is None
    liar.userinfo = {"sub": "eve", "email_verified": True} | invited
    assert sign_in(liar) == 302


def test_a_sign_in_page_at_another_origin_is_reached_by_a_page(main: IdentityProvider, liar: Liar) -> None:
    """Browsers let a form's redirect go only where the form's page allows; that page knows the issuer only."""
    liar.config["authorization_endpoint"] = "https://login.elsewhere.example/authorize"
    with unbound():
        answer = Client(HTTP_HOST=HOST).post("/accounts/oidc/main/login/")
    assert answer.status_code == 200
    assert answer["Refresh"].startswith("0; url=https://login.elsewhere.example/authorize?")


def found(main: IdentityProvider, now: datetime) -> dict[Level, str]:
    """Run the test of a provider; return the texts by level."""
    findings = check_provider(
        IdentityProvider.objects.get(pk=main.pk), callback="http://acme.localhost/c", by=SYSTEM, now=now
    )
    return {level: " ".join(item.text for item in findings if item.level == level) for level in Level}


def test_the_test_says_what_was_found(main: IdentityProvider, liar: Liar, now: datetime) -> None:
    good = found(main, now)
    for text in (
        "discovery document was read",
        "calls itself as you wrote",
        "signs with RS256",
        "PKCE",
        "2 of its keys",
        "takes the secret",
    ):
        assert text in good[Level.GOOD]
    assert good[Level.BAD] == good[Level.DOUBT] == ""
    save_provider(main, client_secret="wrong", by=SYSTEM, now=now)
    assert "does not take the client id or the secret" in found(main, now)[Level.BAD]
    liar.config |= {"code_challenge_methods_supported": [], "id_token_signing_alg_values_supported": ["HS256"]}
    liar.keys = []
    worse = found(main, now)
    assert "signs with HS256" in worse[Level.BAD]
    assert "publishes no RSA" in worse[Level.BAD]
    assert "PKCE" in worse[Level.DOUBT]
    liar.config["issuer"] = "https://other.example"
    assert "calls itself 'https://other.example'" in found(main, now)[Level.BAD]
    IdentityProvider.objects.filter(pk=main.pk).update(issuer="http://localhost:9")
    assert "cannot be reached" in found(main, now)[Level.BAD]
    assert AuditEvent.objects.filter(verb="accounts.provider_checked").count() == 5


def test_a_provider_at_a_private_address_is_not_asked(
    main: IdentityProvider, liar: Liar, now: datetime, settings: Any
) -> None:
    settings.OMNI_ALLOWED_PROVIDERS = []
    assert "not allowed by the operator" in found(main, now)[Level.BAD]
    with unbound():
        assert Client(HTTP_HOST=HOST).post("/accounts/oidc/main/login/").status_code == 502

"""What administrators do with providers, and how the sign-in page leads people to one of several."""

import re
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.checking import Level, check_provider
from apps.accounts.errors import ProviderError
from apps.accounts.models import EmailDomain, IdentityProvider, User
from apps.accounts.saml.metadata import plain_certificate, read_metadata
from apps.accounts.services import issue_token, save_provider
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.saml_keys import make_pair

HOST = "acme.localhost"
PAGES = "/admin/accounts/identityprovider/"
CERTIFICATE = plain_certificate(make_pair("idp")[1].decode())
METADATA = f"""<?xml version="1.0"?><!-- made by a provider -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="urn:acme:idp">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
{CERTIFICATE[:64]}
{CERTIFICATE[64:]}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/post"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso?a=1&amp;b=2"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""
INLINES = {f"{prefix}-{name}": "0" for prefix in ("domains", "mappings") for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
SAML_FORM = {
    "name": "Corp", "slug": "corp", "protocol": "saml", "scopes": "openid", "is_enabled": "on", "issuer": "", "client_id": "",
    "name_id_format": IdentityProvider.NameId.PERSISTENT.value, **INLINES,
    "domains-TOTAL_FORMS": "1", "domains-0-domain": "acme.example",
}  # fmt: skip


@pytest.fixture
def admin(ada: User, signed_in: SignedIn) -> Client:
    """Ada's browser."""
    return signed_in(ada)


def send(client: Client, path: str, form: dict[str, object]) -> object:
    with unbound():
        return client.post(path, form)


def errors(answer: object) -> str:
    found = re.findall(r'errornote|class="[^"]*text-red[^"]*"[^>]*>([^<]+)', answer.content.decode())  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    return " ".join(text.strip() for text in found)


@pytest.mark.parametrize("how", ["file", "paste"])
def test_an_administrator_adds_a_saml_provider_from_its_metadata(admin: Client, how: str) -> None:
    brought: dict[str, object] = {
        "file": {"metadata_file": SimpleUploadedFile("idp.xml", METADATA.encode())},
        "paste": {"metadata_text": METADATA},
    }[how]
    answer = send(admin, f"{PAGES}add/", SAML_FORM | brought)
    assert answer.status_code == 302, errors(answer)  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    row = IdentityProvider.objects.get()
    assert (row.issuer, row.sso_url, row.certificates) == (
        "urn:acme:idp",
        "https://idp.example/sso?a=1&b=2",
        [CERTIFICATE],
    )
    assert EmailDomain.objects.get().domain == "acme.example"
    assert AuditEvent.objects.filter(verb="accounts.provider_saved").exists()
    with unbound():
        page = admin.get(f"{PAGES}{row.pk}/change/").content.decode()
        ours = admin.get(f"{PAGES}{row.pk}/metadata.xml").content.decode()
    assert f"http://{HOST}/accounts/saml/corp/acs/" in page
    assert f'entityID="http://{HOST}/accounts/saml/corp/"' in ours
    with unbound():
        begun = Client(HTTP_HOST=HOST).post("/accounts/saml/corp/login/")
    assert begun["Location"].startswith("https://idp.example/sso?a=1&b=2&SAMLRequest=")


def test_fields_do_as_well(admin: Client) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{CERTIFICATE}\n-----END CERTIFICATE-----"
    fields = {"issuer": "urn:acme:idp", "sso_url": "https://idp.example/sso", "certificates": f"{pem}\n{pem}\n"}
    assert send(admin, f"{PAGES}add/", SAML_FORM | fields).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert IdentityProvider.objects.get().certificates == [CERTIFICATE]


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + METADATA.partition("?>")[2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needed"),
        ({"metadata_text": BOMB}, "document type"),
        ({"metadata_text": "<a/>"}, "not the metadata"),
        ({"metadata_text": "<a"}, "well-formed"),
        ({"metadata_url": "http://169.254.169.254/latest"}, "not allowed by the operator"),
        ({"metadata_url": "file:///etc/passwd"}, "https://"),
        ({"issuer": "x", "sso_url": "javascript:alert(1)", "certificates": CERTIFICATE}, "https://"),
        ({"issuer": "x", "sso_url": "https://idp.example/", "certificates": "no certificate"}, "not a certificate"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(admin: Client, fields: dict[str, object], words: str) -> None:
    answer = send(admin, f"{PAGES}add/", SAML_FORM | fields)
    assert answer.status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert words in answer.content.decode()  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not IdentityProvider.objects.exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("HTTP-Redirect", "SOAP"), "HTTP-Redirect"),
        (lambda text: text.replace('use="signing"', 'use="encryption"'), "no certificate"),
        (lambda text: text.replace("<md:IDPSSO", '<md:IDPSSODescriptor protocolSupportEnumeration="x"/><md:IDPSSO', 1), "several"),
        (lambda text: text.replace("entityID", 'validUntil="2020-01-01T00:00:00Z" entityID'), "valid until 2020-01-01"),
        (lambda text: text + " " * 1_000_000 + "<!-- -->", "too large"),
    ],
)  # fmt: skip
def test_metadata_of_another_kind(spoil: object, words: str) -> None:
    now = datetime.now(UTC)
    assert read_metadata(METADATA.encode(), now=now).entity_id == "urn:acme:idp"
    with pytest.raises(ProviderError, match=words):
        read_metadata(spoil(METADATA).encode(), now=now)  # type: ignore[operator]  # the fixture's type says less than it returns


def test_a_short_key_is_no_key() -> None:
    with pytest.raises(ProviderError, match="1024 bits"):
        plain_certificate(make_pair("idp", bits=1024)[1].decode())


def test_an_oidc_issuer_may_be_pasted_as_its_discovery_address(admin: Client) -> None:
    form = SAML_FORM | {
        "protocol": "oidc", "issuer": "https://login.acme.example/.well-known/openid-configuration", "client_id": "omni",
        "client_secret": "canary-secret",
    }  # fmt: skip
    assert send(admin, f"{PAGES}add/", form).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    row = IdentityProvider.objects.get()
    assert row.issuer == "https://login.acme.example"
    with unbound():
        page = admin.get(f"{PAGES}{row.pk}/change/").content
    assert b"/accounts/oidc/corp/callback/" in page
    assert b"canary-secret" not in page
    moved = form | {"issuer": "https://other.example", "client_secret": ""}
    assert b"secret to be written again" in send(admin, f"{PAGES}{row.pk}/change/", moved).content  # type: ignore[attr-defined]  # the fixture's type says less than it returns


@pytest.fixture
def corp(acme: TenantRef, now: datetime) -> IdentityProvider:
    found = read_metadata(METADATA.encode(), now=now)
    row = IdentityProvider(
        slug="corp", name="Corp", protocol="saml", issuer=found.entity_id, sso_url="https://idp.example/sso",
        certificates=list(found.certificates),
    )  # fmt: skip
    save_provider(row, client_secret=None, by=SYSTEM, now=now)
    EmailDomain.objects.create(provider=row, domain="acme.example")
    return row


@pytest.fixture
def main(acme: TenantRef, now: datetime) -> IdentityProvider:
    row = IdentityProvider(slug="main", name="Main", issuer="https://main.example", client_id="omni")
    return save_provider(row, client_secret="secret", by=SYSTEM, now=now)


def test_one_provider_is_one_button(corp: IdentityProvider) -> None:
    with unbound():
        page = Client(HTTP_HOST=HOST).get("/accounts/sign-in/").content.decode()
    assert page.count('<button class="button') == 1
    assert 'name="email"' not in page


def test_an_address_leads_to_the_provider_of_its_domain(corp: IdentityProvider, main: IdentityProvider) -> None:
    client = Client(HTTP_HOST=HOST)
    with unbound():
        answer = client.post("/accounts/sign-in/", {"email": "Anybody@ACME.example", "next": "/trust/"})
        assert answer.status_code == 302
        assert answer["Location"].startswith("https://idp.example/sso?SAMLRequest=")
    EmailDomain.objects.update(provider=main)
    with unbound():
        assert b"cannot be reached" in client.post("/accounts/sign-in/", {"email": "a@acme.example"}).content


def test_an_unknown_domain_is_answered_alike_whoever_exists(corp: IdentityProvider, main: IdentityProvider) -> None:
    User.objects.create(email="known@elsewhere.example")
    client = Client(HTTP_HOST=HOST)
    pages = []
    for email in ("known@elsewhere.example", "nobody@elsewhere.example", "nobody", "@", "known@elsewhere.example@"):
        with unbound():
            answer = client.post("/accounts/sign-in/", {"email": email})
        page = answer.content.decode()
        pages.append((answer.status_code, re.sub(r'value="[^"]*"', "", page)))
        assert "No provider is listed" in page
    assert len({status for status, _ in pages}) == 1
    assert len({re.sub(r"X-CSRFToken[^}]*", "", page) for _, page in pages}) == 1


def test_a_disabled_providers_domain_leads_nowhere(corp: IdentityProvider, main: IdentityProvider) -> None:
    IdentityProvider.objects.filter(pk=corp.pk).update(is_enabled=False)
    with unbound():
        answer = Client(HTTP_HOST=HOST).post("/accounts/sign-in/", {"email": "a@acme.example"})
    assert answer.status_code == 200
    assert b"Corp" not in answer.content


def test_a_domain_is_one_providers_within_a_tenant(corp: IdentityProvider, main: IdentityProvider) -> None:
    with pytest.raises(ValidationError):
        EmailDomain(provider=main, domain="acme.example").full_clean()
    for odd in ("Acme.example", "a_b.example", "acme..example", "-acme.example", "example", "@acme.example"):
        with pytest.raises(ValidationError):
            EmailDomain(provider=main, domain=odd).full_clean()


def test_the_test_page_asks_on_a_click_only(admin: Client, corp: IdentityProvider) -> None:
    with unbound():
        before = admin.get(f"{PAGES}{corp.pk}/test/").content.decode()
        assert "Ask the provider now" in before
        assert "What it answered" not in before
        after = admin.post(f"{PAGES}{corp.pk}/test/").content.decode()
    assert "can be read and is valid until" in after
    assert "did not answer us" in after
    assert AuditEvent.objects.filter(verb="accounts.provider_checked").count() == 1


def test_who_may_not_manage_identity_finds_nothing(corp: IdentityProvider, ann: User) -> None:
    client = Client(HTTP_HOST=HOST)
    client.force_login(ann, backend="apps.accounts.backends.IdentityBackend")
    with unbound():
        for path in (f"{PAGES}{corp.pk}/test/", f"{PAGES}{corp.pk}/metadata.xml", f"{PAGES}{corp.pk}/change/"):
            assert client.get(path).status_code == 404
        assert client.post(f"{PAGES}{corp.pk}/test/").status_code == 404


def test_certificates_that_end_are_pointed_out(corp: IdentityProvider, now: datetime) -> None:
    corp.certificates = [plain_certificate(make_pair("x", days=days)[1].decode()) for days in (-3, 10)]
    found = [item.text for item in check_provider(corp, callback="", by=SYSTEM, now=now) if item.level == Level.DOUBT]
    assert "Certificate 1 ended on" in found[0]
    assert re.search(r"Certificate 2 ends in (9|10) days", found[1])


@pytest.mark.parametrize("has_token", [True, False])
def test_switching_off_says_which_tokens_go_on(admin: Client, ann: User, has_token: bool) -> None:
    """Sessions end; a program's token is no session, and whoever switches a provider off may think that it is."""
    now = datetime.now(UTC)
    row = save_provider(
        IdentityProvider(slug="main", name="Main", issuer="https://idp.example", client_id="a"),
        client_secret="s", by=SYSTEM, now=now,
    )  # fmt: skip
    if has_token:
        issue_token(user=ann, name="export", days=1, by=SYSTEM, now=now)
    form = {
        "name": "Main", "slug": "main", "issuer": row.issuer, "client_id": "a", "scopes": "openid", **INLINES,
        "name_id_format": IdentityProvider.NameId.PERSISTENT.value,
    }  # fmt: skip
    with unbound():
        told = admin.post(f"{PAGES}{row.pk}/change/", form, follow=True).content.decode()
    assert not IdentityProvider.objects.get().is_enabled
    assert "is out at the next click" in told
    assert ("still valid: 1." in told) == has_token

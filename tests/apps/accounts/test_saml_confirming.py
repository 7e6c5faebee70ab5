"""A dangerous action of somebody who came by SAML: asked for with ForceAuthn, and only a fresh answer counts."""

from datetime import UTC, datetime, timedelta

from apps.accounts.models import IdentityProvider, User
from apps.tenants.binding import unbound
from tests.apps.accounts.saml_forge import PAIR, SAML, Answer, assertion_of, encoded, request_id_of, request_of, sign
from tests.apps.accounts.test_saml_forgeries import Browser, browser, corp, eve

__all__ = ["browser", "corp", "eve"]


def test_a_dangerous_page_asks_for_a_fresh_sign_in_at_the_saml_provider(
    browser: Browser, corp: IdentityProvider, eve: User
) -> None:
    User.objects.filter(pk=eve.pk).update(is_tenant_admin=True)
    dangerous = "/admin/tenants/signinsettings/"

    def answered(request_id: str, ago: timedelta) -> str:
        root = Answer(request_id).root()
        statement = root.find(f".//{{{SAML}}}AuthnStatement")
        assert statement is not None
        statement.set("AuthnInstant", (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ"))
        sign(assertion_of(root), PAIR)
        return encoded(root)

    def asked() -> str:
        with unbound():
            away = browser.client.post("/accounts/saml/corp/login/", {"next": dangerous, "confirm": "1"})
        assert 'ForceAuthn="true"' in request_of(away["Location"])
        return request_id_of(away["Location"])

    assert browser.arrive(answered(browser.start(), timedelta(minutes=40))) == "in"
    with unbound():
        away = browser.client.get(dangerous)
        assert away.status_code == 302
        assert "Sign in again with Corp" in browser.client.get(away["Location"]).content.decode()
    stale = browser.post(answered(asked(), timedelta(minutes=40)))
    with unbound():
        assert browser.client.get(stale["Location"]).status_code == 403  # type: ignore[index]  # the fixture's type says less than it returns
        assert browser.client.get(dangerous).status_code == 302
    assert browser.arrive(answered(asked(), timedelta(0))) == "in"
    with unbound():
        assert browser.client.get(dangerous).status_code == 200

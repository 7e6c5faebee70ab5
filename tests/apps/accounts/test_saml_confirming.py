"""A dangerous action of somebody who came by SAML: asked for with ForceAuthn, and only a fresh answer counts."""

from datetime import UTC, datetime, timedelta

import pytest
from allauth.socialaccount.internal import statekit
from django.db.models import F

from apps.accounts.models import IdentityProvider, User, UserSession
from apps.tenants.binding import unbound
from tests.apps.accounts.saml_browser import Browser, browser, corp, eve
from tests.apps.accounts.saml_forge import PAIR, SAML, Answer, assertion_of, encoded, request_id_of, request_of, sign

__all__ = ["browser", "corp", "eve"]


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("hours", [1, 9])
def test_going_to_the_saml_provider_leaves_the_session_as_it_is(
    browser: Browser, corp: IdentityProvider, eve: User, monkeypatch: pytest.MonkeyPatch, hours: int, is_late: bool
) -> None:
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    UserSession.objects.update(started_at=F("started_at") - timedelta(hours=hours), expire_date=F("expire_date") - timedelta(hours=hours))  # fmt: skip
    before = UserSession.objects.get(user=eve)
    with unbound():
        away = browser.client.post("/accounts/saml/corp/login/", {"next": "/", "confirm": "1"})
        assert browser.client.get("/accounts/sessions/").status_code == 200
        browser.post(Answer(request_id_of(away["Location"]), subject="p-18").posted())
        if is_late:
            monkeypatch.setattr(statekit, "STATE_TTL", -1)
        assert browser.client.get("/accounts/saml/corp/finish/").status_code == (400 if is_late else 403)
        assert browser.client.get("/accounts/sessions/").status_code == 200
    after = UserSession.objects.get(user=eve)
    assert (after.pk, after.started_at) == (before.pk, before.started_at)
    assert abs(after.expire_date - before.expire_date) < timedelta(seconds=5)


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

"""From where a tenant may be reached: three lists, checked on every request."""

from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.test import Client, RequestFactory

from apps.access.selectors import actor_for_user
from apps.access.sign_in_settings import change_sign_in_settings
from apps.accounts.models import User
from apps.accounts.services import issue_token
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.addresses import admits, client_address, network_text, parsed
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.services import SIGN_IN_FIELDS, save_sign_in_settings
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn, confirmed

OFFICE, HOME = "203.0.113.9", "198.51.100.7"
PAGE = "/admin/tenants/signinsettings/"


def test_people_and_tokens_have_lists_of_their_own(
    acme: TenantRef, signed_in: SignedIn, ann: User, now: datetime
) -> None:
    browser = signed_in(ann)
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {token}"})

    def seen(address: str) -> tuple[int, int, int]:
        with unbound():
            return (
                browser.get("/accounts/sessions/", REMOTE_ADDR=address).status_code,
                program.get("/api/v1/datasets", REMOTE_ADDR=address).status_code,
                Client(HTTP_HOST="acme.localhost").get("/scim/v2/Users", REMOTE_ADDR=address).status_code,
            )

    open_scim = seen(HOME)[2]
    assert seen(HOME) == (200, 200, open_scim)
    assert open_scim != 403
    Tenant.objects.filter(pk=acme.id).update(networks_people=["203.0.113.0/24"])
    assert (seen(OFFICE), seen(HOME)) == ((200, 200, open_scim), (403, 200, open_scim))
    Tenant.objects.filter(pk=acme.id).update(networks_people=[], networks_tokens=["203.0.113.0/24"])
    assert (seen(OFFICE), seen(HOME)) == ((200, 200, open_scim), (200, 403, open_scim))
    Tenant.objects.filter(pk=acme.id).update(networks_tokens=[], networks_scim=["203.0.113.0/24"])
    assert (seen(OFFICE), seen(HOME)) == ((200, 200, open_scim), (200, 200, 403))


def test_outside_the_list_not_even_sign_in_answers(acme: TenantRef, ann: User, globex: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(networks_people=["2001:db8::/32", "203.0.113.9/32"])
    browser = Client(HTTP_HOST="acme.localhost")
    with unbound():
        for path in ("/accounts/sign-in/", "/accounts/oidc/main/callback/", "/", "/trust/"):
            outside = browser.get(path, REMOTE_ADDR=HOME)
            assert outside.status_code == 403
            assert HOME in outside.content.decode()
        assert browser.get("/accounts/sign-in/", REMOTE_ADDR=OFFICE).status_code == 200
        assert browser.get("/accounts/sign-in/", REMOTE_ADDR="2001:db8::7").status_code == 200
        bearing = browser.get("/accounts/sign-in/", REMOTE_ADDR=HOME, HTTP_AUTHORIZATION="Bearer omni_x")
        assert bearing.status_code == 403
        assert Client(HTTP_HOST="globex.localhost").get("/accounts/sign-in/", REMOTE_ADDR=HOME).status_code == 200


def test_forwarded_addresses_count_behind_named_proxies_only(settings: Any) -> None:
    def found(own: str, forwarded: str = "") -> str:
        request = RequestFactory().get("/", REMOTE_ADDR=own, HTTP_X_FORWARDED_FOR=forwarded)
        return str(client_address(request))

    assert found(HOME, OFFICE) == HOME
    settings.OMNI_TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::/8"]
    assert found("10.0.0.1", OFFICE) == OFFICE
    assert found("10.0.0.1", f"{OFFICE}, {HOME}, 10.9.9.9") == HOME  # what a client writes itself stands further left
    assert found("10.0.0.1", f"{OFFICE}, nonsense, 10.9.9.9") == "None"
    assert found("10.0.0.1", "") == "10.0.0.1"
    assert found("10.0.0.1", f"{OFFICE}:4711") == OFFICE
    assert found("fd00::1", "[2001:db8::1]:443") == "2001:db8::1"
    assert found(HOME, OFFICE) == HOME
    assert found("", OFFICE) == "None"
    settings.OMNI_TRUSTED_PROXIES = ["::ffff:10.0.0.0/104"]  # as a socket for both kinds of addresses writes it
    assert found("::ffff:10.0.0.1", OFFICE) == OFFICE
    assert found("::ffff:11.0.0.1", OFFICE) == "11.0.0.1"
    settings.OMNI_TRUSTED_PROXIES = ["unix"]
    assert found("", OFFICE) == OFFICE


@pytest.mark.parametrize(
    ("proxies", "peer", "is_believed"),
    [
        ([], "203.0.113.9", True),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "203.0.113.9", False),
        (["10.0.0.0/8"], "", False),
        (["unix"], "", True),
        (["unix"], "127.0.0.1", False),
    ],
)
def test_who_says_that_a_request_came_over_tls_is_one_of_the_named_proxies(
    acme: TenantRef, settings: Any, proxies: list[str], peer: str, is_believed: bool
) -> None:
    """Where none is named, whoever reaches the server is taken for the proxy in front of it."""
    settings.OMNI_TRUSTED_PROXIES, settings.SECURE_SSL_REDIRECT = proxies, True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client = Client(headers={"host": "acme.localhost", "x-forwarded-proto": "https"}, REMOTE_ADDR=peer)
    with unbound():
        answer = client.get("/accounts/sign-in/")
    assert answer.status_code == (200 if is_believed else 301)


def test_an_address_that_is_not_known_is_in_no_list() -> None:
    assert admits((), None)
    assert not admits(("0.0.0.0/0",), None)
    assert admits(("203.0.113.0/24",), parsed("::ffff:203.0.113.9"))
    assert not admits(("203.0.113.0/24",), parsed("::ffff:198.51.100.7"))
    assert network_text(" 203.0.113.9 ") == "203.0.113.9/32"
    assert network_text("::ffff:203.0.113.0/120") == "203.0.113.0/24"
    with pytest.raises(ValueError, match="host bits"):
        network_text("203.0.113.9/24")


FORM = {
    "session_idle_min": "120", "session_lifetime_min": "720", "confirm_within_min": "15", "token_max_days": "366",
    "networks_people": "", "networks_tokens": "", "networks_scim": "",
}  # fmt: skip


def test_a_list_that_would_lock_out_its_maker_is_refused(acme: TenantRef, signed_in: SignedIn, ada: User) -> None:
    admin = signed_in(ada)
    with unbound():
        refused = admin.post(PAGE, FORM | {"networks_people": "203.0.113.0/24", "step": "apply"}, REMOTE_ADDR=HOME)
    assert refused.status_code == 200
    assert "you would lock yourself out" in refused.content.decode()
    assert HOME in refused.content.decode()
    assert tenant_by_slug("acme").limits.networks_people == ()
    with unbound():
        asked = admin.post(PAGE, FORM | {"networks_people": "203.0.113.0/24 # office"}, REMOTE_ADDR=OFFICE)
    assert "People may come from 203.0.113.0/24 only" in asked.content.decode()
    assert tenant_by_slug("acme").limits.networks_people == ()
    done = confirmed(admin, PAGE, FORM | {"networks_people": "203.0.113.0/24"}, REMOTE_ADDR=OFFICE)
    assert done.status_code == 302
    assert tenant_by_slug("acme").limits.networks_people == ("203.0.113.0/24",)
    event = AuditEvent.objects.get(verb="tenants.sign_in_settings_changed")
    assert event.facts == {"networks_people from": [], "networks_people to": ["203.0.113.0/24"]}
    with unbound():
        assert admin.get("/accounts/sessions/", REMOTE_ADDR=HOME).status_code == 403
        assert admin.get("/accounts/sessions/", REMOTE_ADDR=OFFICE).status_code == 200


@pytest.mark.parametrize(("address", "holds"), [(HOME, False), (None, False), (OFFICE, True)])
def test_not_only_the_form_refuses_a_list_that_locks_its_maker_out(
    acme: TenantRef, ada: User, now: datetime, address: str | None, holds: bool
) -> None:
    wanted = {name: getattr(Tenant.objects.get(pk=acme.id), name) for name in SIGN_IN_FIELDS}
    wanted |= {"networks_people": ["203.0.113.0/24"]}

    def change() -> list[str]:
        return change_sign_in_settings(wanted, address=parsed(address or ""), by=actor_for_user(ada), now=now)

    if holds:
        assert change() == ["networks_people"]
    else:
        with pytest.raises(ValidationError, match="lock yourself out"):
            change()
    assert tenant_by_slug("acme").limits.networks_people == (("203.0.113.0/24",) if holds else ())


def test_the_page_says_what_will_happen_and_does_it(
    acme: TenantRef, signed_in: SignedIn, ada: User, ann: User, settings: Any
) -> None:
    admin, member = signed_in(ada), signed_in(ann)
    with unbound():
        assert member.get(PAGE).status_code == 404
        assert admin.get(PAGE).status_code == 200
        wrong = admin.post(
            PAGE, FORM | {"session_idle_min": "90", "session_lifetime_min": "60", "networks_tokens": "no"}
        )
        assert "longer than a session lasts" in wrong.content.decode()
        assert "is no network" in wrong.content.decode()
        above = admin.post(PAGE, FORM | {"token_max_days": "999", "step": "apply"})
        assert above.status_code == 200
        asked = admin.post(PAGE, FORM | {"session_idle_min": "30", "token_max_days": "7"}).content.decode()
        assert "Sessions end after 30 minutes without use. 0 running sessions end at once." in asked
        assert "New API tokens live at most 7 days." in asked
    confirmed(admin, PAGE, FORM | {"session_idle_min": "30", "token_max_days": "7"})
    found = tenant_by_slug("acme").limits
    assert (found.session_idle_min, found.token_max_days) == (30, 7)


def test_settings_of_one_tenant_are_written_by_nobody_else(acme: TenantRef, globex: TenantRef) -> None:
    assert Tenant.objects.filter(pk=acme.id).update(session_idle_min=60) == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        Tenant.objects.filter(pk=globex.id).update(session_idle_min=60)
    with bound(globex.id):
        assert Tenant.objects.get(pk=globex.id).session_idle_min == 120


def test_a_list_has_an_end_and_the_page_says_where(acme: TenantRef, signed_in: SignedIn, ada: User) -> None:
    """Every network of a list is looked at on every request."""
    admin = signed_in(ada)
    many = [f"198.51.100.{number}/32" for number in range(201)]
    with unbound():
        for text, words in (
            (f"203.0.113.0/24 # {'x' * 20_000}", "At most 20000 characters, with comments and blank lines; these are 20017."),
            ("\n".join(many), "At most 200 networks; these are 201."),
        ):  # fmt: skip
            refused = admin.post(PAGE, FORM | {"networks_tokens": text})
            assert words in refused.content.decode()
    for networks, words in ((many, "At most 200 networks"), (["no"], "no is no network"), ("x", "no list")):
        tenant = Tenant.objects.get(pk=acme.id)
        tenant.networks_scim = networks
        with pytest.raises(ValidationError, match=words):
            save_sign_in_settings(tenant)
    assert (tenant_by_slug("acme").limits.networks_tokens, tenant_by_slug("acme").limits.networks_scim) == ((), ())
    confirmed(admin, PAGE, FORM | {"networks_tokens": "\n".join(many[:200])})
    assert len(tenant_by_slug("acme").limits.networks_tokens) == 200

"""The administration is for a tenant's administrators, shows their tenant, and lets nobody change their own rights."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.access.sites import platform_admin_site, tenant_admin_site
from apps.accounts.models import AttributeDefinition, GroupMembership, User, UserAttribute, UserGroup
from apps.audit.models import AuditEvent
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

BACKEND = "apps.accounts.backends.IdentityBackend"
MODELS = sorted(tenant_admin_site._registry, key=lambda model: model._meta.label)
Browser = Callable[[User], Client]


@pytest.fixture
def as_(acme: TenantRef, signed_in: SignedIn) -> Browser:
    """A browser of somebody who has just signed in at Acme."""
    return signed_in


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_every_page_is_for_administrators_only(as_: Browser, ada: User, ann: User, model: type, page: str) -> None:
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", urlconf="omni.urls.tenant")
    admin, member = as_(ada), as_(ann)
    with unbound():
        assert admin.get(path).status_code in ((200,) if page == "changelist" else (200, 403))
        assert member.get(path).status_code == 404
        assert Client(HTTP_HOST="acme.localhost").get(path).status_code == 302


def test_another_tenants_rows_are_like_missing_ones(
    as_: Browser, ada: User, globex: TenantRef, make_person: Callable[..., User]
) -> None:
    with bound(globex.id):
        theirs = make_person("gus@globex.example")
    browser = as_(ada)
    with unbound():
        listed = browser.get("/admin/accounts/user/")
        found = browser.get(f"/admin/accounts/user/{theirs.pk}/change/")
        missing = browser.get("/admin/accounts/user/00000000-0000-0000-0000-000000000001/change/")
    assert b"ada@acme.example" in listed.content
    assert b"globex" not in listed.content
    assert (found.status_code, found["Location"]) == (missing.status_code, missing["Location"])


def post_user(browser: Client, user: User, **values: str) -> int:
    data = {
        "email": user.email, "name": user.name, "timezone": "UTC", "is_active": "on", "is_tenant_admin": "on",
        **{f"{prefix}-{part}": "0" for prefix in ("attribute_values", "memberships", "tokens") for part in ("TOTAL_FORMS", "INITIAL_FORMS")},
        **values,
    }  # fmt: skip
    with unbound():
        return int(browser.post(f"/admin/accounts/user/{user.pk}/change/", data).status_code)


def test_nobody_gives_themselves_an_attribute(as_: Browser, ada: User, ann: User) -> None:
    region = AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    values = {
        "attribute_values-TOTAL_FORMS": "1", "attribute_values-0-definition": str(region.pk), "attribute_values-0-text": "EU",
    }  # fmt: skip
    post_user(as_(ada), ada, **values)
    assert not UserAttribute.objects.filter(user=ada).exists()
    assert post_user(as_(ada), ann, **values) == 302
    assert UserAttribute.objects.get(user=ann).values == ["EU"]


def test_nobody_joins_a_group_by_themselves(as_: Browser, ada: User, ann: User) -> None:
    finance = UserGroup.objects.create(name="Finance")
    browser = as_(ada)

    def add(user: User) -> None:
        data = {
            "name": "Finance", "description": "", "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0",
            "memberships-0-user": str(user.pk), "attribute_values-TOTAL_FORMS": "0", "attribute_values-INITIAL_FORMS": "0",
        }  # fmt: skip
        with unbound():
            browser.post(f"/admin/accounts/usergroup/{finance.pk}/change/", data)

    add(ada)
    assert not GroupMembership.objects.filter(user=ada).exists()
    add(ann)
    assert GroupMembership.objects.filter(user=ann).exists()


def test_a_change_is_an_audit_event(as_: Browser, ada: User) -> None:
    browser = as_(ada)
    with unbound():
        browser.post("/admin/accounts/attributedefinition/add/", {"name": "tier", "label": "Tier", "type": "string"})
    assert AttributeDefinition.objects.filter(name="tier").exists()
    event = AuditEvent.objects.get(verb="accounts.attributedefinition_created")
    assert event.actor_id == ada.pk


def test_a_name_that_is_taken_gives_a_message(as_: Browser, ada: User) -> None:
    UserGroup.objects.create(name="Finance")
    browser = as_(ada)
    parts = ("memberships", "attribute_values")
    data = {"name": "Finance"} | {f"{one}-{part}": "0" for one in parts for part in ("TOTAL_FORMS", "INITIAL_FORMS")}
    with unbound():
        answer = browser.post("/admin/accounts/usergroup/add/", data)
    assert answer.status_code == 200
    assert b"There is a group of this name already." in answer.content


def test_our_staff_see_tenants_and_nothing_else(
    platform: TenantRef, make_person: Callable[..., User], acme: TenantRef
) -> None:
    assert {model._meta.label for model in platform_admin_site._registry} == {"tenants.Tenant"}
    with bound(platform.id):
        sam = make_person("sam@omni.example", is_tenant_admin=True)
        client = Client(HTTP_HOST="localhost")
        client.force_login(sam, backend=BACKEND)
    with unbound():
        assert b"Acme" in client.get("/admin/tenants/tenant/").content
        assert client.get("/admin/accounts/user/").status_code == 404
        assert client.get("/api/v1/datasets").status_code == 404
        assert client.get("/", HTTP_HOST="acme.localhost").status_code == 302


def test_our_staff_see_nothing_of_what_a_customer_has_decided(
    platform: TenantRef, make_person: Callable[..., User], acme: TenantRef
) -> None:
    """From which networks somebody comes is told to their own administrators."""
    Tenant.objects.filter(pk=acme.id).update(networks_people=["203.0.113.0/24"], session_idle_min=77)
    with bound(platform.id):
        sam = make_person("sam@omni.example", is_tenant_admin=True)
        browser = Client(HTTP_HOST="localhost")
        browser.force_login(sam, backend="apps.accounts.backends.IdentityBackend")
    page = "/admin/tenants/tenant/"
    with unbound():
        found = browser.get(f"{page}{acme.id}/change/")
        assert found.status_code == 200
        assert b"acme.localhost" in found.content
        assert not [text for text in (b"203.0.113.0", b"Networks", b"Session idle") if text in found.content]
        for query in ("networks_people__contains=[]", "session_idle_min__gt=1", "slug__startswith=a"):
            assert browser.get(f"{page}?{query}").status_code == 400
        assert b"Acme" in browser.get(f"{page}?kind__exact=customer&q=acm").content

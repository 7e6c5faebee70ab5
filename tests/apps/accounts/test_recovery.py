"""A recovery link: made on the server, used once, within minutes, on its own host, for setting up sign-in alone."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.access.identity import Identity, rights_of
from apps.access.selectors import actor_for_recovery, actor_for_user, permitted
from apps.access.services import grant_permission
from apps.access.sites import tenant_admin_site
from apps.accounts.models import (
    AttributeDefinition,
    GroupAttribute,
    GroupMembership,
    IdentityProvider,
    RecoveryLink,
    User,
    UserGroup,
    UserSession,
)
from apps.accounts.recovering import issue_recovery_link, open_link, use_link
from apps.accounts.scim.people import remove_person
from apps.accounts.services import set_active
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.types import TenantRef
from tests.apps.conftest import without_csrf

HOST = "acme.localhost"
OPEN = {
    "accounts.AttributeDefinition", "accounts.IdentityProvider", "accounts.User", "accounts.UserGroup",
    "tenants.SignInSettings",
}  # fmt: skip
"""all of the administration that a recovery reaches"""


def made(slug: str, email: str) -> str:
    out = StringIO()
    with unbound():
        call_command("recover_admin", slug, email, stdout=out)
    return out.getvalue().strip()


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


@pytest.fixture
def recovered(ada: User) -> Client:
    """A browser in which Ada's link was used."""
    browser = Client(HTTP_HOST=HOST)
    with unbound():
        assert browser.post(path_of(made("acme", "ada@acme.example")))["Location"] == "/accounts/recovery/"
    return browser


def test_a_link_lets_an_administrator_in_once(ada: User) -> None:
    link = made("acme", "ada@acme.example")
    assert link.startswith("http://acme.localhost:")
    secret = link.rstrip("/").rpartition("/")[2]
    assert len(secret) >= 43
    assert secret.encode() not in bytes(RecoveryLink.objects.get().digest)
    first, second = Client(HTTP_HOST=HOST), Client(HTTP_HOST=HOST)
    with unbound():
        assert first.get(path_of(link)).status_code == 200
        assert first.get(path_of(link)).status_code == 200  # looking uses nothing up
        assert first.post(path_of(link)).status_code == 302
        page = first.get("/accounts/recovery/")
        assert b"recovery link" in page.content
        used, unknown = second.post(path_of(link)), second.post("/accounts/recover/nonsense/")
    assert (used.status_code, unknown.status_code) == (404, 404)
    assert "omni_session" not in second.cookies
    assert without_csrf(used.content) == without_csrf(unknown.content)
    verbs = list(AuditEvent.objects.order_by("sequence").values_list("verb", "actor_kind"))
    assert verbs == [("accounts.recovery_issued", "system"), ("accounts.recovery_used", "person")]


def test_a_link_is_over_after_fifteen_minutes(acme: TenantRef, ada: User, now: datetime) -> None:
    secret = path_of(issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=now)).split("/")[3]
    assert open_link(secret, now=now + timedelta(minutes=15, seconds=-1)) is not None
    assert open_link(secret, now=now + timedelta(minutes=15)) is None
    assert use_link(secret, address="-", now=now + timedelta(minutes=15)) is None
    assert use_link(secret, address="-", now=now + timedelta(minutes=14)) == ada


def test_a_newer_link_voids_the_older(acme: TenantRef, ada: User, now: datetime) -> None:
    older = path_of(issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=now)).split("/")[3]
    newer = path_of(issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=now)).split("/")[3]
    assert open_link(older, now=now) is None
    assert open_link(newer, now=now) is not None


def test_of_many_who_use_a_link_at_once_one_gets_in(acme: TenantRef, ada: User, now: datetime) -> None:
    secret = path_of(issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=now)).split("/")[3]
    start = Barrier(4)

    def attempt(_number: int) -> bool:
        with bound(acme.id):
            start.wait()
            try:
                return use_link(secret, address="-", now=now) is not None
            finally:
                connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]
    assert AuditEvent.objects.filter(verb="accounts.recovery_used").count() == 1


def test_a_link_works_on_its_own_tenants_host_only(
    ada: User, globex: TenantRef, make_person: Callable[..., User]
) -> None:
    with bound(globex.id):
        make_person("ada@acme.example", is_tenant_admin=True)
    path = path_of(made("acme", "ada@acme.example"))
    elsewhere, here = Client(HTTP_HOST="globex.localhost"), Client(HTTP_HOST=HOST)
    with unbound():
        assert elsewhere.get(path).status_code == 404
        assert elsewhere.post(path).status_code == 404
        assert here.post(path).status_code == 302


def test_links_are_for_active_administrators_of_customers(
    ada: User, ann: User, platform: TenantRef, make_person: Callable[..., User]
) -> None:
    with bound(platform.id):
        make_person("sam@omni.example", is_tenant_admin=True)
    for slug, email in (("acme", ann.email), ("acme", "nobody@acme.example"), ("platform", "sam@omni.example")):
        with pytest.raises(CommandError):
            made(slug, email)
    assert made("acme", ada.email)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(CommandError):
        made("acme", ada.email)


def test_a_link_dies_with_the_rights_of_its_administrator(ada: User) -> None:
    path, browser = path_of(made("acme", ada.email)), Client(HTTP_HOST=HOST)
    User.objects.filter(pk=ada.pk).update(is_tenant_admin=False)
    with unbound():
        assert browser.post(path).status_code == 404
    User.objects.filter(pk=ada.pk).update(is_tenant_admin=True)
    with unbound():
        assert browser.post(path).status_code == 302
        assert browser.get("/admin/accounts/user/").status_code == 200
    User.objects.filter(pk=ada.pk).update(is_tenant_admin=False)
    with unbound():
        assert browser.get("/admin/accounts/user/").status_code == 404


def test_a_recovery_reaches_sign_in_and_people_and_nothing_else(recovered: Client) -> None:
    with unbound():
        for model in tenant_admin_site._registry:
            path = reverse(
                f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", urlconf="omni.urls.tenant"
            )
            expected = 200 if model._meta.label in OPEN else 404
            assert recovered.get(path).status_code == expected, path
        for path in ("/dashboards/x/", "/trust/", "/support/", "/view-as/", "/accounts/sessions/", "/accounts/tokens/",
                     "/api/v1/datasets"):  # fmt: skip
            assert recovered.get(path).status_code == 404, path
        assert recovered.post("/api/v1/query", "{}", content_type="application/json").status_code == 404
        assert recovered.get("/")["Location"] == "/accounts/recovery/"
        index = recovered.get("/admin/")
        assert index.status_code == 200
        assert b"Recovery until" in index.content
        assert b"datamodels" not in index.content


def test_a_recovery_holds_no_permission_on_any_object(ada: User, now: datetime) -> None:
    group = UserGroup.objects.create(name="Analysts")
    GroupMembership.objects.create(user=ada, group=group)
    data_model = DataModel.objects.create(
        name="m", connection=Connection.objects.create(name="c", dialect="duckdb", database="x")
    )
    dataset = Dataset.objects.create(data_model=data_model, name="Sales", label="Sales")
    grant_permission(group=group, permission="query_dataset", obj=dataset, by=SYSTEM, now=now)
    assert permitted(actor_for_user(ada), Dataset, "query_dataset").exists()
    actor = actor_for_recovery(Identity(ada, rights_of(ada)))
    assert not permitted(actor, Dataset, "query_dataset").exists()
    assert (actor.is_tenant_admin, actor.attributes, actor.group_names) == (False, {}, frozenset())


def test_in_a_recovery_a_provider_can_be_added(recovered: Client) -> None:
    data = {
        "name": "Main", "slug": "main", "protocol": "oidc", "issuer": "https://idp.example", "client_id": "omni",
        "client_secret": "s", "scopes": "openid", "is_enabled": "on", "mappings-TOTAL_FORMS": "0",
        "mappings-INITIAL_FORMS": "0", "domains-TOTAL_FORMS": "0", "domains-INITIAL_FORMS": "0",
            "name_id_format": IdentityProvider.NameId.PERSISTENT.value,
    }  # fmt: skip
    with unbound():
        answer = recovered.post("/admin/accounts/identityprovider/add/", data)
    assert answer.status_code == 302, answer.content[:3000]
    assert IdentityProvider.objects.get().name == "Main"


def test_in_a_recovery_nobody_becomes_an_administrator(recovered: Client, ada: User, ann: User) -> None:
    forms = {f"{prefix}-{part}": "0" for prefix in ("attribute_values", "memberships", "tokens") for part in ("TOTAL_FORMS", "INITIAL_FORMS")}  # fmt: skip
    data = {"email": ann.email, "name": "Ann", "timezone": "UTC", "is_active": "on", "is_tenant_admin": "on", **forms}
    with unbound():
        assert recovered.post(f"/admin/accounts/user/{ann.pk}/change/", data).status_code == 302
    assert not User.objects.get(pk=ann.pk).is_tenant_admin


def test_in_a_recovery_nobody_changes_their_own_groups(recovered: Client, ada: User, ann: User) -> None:
    """Neither its name nor its attributes, which policies read; nor does the group go. Another group is free."""
    region = AttributeDefinition.objects.create(name="region", label="Region")
    own, other = UserGroup.objects.create(name="Mine"), UserGroup.objects.create(name="Theirs")
    GroupMembership.objects.create(user=ada, group=own)
    GroupMembership.objects.create(user=ann, group=other)
    form = {"name": "Renamed", "description": "", "claim_value": ""}
    form |= {
        "attribute_values-TOTAL_FORMS": "1",
        "attribute_values-INITIAL_FORMS": "0",
        "attribute_values-0-text": "ALL",
    }
    form |= {"attribute_values-0-definition": str(region.pk), "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}  # fmt: skip
    for group, name in ((own, "Mine"), (other, "Renamed")):
        page = f"/admin/accounts/usergroup/{group.pk}/"
        with unbound():
            recovered.post(f"{page}change/", form)
            recovered.post(f"{page}keeper/", {"post": "yes"})
            gone = recovered.get(f"{page}delete/").status_code
        group.refresh_from_db()
        assert (group.name, gone) == (name, 403 if group == own else 200)
        assert GroupAttribute.objects.filter(group=group).exists() is (group == other)


def test_a_recovery_lasts_half_an_hour(recovered: Client) -> None:
    row = UserSession.objects.get()
    row.started_at -= timedelta(minutes=29)
    row.save()
    with unbound():
        assert recovered.get("/accounts/recovery/").status_code == 200
    row.refresh_from_db()
    assert row.kind == "recovery"
    row.started_at -= timedelta(minutes=1)
    row.save()
    with unbound():
        assert recovered.get("/accounts/recovery/").status_code == 302


def test_a_recovery_works_where_the_list_of_networks_has_locked_everybody_out(acme: TenantRef, ada: User) -> None:
    Tenant.objects.filter(pk=acme.id).update(networks_people=["203.0.113.0/24"])
    browser = Client(HTTP_HOST=HOST)
    path = path_of(made("acme", ada.email))
    with unbound():
        assert browser.get("/accounts/sign-in/").status_code == 403
        assert browser.post(path).status_code == 302
        assert browser.get("/admin/tenants/signinsettings/").status_code == 200


def test_a_new_tenants_administrator_is_invited_and_gets_a_link(make_tenant: Callable[..., TenantRef]) -> None:
    out = StringIO()
    with unbound():
        call_command("create_tenant", "newco", "--name", "Newco", "--admin-email", "root@newco.example", stdout=out)
    printed = out.getvalue()
    link = re.search(r"http://newco\.localhost:\d+(/accounts/recover/\S+)", printed)
    assert link is not None
    browser = Client(HTTP_HOST="newco.localhost")
    with unbound():
        assert browser.post(link[1]).status_code == 302
        assert browser.get("/admin/accounts/identityprovider/add/").status_code == 200
    with bound(tenant_by_slug("newco").id):
        root = User.objects.get()
        assert (root.email, root.is_tenant_admin, root.subject) == ("root@newco.example", True, None)


def test_the_last_administrator_whom_the_directory_has_shut_out_is_admitted_on_the_server(ada: User) -> None:
    """The directory may shut out anybody, the last administrator too; who runs the server lets one in again."""
    set_active(ada, is_active=False, by=SYSTEM, now=datetime.now(UTC))
    with pytest.raises(CommandError, match="was shut out; --admit lets them in again"):
        made("acme", ada.email)
    with unbound(), pytest.raises(CommandError, match="is here already; recover_admin"):
        call_command("create_user", "acme", "Ada@acme.example", "--admin")
    assert not User.objects.get(pk=ada.pk).is_active
    out, browser = StringIO(), Client(HTTP_HOST=HOST)
    with unbound():
        call_command("recover_admin", "acme", ada.email, "--admit", stdout=out)
        assert browser.post(path_of(out.getvalue().strip()))["Location"] == "/accounts/recovery/"
        assert browser.get("/accounts/recovery/").status_code == 200
    assert AuditEvent.objects.filter(verb="accounts.user_activated").exists()


@pytest.mark.parametrize("is_removed", [True, False])
def test_admitting_makes_nobody_an_administrator(ada: User, ann: User, now: datetime, is_removed: bool) -> None:
    if is_removed:
        remove_person(ada, by=SYSTEM, now=now)
    else:
        set_active(ann, is_active=False, by=SYSTEM, now=now)
    with unbound(), pytest.raises(CommandError, match="no administrator"):
        call_command("recover_admin", "acme", ada.email if is_removed else ann.email, "--admit")
    assert not User.objects.filter(pk=(ada if is_removed else ann).pk, is_active=True).exists()
    if is_removed:  # the address is free again
        with unbound():
            call_command("create_user", "acme", ada.email, "--admin", stdout=StringIO())
        assert User.objects.get(email=ada.email).is_tenant_admin

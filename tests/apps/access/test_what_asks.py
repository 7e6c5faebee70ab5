"""Every page and action of the administration that writes asks for a fresh sign-in when it widens, or is named here with its reason."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.access.models import Role, RoleAssignment
from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.access.sites import tenant_admin_site
from apps.accounts.models import (
    AttributeDefinition,
    GroupAttribute,
    GroupMembership,
    ServiceAccount,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.services import create_service_account
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.dashboards.models import Folder
from apps.datamodels.models import Dataset, DatasetUserPermission, ModelVersion
from apps.datamodels.services import open_draft
from apps.tenants.binding import unbound
from tests.apps.conftest import SignedIn, asked
from tests.apps.queries.conftest import sales, source

__all__ = ["sales", "source"]
CONFIRM = "/accounts/confirm/?next="
TOLD_ELSEWHERE = {
    "accounts.IdentityProvider add", "accounts.IdentityProvider change", "accounts.IdentityProvider delete",
    "accounts.IdentityProvider: delete_selected", "access.Role add", "access.Role change", "access.Role delete",
    "access.Role: delete_selected", "access.RoleAssignment add", "access.RoleAssignment change",
    "access.RoleAssignment delete", "access.RoleAssignment: delete_selected", "governance.ApprovalRequest/governance_decide",
    "governance.PublishingPolicy list", "retention.ErasureOrder list", "tenants.SignInSettings list",
}  # fmt: skip
"""these ask as well: test_dangerous_actions, test_confirming, test_blast_pages and test_orders tell of them"""
TAKES_AWAY = "takes away only"
DRAFTS = "a draft, which nobody sees before it is published; publishing asks"
LOOKS = "shows only"
ORDINARY = {
    "accounts.AttributeDefinition add": "opens nothing",
    "accounts.AttributeDefinition change": "words; a name never changes, a type only while nobody has a value",
    "accounts.AttributeDefinition delete": "rules that ask for it refuse everybody then",
    "accounts.User: deactivate": TAKES_AWAY,
    "accounts.User: end_sessions": TAKES_AWAY,
    "accounts.User/person_claims": LOOKS,
    "accounts.UserGroup delete": TAKES_AWAY,
    "accounts.UserGroup: delete_selected": TAKES_AWAY,
    "accounts.IdentityProvider/accounts_provider_metadata": LOOKS,
    "accounts.IdentityProvider/accounts_provider_test": "asks the provider what it answers, and keeps nothing",
    "access.AccessReview/access_review_export": LOOKS,
    "access.AccessReview/access_review_find": LOOKS,
    "access.AccessReview/access_review_page": LOOKS,
    "access.AccessReview/access_review_sign": "records that somebody has looked",
    "accounts.ScimToken: revoke": TAKES_AWAY,
    "accounts.ServiceAccount add": "holds nothing and does nothing before it has a token, which asks",
    "accounts.ServiceAccount: disable": TAKES_AWAY,
    "accounts.ServiceAccount: enable": "its tokens stay revoked, and a new one asks",
    "accounts.ServiceAccount/accounts_serviceaccount_switch": "its tokens stay revoked, and a new one asks",
    "accounts.ApiToken: revoke": TAKES_AWAY,
    "accounts.UserSession: end": TAKES_AWAY,
    "connections.Connection delete": TAKES_AWAY,
    "connections.Connection: delete_selected": TAKES_AWAY,
    "connections.Connection: check_selected": "opens the source as the worker does every day",
    "connections.Connection/connections_connection_check_one": "opens the source as the worker does every day",
    "connections.Connection/connections_connection_show_catalogue": LOOKS,
    "datamodels.DataModel/datamodels_classify_page": DRAFTS,
    "datamodels.DataModel/datamodels_diff_page": LOOKS,
    "datamodels.DataModel/datamodels_discard_page": DRAFTS,
    "datamodels.DataModel/datamodels_file_page": DRAFTS,
    "datamodels.DataModel/datamodels_model_page": LOOKS,
    "datamodels.DataModel/datamodels_rebase_page": DRAFTS,
    "datamodels.DataModel/datamodels_refresh": DRAFTS,
    "datamodels.DataModel/datamodels_start_draft": DRAFTS,
    "datamodels.DataModel/datamodels_version_page": LOOKS,
    "governance.ApprovalRequest/governance_blast_radius": "asks another administrator, whose approval asks",
    "queries.QueryRun: cancel_selected": TAKES_AWAY,
    "queries.DownloadLimit add": "lies within the operator's own limit, and opens no data",
    "queries.DownloadLimit change": "lies within the operator's own limit, and opens no data",
    "queries.DownloadLimit delete": "lies within the operator's own limit, and opens no data",
    "queries.DownloadLimit: delete_selected": "lies within the operator's own limit, and opens no data",
    "dashboards.Dashboard delete": TAKES_AWAY,
    "dashboards.Dashboard: delete_selected": TAKES_AWAY,
    "dashboards.Folder delete": TAKES_AWAY,
    "dashboards.Folder: delete_selected": TAKES_AWAY,
    "queries.KeepingLimit list": "lies within the operator's own limit, and opens no data",
}
"""What writes, or could, without a fresh sign-in, each with the reason."""
LISTS_THAT_WRITE = (
    "governance.PublishingPolicy",
    "queries.KeepingLimit",
    "tenants.SignInSettings",
    "retention.ErasureOrder",
)
"""one page instead of a list"""


@dataclass
class House:
    """One of everything that can be opened to somebody."""

    ada: User
    bob: User
    cy: User
    group: UserGroup
    region: AttributeDefinition
    sales: Dataset
    mill: Connection
    folder: Folder
    robot: ServiceAccount
    draft: ModelVersion


@pytest.fixture
def house(ada: User, bob: User, make_person: Callable[..., User], sales: Dataset, now: datetime) -> House:
    region = AttributeDefinition.objects.get(name="region")
    group = UserGroup.objects.create(name="Sellers")
    role = Role.objects.create(name="All", capabilities=["manage_connections", "manage_people"])
    RoleAssignment.objects.create(group=group, role=role)
    mill = save_connection(
        Connection(name="mill", dialect="postgres", host="8.8.8.8", port=5432, database="mill", username="r"),
        secret="pw", by=SYSTEM, now=now,
    )  # fmt: skip
    return House(
        ada, bob, make_person("cy@acme.example", is_active=False), group, region, sales, mill,
        Folder.objects.create(name="Board"), create_service_account(name="Nightly", owner=bob, by=SYSTEM, now=now),
        open_draft(sales.data_model, by=actor_for_user(ada), now=now),
    )  # fmt: skip


def parts(**rows: dict[str, str]) -> dict[str, str]:
    """Return the parts of a page's form: the named ones with one row, an added one unless it has an id."""
    made: dict[str, str] = {}
    for prefix in ("memberships", "attribute_values", "tokens", "checks", "tiles", "filters"):
        row = rows.get(prefix)
        made |= {f"{prefix}-TOTAL_FORMS": str(int(row is not None)), f"{prefix}-INITIAL_FORMS": str(int("id" in (row or {})))}  # fmt: skip
        made |= {f"{prefix}-0-{name}": value for name, value in (row or {}).items()}
    return made


def at(label: str, name: str, *args: object) -> str:
    app_label, model_name = label.lower().split(".")
    return reverse(f"admin:{app_label}_{model_name}_{name}", args=args, urlconf="omni.urls.tenant")


def person(user: User, **more: str) -> dict[str, str]:
    is_active = {"is_active": "on"} if user.is_active else {}
    return {"email": user.email, "name": user.name, "timezone": "UTC", **is_active, **parts()} | more


def source_form(mill: Connection, **more: str) -> dict[str, str]:
    return {
        "name": mill.name, "dialect": "postgres", "host": mill.host, "port": "5432", "database": "mill", "username": "r",
        "options": "{}", "max_rows": "100", "max_bytes": "1000000", "timeout_s": "30", "max_running": "2", **parts(),
    } | more  # fmt: skip


Send = Callable[[House], tuple[str, dict[str, Any] | None]]
"""an address and what is posted there; None: the page asks before it is shown"""


def on_person(pick: Callable[[House], User], more: Callable[[House], dict[str, str]]) -> Send:
    return lambda house: (at("accounts.User", "change", pick(house).pk), person(pick(house)) | more(house))


def on_group(more: Callable[[House], dict[str, str]]) -> Send:
    plain = {"name": "Sellers", "description": "", "claim_value": "", **parts()}
    return lambda house: (at("accounts.UserGroup", "change", house.group.pk), plain | more(house))


def on_mill(**more: str) -> Send:
    return lambda house: (at("connections.Connection", "change", house.mill.pk), source_form(house.mill, **more))


def on_robot(more: Callable[[House], dict[str, str]]) -> Send:
    return lambda house: (
        at("accounts.ServiceAccount", "change", house.robot.pk),
        {"name": "Nightly", "owner": str(house.bob.pk), **parts()} | more(house),
    )


def gets_value(house: House) -> dict[str, str]:
    return parts(attribute_values={"definition": str(house.region.pk), "text": "ALL"})


def gets_group(house: House) -> dict[str, str]:
    return parts(memberships={"group": str(house.group.pk)})


ASKING: tuple[tuple[str, str, Send], ...] = (
    ("accounts.User add", "into a group", lambda h: (at("accounts.User", "add"), {"email": "new@acme.example", "timezone": "UTC", "is_active": "on"} | gets_group(h))),
    ("accounts.User add", "as administrator", lambda h: (at("accounts.User", "add"), {"email": "new@acme.example", "timezone": "UTC", "is_active": "on", "is_tenant_admin": "on", **parts()})),
    ("accounts.User change", "admitted", on_person(lambda h: h.cy, lambda h: {"is_active": "on"})),
    ("accounts.User change", "another address", on_person(lambda h: h.bob, lambda h: {"email": "boss@acme.example"})),
    ("accounts.User change", "administrator", on_person(lambda h: h.bob, lambda h: {"is_tenant_admin": "on"})),
    ("accounts.User change", "into a group", on_person(lambda h: h.bob, gets_group)),
    ("accounts.User change", "an attribute", on_person(lambda h: h.bob, gets_value)),
    ("accounts.User: activate", "admitted", lambda h: (at("accounts.User", "changelist") + "?q=cy", {"action": "activate", "_selected_action": [str(h.cy.pk)]})),
    ("accounts.UserGroup add", "claims fill it by its name", lambda h: (at("accounts.UserGroup", "add"), {"name": "Board", "description": "", "claim_value": "", **parts()})),
    ("accounts.UserGroup change", "a member", on_group(lambda h: parts(memberships={"user": str(h.bob.pk)}))),
    ("accounts.UserGroup change", "an attribute", on_group(gets_value)),
    ("accounts.UserGroup change", "a claim", on_group(lambda h: {"claim_value": "everyone"})),
    ("accounts.UserGroup change", "another name", on_group(lambda h: {"name": "everyone"})),
    ("accounts.UserGroup/group_keeper", "who keeps it", lambda h: (f"/admin/accounts/usergroup/{h.group.pk}/keeper/", None)),
    ("accounts.ScimToken add", "a token", lambda h: (at("accounts.ScimToken", "add"), {"name": "Okta", "days": "3"})),
    ("accounts.ServiceAccount change", "another owner", on_robot(lambda h: {"owner": str(h.ada.pk)})),
    ("accounts.ServiceAccount change", "into a group", on_robot(gets_group)),
    ("accounts.ServiceAccount/accounts_serviceaccount_token", "a token", lambda h: (f"/admin/accounts/serviceaccount/{h.robot.pk}/token/", None)),
    ("connections.Connection add", "with a password", lambda h: (at("connections.Connection", "add"), source_form(h.mill, name="other", password="x"))),
    ("connections.Connection add", "without", lambda h: (at("connections.Connection", "add"), source_form(h.mill, name="other"))),
    ("connections.Connection change", "a password", on_mill(replaces_credential="on", password="y")),
    ("connections.Connection change", "less TLS", on_mill(options='{"sslmode": "disable"}')),
    ("connections.Connection change", "TLS as before", on_mill(options='{"sslmode": "verify-full"}')),
    ("connections.Connection change", "another host", on_mill(host="8.8.4.4", replaces_credential="on", password="y")),
    ("connections.Connection change", "a holder", on_mill(manage_connection_people="{bob}")),
    ("connections.Connection/connections_connection_rotate_password", "rotated", lambda h: (f"/admin/connections/connection/{h.mill.pk}/rotate/", None)),
    ("datamodels.DataModel change", "a holder", lambda h: (f"/admin/datamodels/datamodel/{h.sales.data_model_id}/holders/", {"manage_datamodel_people": str(h.bob.pk)})),
    ("datamodels.DataModel/datamodels_holders", "a holder", lambda h: (f"/admin/datamodels/datamodel/{h.sales.data_model_id}/holders/", {"manage_datamodel_groups": str(h.group.pk)})),
    ("datamodels.DataModel/datamodels_publish_page", "published", lambda h: (f"/admin/datamodels/datamodel/{h.sales.data_model_id}/versions/{h.draft.number}/publish/", {"digest": h.draft.digest})),
    ("datamodels.Dataset change", "a person", lambda h: (at("datamodels.Dataset", "change", h.sales.pk), {"query_dataset_people": str(h.bob.pk)})),
    ("datamodels.Dataset change", "a group", lambda h: (at("datamodels.Dataset", "change", h.sales.pk), {"query_dataset_groups": str(h.group.pk)})),
    ("dashboards.Dashboard add", "with a reader", lambda h: (at("dashboards.Dashboard", "add"), {"title": "One", "slug": "one", "view_dashboard_people": str(h.bob.pk), **parts()})),
    ("dashboards.Folder add", "with a reader", lambda h: (at("dashboards.Folder", "add"), {"name": "One", "view_folder_people": str(h.bob.pk)})),
    ("dashboards.Folder change", "a reader", lambda h: (at("dashboards.Folder", "change", h.folder.pk), {"name": "Board", "view_folder_people": str(h.bob.pk)})),
    ("vault.TenantKey/vault_tenantkey_rotate_key", "rotated", lambda h: ("/admin/vault/tenantkey/rotate/", None)),
)  # fmt: skip


def writing_pages(ada: User) -> set[str]:
    """Return what an administrator may send to the administration: pages, actions of lists, addresses beside them."""
    request: Any = RequestFactory().get("/admin/")
    request.actor, found = actor_for_user(ada), set()
    for model, page in tenant_admin_site._registry.items():
        label = model._meta.label
        found |= {
            f"{label} {verb}"
            for verb in ("add", "change", "delete")
            if getattr(page, f"has_{verb}_permission")(request)
        }
        found |= {f"{label}: {name}" for name in page.get_actions(request)}
        usual = {
            f"{label.lower().replace('.', '_')}_{name}" for name in ("changelist", "add", "history", "delete", "change")
        }
        found |= {f"{label}/{url.name}" for url in page.get_urls() if url.name and url.name not in usual}
    return found | {f"{label} list" for label in LISTS_THAT_WRITE}  # fmt: skip


def test_every_page_that_writes_asks_or_is_named_with_its_reason(ada: User) -> None:
    asks = {key for key, _, _ in ASKING} | TOLD_ELSEWHERE | {"dashboards.Dashboard change"}
    assert not asks & ORDINARY.keys()
    assert asks | ORDINARY.keys() == writing_pages(ada)


def test_no_other_list_takes_what_is_posted(signed_in: SignedIn, ada: User) -> None:
    """A list without actions of its own answers a POST as it answers a GET, and writes nothing."""
    browser, actions = signed_in(ada), writing_pages(ada)
    for model in tenant_admin_site._registry:
        label = model._meta.label
        if label in LISTS_THAT_WRITE or any(key.startswith(f"{label}: ") for key in actions):
            continue
        before = AuditEvent.objects.count()
        with unbound():
            assert browser.post(at(label, "changelist"), {"switch": "on", "act": "forget"}).status_code in (200, 302), (
                label
            )
        assert AuditEvent.objects.count() == before, label


def sent(browser: Client, path: str, data: dict[str, Any] | None) -> Any:
    with unbound():
        return browser.get(path) if data is None else browser.post(path, data)


@pytest.mark.parametrize(("key", "title", "send"), ASKING, ids=[f"{key}-{title}" for key, title, _ in ASKING])
def test_it_asks_whoever_has_not_signed_in_lately_and_changes_nothing(
    house: House, signed_in: SignedIn, key: str, title: str, send: Send
) -> None:
    path, data = send(house)
    data = data and {name: str(house.bob.pk) if value == "{bob}" else value for name, value in data.items()}
    stale, fresh, before = signed_in(house.ada, is_fresh=False), signed_in(house.ada), AuditEvent.objects.count()
    away = sent(stale, path, data)
    assert away.status_code == 302, away.context and away.context.get("errors")
    assert away["Location"].startswith(CONFIRM)
    assert parse_qs(urlsplit(away["Location"]).query)["next"] == [path]
    assert AuditEvent.objects.count() == before
    if data and "action" in data:
        data = asked(fresh, path, data)
    done = sent(fresh, path, data)
    assert not done.headers.get("Location", "").startswith(CONFIRM)
    assert done.status_code == (200 if data is None or "days" in data else 302), done.context["errors"]
    assert data is None or AuditEvent.objects.count() > before


def leaves_group(house: House) -> dict[str, str]:
    row = GroupMembership.objects.create(user=house.bob, group=house.group)
    return parts(
        memberships={"id": str(row.pk), "group": str(house.group.pk), "user": str(house.bob.pk), "DELETE": "on"}
    )


def loses_value(house: House) -> dict[str, str]:
    row = UserAttribute.objects.create(user=house.bob, definition=house.region, values=["EU"], source="administrator")
    return parts(attribute_values={"id": str(row.pk), "definition": str(house.region.pk), "text": "EU", "DELETE": "on"})


def keeps_values(house: House) -> dict[str, str]:
    """As a browser sends values back that nobody has touched: lines end with two characters."""
    row = GroupAttribute.objects.create(group=house.group, definition=house.region, values=["EU", "US"])
    kept = {"id": str(row.pk), "definition": str(house.region.pk), "text": "EU\r\nUS"}
    return parts(attribute_values=kept) | {"description": "Who sells."}


def was_granted(house: House, *kept: str) -> tuple[str, dict[str, Any]]:
    """Bob and Cy may query; only who is named stays."""
    for user in (house.bob, house.cy):
        grant_permission(
            user=user, permission="query_dataset", obj=house.sales, by=SYSTEM, now=datetime.now().astimezone()
        )
    stays = [str(getattr(house, name).pk) for name in kept]
    return at("datamodels.Dataset", "change", house.sales.pk), {"query_dataset_people": stays}


FREE: tuple[tuple[str, Send], ...] = (
    ("an invitation", lambda h: (at("accounts.User", "add"), {"email": "new@acme.example", "timezone": "UTC", "is_active": "on", **parts()})),
    ("shutting out", lambda h: (at("accounts.User", "change", h.bob.pk), {key: value for key, value in person(h.bob).items() if key != "is_active"})),
    ("another name", on_person(lambda h: h.bob, lambda h: {"name": "Robert"})),
    ("leaving a group, on the person's page", on_person(lambda h: h.bob, leaves_group)),
    ("leaving a group, on the group's page", on_group(leaves_group)),
    ("an attribute less", on_person(lambda h: h.bob, loses_value)),
    ("what a group is for", on_group(keeps_values)),
    ("a name of a service account", on_robot(lambda h: {"name": "Weekly"})),
    ("a limit of a connection", on_mill(max_rows="99")),
    ("one reader less", lambda h: was_granted(h, "bob")),
    ("no reader", was_granted),
    ("a folder", lambda h: (at("dashboards.Folder", "add"), {"name": "One"})),
)  # fmt: skip


@pytest.mark.parametrize(("title", "send"), FREE, ids=[title for title, _ in FREE])
def test_what_takes_away_or_opens_nothing_does_not_ask(
    house: House, signed_in: SignedIn, title: str, send: Send
) -> None:
    path, data = send(house)
    before, stale = AuditEvent.objects.count(), signed_in(house.ada, is_fresh=False)
    done = sent(stale, path, data)
    assert done.status_code == 302, done.context["errors"]
    assert not done["Location"].startswith(CONFIRM)
    assert AuditEvent.objects.count() > before


def test_one_may_take_a_holder_away_and_must_confirm_to_put_another_in(house: House, signed_in: SignedIn) -> None:
    path, data = was_granted(house, "ada")
    away = sent(signed_in(house.ada, is_fresh=False), path, data)
    assert away["Location"].startswith(CONFIRM)
    held = DatasetUserPermission.objects.filter(content_object=house.sales).values_list("user_id", flat=True)
    assert set(held) == {house.bob.pk, house.cy.pk}


def test_a_mistake_in_the_form_is_told_before_anybody_is_sent_away(house: House, signed_in: SignedIn) -> None:
    path, data = on_group(lambda h: {"claim_value": "everyone", "name": ""})(house)
    assert sent(signed_in(house.ada, is_fresh=False), path, data).status_code == 200


@pytest.mark.parametrize(
    ("path", "is_offered"),
    [
        (lambda h: at("accounts.User", "change", h.bob.pk), True),
        (lambda h: at("accounts.UserGroup", "add"), True),
        (lambda h: at("connections.Connection", "change", h.mill.pk), True),
        (lambda h: at("datamodels.Dataset", "change", h.sales.pk), True),
        (lambda h: at("dashboards.Folder", "add"), True),
        (lambda h: at("accounts.AttributeDefinition", "change", h.region.pk), False),
    ],
)
def test_a_form_that_may_ask_offers_the_fresh_sign_in_before_it_is_filled_in(
    house: House, signed_in: SignedIn, path: Callable[[House], str], is_offered: bool
) -> None:
    address = path(house)
    way = f'href="{CONFIRM}{quote(address, safe="")}"'
    for browser, expected in ((signed_in(house.ada, is_fresh=False), is_offered), (signed_in(house.ada), False)):
        page = sent(browser, address, None)
        assert page.status_code == 200
        assert (way in page.content.decode()) == expected

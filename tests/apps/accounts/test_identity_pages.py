"""Pages for people who administer: tokens shown once, groups and where members came from, attributes that stay what they are."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.access.models import RoleAssignment
from apps.access.selectors import actor_for_user
from apps.accounts.models import (
    AttributeDefinition,
    GroupAttribute,
    GroupMembership,
    ScimToken,
    User,
    UserAttribute,
    UserGroup,
)
from apps.audit.models import AuditEvent
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.conftest import ATTRIBUTES, Browser, ScimClient
from tests.apps.conftest import SignedIn, confirmed

NONE = {
    f"{prefix}-{part}": "0"
    for prefix in ("memberships", "attribute_values")
    for part in ("TOTAL_FORMS", "INITIAL_FORMS")
}


def send(browser: Client, path: str, data: dict[str, Any] | None = None) -> Any:
    with unbound():
        return browser.get(path) if data is None else browser.post(path, data)


@pytest.fixture
def pam(acme: TenantRef, ann: User) -> User:
    """Ann, who may manage people and is no tenant administrator."""
    from apps.access.models import Role

    role = Role.objects.create(name="People", capabilities=["manage_people"])
    RoleAssignment.objects.create(user=ann, role=role)
    return ann


def test_a_scim_token_is_shown_once_and_works(as_: Browser, ada: User) -> None:
    browser = as_(ada)
    answer = send(browser, "/admin/accounts/scimtoken/add/", {"name": "Okta", "days": "30"})
    found = re.search(r"omni_scim_[\w-]+", answer.content.decode())
    assert found is not None
    assert "no-store" in answer["Cache-Control"]
    assert ScimClient(found.group()).send("GET", "/Users").status_code == 200
    row = ScimToken.objects.get()
    for path in (
        "/admin/accounts/scimtoken/",
        f"/admin/accounts/scimtoken/{row.pk}/change/",
        "/admin/audit/auditevent/",
    ):
        assert "omni_scim_" not in send(browser, path).content.decode()
    revoked = confirmed(browser, "/admin/accounts/scimtoken/", {"action": "revoke", "_selected_action": str(row.pk)})
    assert revoked.status_code == 302
    assert ScimClient(found.group()).send("GET", "/Users").status_code == 401
    verbs = list(AuditEvent.objects.filter(verb__startswith="accounts.scim").values_list("verb", flat=True))
    assert verbs == ["accounts.scim_access_revoked", "accounts.scim_access_issued"]


def test_only_tenant_administrators_make_scim_tokens(as_: Browser, ada: User, pam: User) -> None:
    assert send(as_(ada), "/admin/accounts/scimtoken/").status_code == 200
    assert send(as_(pam), "/admin/accounts/usergroup/").status_code == 200
    for data in (None, {"name": "Mine", "days": "30"}):
        assert send(as_(pam), "/admin/accounts/scimtoken/add/", data).status_code in (403, 404)
    assert not ScimToken.objects.exists()


def test_a_token_from_the_command_works_and_the_platform_gets_none(acme: TenantRef, platform: TenantRef) -> None:
    out = StringIO()
    call_command("issue_scim_token", "acme", name="okta", days=5, stdout=out)
    assert ScimClient(out.getvalue().strip()).send("GET", "/Users").status_code == 200
    for slug, days in (("acme", 0), ("acme", 400), ("platform", 5), ("nobody", 5)):
        with pytest.raises(CommandError):
            call_command("issue_scim_token", slug, name="x", days=days, stdout=out)


def test_a_groups_members_say_where_they_came_from(as_: Browser, ada: User, ann: User, bob: User) -> None:
    finance, other = UserGroup.objects.create(name="Finance"), UserGroup.objects.create(name="Other")
    GroupMembership.objects.create(user=ann, group=finance, source="claim")
    GroupMembership.objects.create(user=ann, group=finance)
    GroupMembership.objects.create(user=bob, group=other, source="scim")
    browser = as_(ada)
    listed = send(browser, f"/admin/accounts/groupmembership/?group__id__exact={finance.pk}").content.decode()
    assert listed.count("ann@acme.example") == 2
    assert "identity provider, at sign-in" in listed
    assert "bob@acme.example" not in listed
    assert "bob@acme.example" in send(browser, "/admin/accounts/groupmembership/?q=bob").content.decode()
    changed = send(browser, f"/admin/accounts/usergroup/{finance.pk}/change/").content.decode()
    assert "1 by identity provider, at sign-in" in changed
    row = GroupMembership.objects.filter(source="claim").get()
    assert send(browser, f"/admin/accounts/groupmembership/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_group_is_handed_over_after_a_page_that_says_what_happens(
    as_: Browser, ada: User, ann: User, okta: ScimClient
) -> None:
    finance = UserGroup.objects.create(name="Finance")
    GroupMembership.objects.create(user=ann, group=finance, source="claim")
    path = f"/admin/accounts/usergroup/{finance.pk}/keeper/"
    asked = send(as_(ada), path).content.decode()
    assert "1 member whom claims have put in leaves the group" in " ".join(asked.split())
    assert okta.send("GET", f"/Groups/{finance.pk}").status_code == 404
    assert send(as_(ann), path, {}).status_code == 404
    assert confirmed(as_(ada), path).status_code == 302
    assert okta.send("GET", f"/Groups/{finance.pk}").status_code == 200
    assert AuditEvent.objects.filter(verb="accounts.group_handed_over", actor_id=ada.pk).exists()
    assert confirmed(as_(ada), path).status_code == 302
    assert okta.send("GET", f"/Groups/{finance.pk}").status_code == 404


def test_members_of_a_group_cannot_give_it_attributes(
    as_: Browser, pam: User, bob: User, region: AttributeDefinition
) -> None:
    def give(group: UserGroup) -> None:
        data = NONE | {
            "name": group.name, "description": "", "claim_value": "", "attribute_values-TOTAL_FORMS": "1",
            "attribute_values-0-definition": str(region.pk), "attribute_values-0-text": "EU\nUS",
        }  # fmt: skip
        send(as_(pam), f"/admin/accounts/usergroup/{group.pk}/change/", data)

    own, theirs = UserGroup.objects.create(name="Own"), UserGroup.objects.create(name="Theirs")
    GroupMembership.objects.create(user=pam, group=own, source="scim")
    GroupMembership.objects.create(user=bob, group=theirs)
    give(own)
    assert not GroupAttribute.objects.exists()
    give(theirs)
    assert actor_for_user(bob).attributes["region"].values == ("EU", "US")
    assert GroupAttribute.objects.get().origin == "Ann"


def person_data(user: User, **extra: str) -> dict[str, str]:
    parts = {
        f"{prefix}-{part}": "0"
        for prefix in ("attribute_values", "memberships", "tokens")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    return {"email": user.email, "name": user.name, "timezone": "UTC", "is_active": "on"} | parts | extra


def test_a_persons_page_shows_every_source_and_writes_only_by_hand(
    as_: Browser, ada: User, okta: ScimClient, region: AttributeDefinition
) -> None:
    made = okta.make("eve@acme.example", **{ATTRIBUTES: {"region": ["EU"]}})
    eve = User.objects.get(pk=made["id"])
    browser, path = as_(ada), f"/admin/accounts/user/{made['id']}/change/"
    assert "SCIM token okta" in send(browser, path).content.decode()
    extra = {
        "attribute_values-TOTAL_FORMS": "1",
        "attribute_values-0-definition": str(region.pk),
        "attribute_values-0-text": "US",
    }
    assert send(browser, path, person_data(eve, **extra)).status_code == 302
    assert actor_for_user(eve).attributes["region"].values == ("US",)
    assert sorted(UserAttribute.objects.values_list("source", "origin")) == [
        ("administrator", "Ada"),
        ("scim", "SCIM token okta"),
    ]
    again = send(browser, path, person_data(eve, **extra))
    assert again.status_code == 200  # a second value by hand is an error on the page, not a crash
    assert "scim comes first" not in send(browser, path).content.decode()
    assert "administrator comes first" in send(browser, path).content.decode().lower()


def test_who_was_removed_over_scim_is_on_no_page(as_: Browser, ada: User, okta: ScimClient) -> None:
    made = okta.make("eve@acme.example", displayName="Eve Removed")
    okta.send("DELETE", f"/Users/{made['id']}")
    browser = as_(ada)
    assert "Eve Removed" not in send(browser, "/admin/accounts/user/").content.decode()
    assert send(browser, f"/admin/accounts/user/{made['id']}/change/").status_code == 302
    send(browser, "/admin/accounts/user/", {"action": "activate", "_selected_action": made["id"]})
    assert not User.objects.get(pk=made["id"]).is_active


def test_an_attributes_name_stays_and_its_type_while_somebody_has_a_value(
    as_: Browser, ada: User, ann: User, region: AttributeDefinition
) -> None:
    browser, path = as_(ada), f"/admin/accounts/attributedefinition/{region.pk}/change/"
    change = {"name": "other", "label": "Area", "type": "number", "is_list": ""}
    group = UserGroup.objects.create(name="Europe")
    given = GroupAttribute.objects.create(group=group, definition=region, values=["EU"])
    send(browser, path, change)
    region.refresh_from_db()
    assert (region.name, region.label, region.type, region.is_list) == ("region", "Area", "string", True)
    given.delete()
    send(browser, path, change)
    region.refresh_from_db()
    assert (region.name, region.type, region.is_list) == ("region", "number", False)
    listed = send(browser, "/admin/accounts/attributedefinition/").content.decode()
    assert "omni_user_embed_entity" in listed
    assert "delete_selected" not in listed


def test_the_same_member_twice_is_an_error_on_the_page(as_: Browser, ada: User, ann: User) -> None:
    finance = UserGroup.objects.create(name="Finance")
    browser, path = as_(ada), f"/admin/accounts/usergroup/{finance.pk}/change/"
    data = NONE | {
        "name": "Finance",
        "description": "",
        "claim_value": "",
        "memberships-TOTAL_FORMS": "1",
        "memberships-0-user": str(ann.pk),
    }
    assert send(browser, path, data).status_code == 302
    again = send(browser, path, data)
    assert again.status_code == 200
    assert "stands here twice" in again.content.decode()
    assert GroupMembership.objects.count() == 1


def test_a_service_account_may_be_called_in_any_script(signed_in: SignedIn, ada: User) -> None:
    admin, base = signed_in(ada), "/admin/accounts/serviceaccount/add/"
    with unbound():
        codes = [
            admin.post(base, {"name": name, "owner": str(ada.pk)}).status_code
            for name in ("夜間エクスポート", "夜間", "夜間", "Nightly", "nightly!")
        ]
    assert codes == [302, 302, 200, 302, 200]
    assert User.objects.filter(kind=User.Kind.SERVICE).count() == 3

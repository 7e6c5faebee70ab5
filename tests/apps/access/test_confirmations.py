"""What is done is what the page before has shown: when it would be something else by now, nothing is done."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.retention.rotating import finish_tenant_key
from apps.tenants.models import Tenant
from apps.vault.models import TenantKey
from tests.apps.conftest import SignedIn, asked, press

GROUPS, SETTINGS = "/admin/accounts/usergroup/", "/admin/tenants/signinsettings/"
CHANGED = "What this does has changed since the page was made. Nothing was done; look at it again here."


@pytest.fixture
def finance(ann: User) -> UserGroup:
    group = UserGroup.objects.create(name="Finance")
    GroupMembership.objects.create(user=ann, group=group)
    return group


@pytest.fixture
def admin(signed_in: SignedIn, ada: User) -> Client:
    return signed_in(ada)


def joined(group: UserGroup, person: User) -> None:
    GroupMembership.objects.create(user=person, group=group)


def renamed(group: UserGroup, person: User) -> None:
    UserGroup.objects.filter(pk=group.pk).update(name="Board")


@pytest.mark.parametrize("meanwhile", [joined, renamed])
@pytest.mark.parametrize("is_list", [False, True], ids=["page", "list"])
def test_a_deletion_takes_what_the_page_named_and_nothing_else(
    admin: Client, finance: UserGroup, bob: User, meanwhile: Callable[[UserGroup, User], None], is_list: bool
) -> None:
    path = GROUPS if is_list else f"{GROUPS}{finance.pk}/delete/"
    data = {"action": "delete_selected", "_selected_action": [str(finance.pk)]} if is_list else None
    first = asked(admin, path, data)
    meanwhile(finance, bob)
    assert CHANGED in press(admin, path, first)
    assert UserGroup.objects.filter(pk=finance.pk).exists()
    assert CHANGED not in press(admin, path, asked(admin, path, data))
    assert not UserGroup.objects.filter(pk=finance.pk).exists()


def test_of_a_list_all_that_was_shown_goes_or_nothing(admin: Client, finance: UserGroup) -> None:
    """One of them leaves the filtered list meanwhile: it was named, so the rest does not go without it."""
    other = UserGroup.objects.create(name="Sales")
    path = f"{GROUPS}?origin__exact=administrator"
    data = {"action": "delete_selected", "_selected_action": [str(finance.pk), str(other.pk)]}
    first = asked(admin, path, data)
    UserGroup.objects.filter(pk=other.pk).update(origin=UserGroup.Origin.SCIM)
    assert CHANGED in press(admin, path, first)
    assert UserGroup.objects.count() == 2


@pytest.mark.parametrize("shown", [None, "", "0" * 64])
def test_without_what_was_shown_nothing_is_deleted(admin: Client, finance: UserGroup, shown: str | None) -> None:
    sent = {"post": "yes"} | ({} if shown is None else {"shown": shown})
    listed = {"action": "delete_selected", "_selected_action": [str(finance.pk)]}
    for path, data in ((f"{GROUPS}{finance.pk}/delete/", {}), (GROUPS, listed)):
        assert CHANGED in press(admin, path, data | sent)
    assert UserGroup.objects.filter(pk=finance.pk).exists()


def test_a_group_handed_over_by_two_is_not_taken_back(
    admin: Client, signed_in: SignedIn, ada: User, finance: UserGroup
) -> None:
    path = f"{GROUPS}{finance.pk}/keeper/"
    other = signed_in(ada)
    mine, theirs = asked(admin, path), asked(other, path)
    assert "Done." in press(other, path, theirs)
    assert CHANGED in press(admin, path, mine)
    finance.refresh_from_db()
    assert finance.origin == UserGroup.Origin.SCIM
    assert "Done." in press(admin, path, asked(admin, path))
    finance.refresh_from_db()
    assert finance.origin == UserGroup.Origin.ADMINISTRATOR


def test_whoever_has_joined_meanwhile_does_not_leave_with_the_others(
    admin: Client, finance: UserGroup, bob: User
) -> None:
    path = f"{GROUPS}{finance.pk}/keeper/"
    first = asked(admin, path)
    GroupMembership.objects.create(user=bob, group=finance, source=GroupMembership.Source.CLAIM)
    assert CHANGED in press(admin, path, first)
    assert finance.memberships.filter(user=bob).exists()


def test_settings_that_somebody_else_has_changed_meanwhile_are_not_turned_back(admin: Client) -> None:
    form = {
        "session_idle_min": "30", "session_lifetime_min": "720", "confirm_within_min": "15", "token_max_days": "366",
        "networks_people": "", "networks_tokens": "", "networks_scim": "",
    }  # fmt: skip
    first = asked(admin, SETTINGS, form)
    Tenant.objects.update(networks_scim=["203.0.113.0/24"])
    assert CHANGED in press(admin, SETTINGS, first)
    found = Tenant.objects.values_list("session_idle_min", "networks_scim").get()
    assert found == (120, ["203.0.113.0/24"])
    form["networks_scim"] = "203.0.113.0/24"
    assert "Changed." in press(admin, SETTINGS, asked(admin, SETTINGS, form))
    found = Tenant.objects.values_list("session_idle_min", "networks_scim").get()
    assert found == (30, ["203.0.113.0/24"])


def test_going_on_with_a_rotation_that_is_over_begins_no_other_one(admin: Client, now: datetime, settings: Any) -> None:
    settings.OMNI_KEY_GRACE_S = 0
    path = "/admin/vault/tenantkey/rotate/"
    seen_by_another = asked(admin, path)
    assert "A new key seals" in press(admin, path, asked(admin, path))
    going_on = asked(admin, path)
    assert finish_tenant_key(by=SYSTEM, now=now + timedelta(hours=1))
    versions = TenantKey.objects.count()
    for sent in (going_on, seen_by_another):
        assert CHANGED in press(admin, path, sent)
    assert TenantKey.objects.count() == versions

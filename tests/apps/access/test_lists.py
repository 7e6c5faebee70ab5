"""Lists of the administration: an empty one says what will stand there, and a search says what it looks at."""

import html

import pytest
from django.contrib.admin import ModelAdmin
from django.urls import reverse

from apps.access.sites import platform_admin_site, tenant_admin_site
from apps.accounts.models import User
from apps.tenants.binding import unbound
from tests.apps.conftest import SignedIn

ADMINS = [(site, admin) for site in (tenant_admin_site, platform_admin_site) for admin in site._registry.values()]
OF_TENANTS = [admin for site, admin in ADMINS if site is tenant_admin_site]
MANY = (
    "auditevent",
    "user",
    "usersession",
    "queryrun",
    "accessreview",
    "catalogtable",
    "supportrequest",
    "approvalrequest",
)
"""lists that grow long, in which one has to search and choose"""


def named(admin: ModelAdmin) -> str:  # type: ignore[type-arg]  # of any model
    return str(admin.opts.model_name)


@pytest.mark.parametrize("admin", [admin for _, admin in ADMINS], ids=named)
def test_every_list_says_what_it_is_for(admin: ModelAdmin) -> None:  # type: ignore[type-arg]  # of any model
    assert admin.nothing_yet.endswith(".")  # type: ignore[attr-defined]  # our own
    assert bool(admin.search_fields) == bool(admin.search_help_text)
    if named(admin) in MANY:
        assert admin.search_fields
        assert admin.list_filter


@pytest.mark.parametrize("admin", OF_TENANTS, ids=named)
def test_an_empty_list_says_what_will_stand_there(ada: User, signed_in: SignedIn, admin: ModelAdmin) -> None:  # type: ignore[type-arg]  # of any model
    browser = signed_in(ada)
    address = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    with unbound():
        page = browser.get(address, follow=True)
        text = html.unescape(page.content.decode())
        assert page.status_code == 200
        if "cl" in page.context and not page.context["cl"].result_count:
            assert admin.nothing_yet in text  # type: ignore[attr-defined]  # our own
        else:
            assert admin.nothing_yet not in text  # type: ignore[attr-defined]  # our own
        if admin.search_fields:
            missed = html.unescape(browser.get(address, {"q": "zebra crossing"}).content.decode())
            assert "Nothing matches" in missed
            assert admin.search_help_text in missed


ONE_PAGE = ("erasureorder", "keepinglimit", "publishingpolicy", "signinsettings")
"""a page of their own instead of a list; they read nothing of the query string"""


@pytest.mark.parametrize("admin", [one for one in OF_TENANTS if named(one) not in ONE_PAGE], ids=named)
def test_no_query_string_asks_for_a_column_that_is_no_filter(ada: User, signed_in: SignedIn, admin: ModelAdmin) -> None:  # type: ignore[type-arg]  # of any model
    """Sealed credentials and hashes are columns too."""
    browser = signed_in(ada)
    address = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    filters = {str(entry[0] if isinstance(entry, tuple) else entry).partition("__")[0] for entry in admin.list_filter}
    others = [field.name for field in admin.model._meta.concrete_fields if field.name not in filters]
    assert others
    with unbound():
        for name in others:
            for lookup in (name, f"{name}__gt", f"{name}__isnull", f"{name}__regex"):
                answer = browser.get(address, {lookup: "1"})
                assert answer.status_code == 400, lookup
                assert "asks for something that is not offered" in answer.content.decode()
        for name in filters & {field.name for field in admin.model._meta.concrete_fields if not field.is_relation}:
            assert browser.get(address, {f"{name}__exact": "x"}).status_code in (200, 302), name

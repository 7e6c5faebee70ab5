"""The administrators' page about kept answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.queries import keeping
from apps.queries.models import CachedResult
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from apps.vault.models import TimedKey
from apps.vault.services import seal_timed, timed_key_for

PAGE = "/admin/queries/keepinglimit/"


@pytest.fixture
def as_(acme: TenantRef) -> Callable[[User], Client]:
    def browser(user: User) -> Client:
        client = Client(HTTP_HOST="acme.localhost")
        client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
        return client

    return browser


@pytest.fixture
def kept(acme: TenantRef, now: datetime) -> CachedResult:
    """An answer that Acme keeps."""
    key = timed_key_for(now + timedelta(hours=1), now=now)
    return CachedResult.objects.create(
        cache_key="k", dataset_id=uuid4(), model_version_id=uuid4(), data_model_id=uuid4(), policy_fingerprint="f",
        timed_key_id=key.id, sealed=seal_timed(b"x", key=key, context=b"x"), row_count=1, created_at=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip


def act(browser: Client, **data: str) -> int:
    with unbound():
        return int(browser.post(PAGE, data).status_code)


def test_it_shows_what_is_held_to_administrators_only(
    as_: Callable[[User], Client], ada: User, ann: User, kept: CachedResult
) -> None:
    admin, member = as_(ada), as_(ann)
    with unbound():
        page = admin.get(PAGE).content.decode()
        assert member.get(PAGE).status_code == 404
    assert "1 answer," in page
    assert "No purge has run yet" in page


def test_the_longest_time_is_set_in_words(as_: Callable[[User], Client], ada: User, ann: User) -> None:
    browser = as_(ada)
    assert act(browser, act="limit", number="90", unit="minutes") == 302
    assert keeping.longest_kept_s() == 5400
    for number, unit in (("31", "days"), ("-1", "hours"), ("x", "hours"), ("1", "years")):
        act(browser, act="limit", number=number, unit=unit)
    assert act(as_(ann), act="limit", number="1", unit="minutes") == 404
    assert keeping.longest_kept_s() == 5400


def test_everything_is_forgotten_at_once_for_this_tenant_only(
    as_: Callable[[User], Client], ada: User, ann: User, kept: CachedResult, globex: TenantRef, now: datetime
) -> None:
    with bound(globex.id):
        timed_key_for(now + timedelta(hours=1), now=now)
    assert act(as_(ann), act="forget") == 404
    assert CachedResult.objects.count() == 1
    assert act(as_(ada), act="forget") == 302
    assert (CachedResult.objects.count(), TimedKey.objects.count()) == (0, 0)
    assert AuditEvent.objects.get(verb="queries.answers_forgotten").actor_id == ada.pk
    with bound(globex.id):
        assert TimedKey.objects.count() == 1


@pytest.mark.parametrize("data", [{"act": "nonsense"}, {"act": "reset", "model": "nowhere"}, {}])
def test_other_wishes_find_nothing(as_: Callable[[User], Client], ada: User, data: dict[str, str]) -> None:
    assert act(as_(ada), **data) == 404

"""How long answers are kept: the model's policy under the tenant's maximum, and what makes them go before."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from apps.access.selectors import actor_for_user
from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset
from apps.datamodels.services import import_files
from apps.queries import keeping, running, store
from apps.queries.errors import UnknownCachePolicyError
from apps.queries.models import CachedResult
from apps.queries.services import refresh
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.vault.models import TimedKey
from tests.apps.queries.conftest import MODEL, Ask

SHORT = "cache_policies:\n  brief: {max_cache_age: 10 minutes}\n  never: {max_cache_age: 0 seconds}\n"
TOPIC = "base_view: orders\nlabel: Sales\n"


@pytest.fixture
def publish(sales: Dataset, now: datetime) -> Callable[..., None]:
    """Publish Sales again with cache policies."""

    def act(*, topic: str = "", header: str = "") -> None:
        files = MODEL | {"model.yaml": MODEL["model.yaml"] + SHORT + header, "Sales.topic.yaml": TOPIC + topic}
        import_files(
            connection=Connection.objects.get(name="orders"),
            name="orders",
            files=files,
            publish=True,
            by=SYSTEM,
            now=now,
        )

    return act


def kept() -> CachedResult:
    return CachedResult.objects.get()


def lifetime() -> timedelta:
    return kept().expires_at - kept().created_at


def test_without_a_policy_an_answer_is_kept_for_six_hours(ask: Ask, eve: User) -> None:
    ask(eve, "orders.revenue")
    assert lifetime() == timedelta(hours=6)
    assert ask(eve, "orders.revenue").cache.is_hit


def test_the_topics_policy_wins_over_the_models(ask: Ask, eve: User, publish: Callable[..., None]) -> None:
    publish(header="default_cache_policy: never\n", topic="cache_policy: brief\n")
    ask(eve, "orders.revenue")
    assert (lifetime(), kept().cache_policy) == (timedelta(minutes=10), "brief")


def test_the_models_policy_holds_for_topics_without_one(ask: Ask, eve: User, publish: Callable[..., None]) -> None:
    publish(header="default_cache_policy: brief\n")
    ask(eve, "orders.revenue")
    assert lifetime() == timedelta(minutes=10)


def test_the_tenants_maximum_wins_over_every_policy(ask: Ask, eve: User, now: datetime) -> None:
    keeping.set_longest_kept(300, by=SYSTEM, now=now)
    ask(eve, "orders.revenue")
    assert lifetime() == timedelta(minutes=5)
    late = now + timedelta(minutes=6)
    assert not ask(eve, "orders.revenue", now=late).cache.is_hit


def test_a_maximum_is_the_tenants_own(acme: TenantRef, globex: TenantRef, now: datetime) -> None:
    keeping.set_longest_kept(60, by=SYSTEM, now=now)
    with bound(globex.id):
        assert keeping.longest_kept_s() == settings.OMNI_CACHE_MAX_AGE_S
    assert keeping.longest_kept_s() == 60


@pytest.mark.parametrize("seconds", [-1, settings.OMNI_CACHE_CEILING_S + 1])
def test_no_maximum_lies_beyond_thirty_days(acme: TenantRef, now: datetime, seconds: int) -> None:
    with pytest.raises(ValidationError):
        keeping.set_longest_kept(seconds, by=SYSTEM, now=now)
    assert keeping.longest_kept_s() == settings.OMNI_CACHE_MAX_AGE_S
    keeping.set_longest_kept(settings.OMNI_CACHE_CEILING_S, by=SYSTEM, now=now)
    assert keeping.longest_kept_s() == settings.OMNI_CACHE_CEILING_S


@pytest.mark.parametrize("how", ["policy", "maximum"])
def test_what_is_not_kept_is_handed_over_and_asked_anew(
    ask: Ask, eve: User, publish: Callable[..., None], now: datetime, how: str
) -> None:
    if how == "policy":
        publish(topic="cache_policy: never\n")
    else:
        keeping.set_longest_kept(0, by=SYSTEM, now=now)
    first = ask(eve, "orders.revenue")
    assert first.rows == [(60.0,)]
    assert (first.cache.is_hit, first.cache.expires_at) == (False, None)
    assert not ask(eve, "orders.revenue").cache.is_hit  # nobody finds what was handed over
    assert lifetime() <= timedelta(seconds=settings.OMNI_HANDOVER_S)
    assert TimedKey.objects.get(pk=kept().timed_key_id).slot_end <= kept().expires_at + timedelta(seconds=60)


def test_a_shorter_maximum_forgets_everything_and_a_longer_one_nothing(ask: Ask, eve: User, now: datetime) -> None:
    ask(eve, "orders.revenue")
    keeping.set_longest_kept(2 * settings.OMNI_CACHE_MAX_AGE_S, by=SYSTEM, now=now)
    assert ask(eve, "orders.revenue").cache.is_hit
    keeping.set_longest_kept(3600, by=SYSTEM, now=now)
    assert (CachedResult.objects.count(), TimedKey.objects.count()) == (0, 0)
    assert not ask(eve, "orders.revenue").cache.is_hit
    event = AuditEvent.objects.get(verb="queries.longest_kept_changed", facts__seconds_now=3600)
    assert event.facts["seconds_before"] == 2 * settings.OMNI_CACHE_MAX_AGE_S


def test_a_reset_forgets_one_policy_only(ask: Ask, eve: User, publish: Callable[..., None], now: datetime) -> None:
    model = DataModel.objects.get()
    publish(topic="cache_policy: brief\n")
    ask(eve, "orders.revenue")
    assert keeping.reset_policy(model, keeping.DEFAULT, by=SYSTEM, now=now) == 0
    assert ask(eve, "orders.revenue").cache.is_hit
    assert keeping.reset_policy(model, "brief", by=SYSTEM, now=datetime.now(UTC)) == 1
    assert not ask(eve, "orders.revenue").cache.is_hit
    assert ask(eve, "orders.revenue").cache.is_hit
    with pytest.raises(UnknownCachePolicyError):
        keeping.reset_policy(model, "nonsense", by=SYSTEM, now=now)


def test_an_answer_that_was_on_its_way_when_its_policy_was_reset_is_not_kept(
    ask: Ask, eve: User, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(topic="cache_policy: brief\n")
    original = store.write

    def write_after_a_reset(*args: object, **kwargs: object) -> int:
        keeping.reset_policy(DataModel.objects.get(), "brief", by=SYSTEM, now=datetime.now(UTC))
        return original(*args, **kwargs)  # type: ignore[arg-type]  # looser than the type on purpose

    monkeypatch.setattr(running.store, "write", write_after_a_reset)
    assert ask(eve, "orders.revenue").rows == [(60.0,)]
    assert kept().is_handover
    monkeypatch.undo()
    assert not ask(eve, "orders.revenue").cache.is_hit
    assert not kept().is_handover


def test_a_refresh_shows_what_the_source_holds_now(ask: Ask, eve: User, sales: Dataset) -> None:
    old = datetime.now(UTC) - timedelta(minutes=1)
    assert ask(eve, "orders.revenue").rows == [(60.0,)]
    question = {"dataset": "Sales", "fields": ["orders.revenue"]}
    add_an_order()
    assert ask(eve, "orders.revenue").rows == [(60.0,)]
    assert not refresh(actor_of(eve), question, now=datetime.now(UTC))  # seconds old: it stays
    CachedResult.objects.update(created_at=old)
    assert refresh(actor_of(eve), question, now=datetime.now(UTC))
    fresh = ask(eve, "orders.revenue")
    assert (fresh.rows, fresh.cache.is_hit) == ([(1060.0,)], False)


def test_a_refresh_reaches_only_answers_that_one_could_have(ask: Ask, eve: User, max_: User) -> None:
    ask(max_, "orders.revenue")
    CachedResult.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=1))
    refresh(actor_of(eve), {"dataset": "Sales", "fields": ["orders.revenue"]}, now=datetime.now(UTC))
    assert ask(max_, "orders.revenue").cache.is_hit


def test_the_command_forgets(ask: Ask, eve: User, capsys: pytest.CaptureFixture[str]) -> None:
    ask(eve, "orders.revenue")
    with pytest.raises(CommandError, match="no cache policy"):
        call_command("reset_cache", "acme", "orders", "nonsense")
    with pytest.raises(CommandError, match="no model"):
        call_command("reset_cache", "acme", "nonsense")
    call_command("reset_cache", "acme", "orders")
    ask(eve, "orders.revenue")
    call_command("reset_cache", "acme")
    assert capsys.readouterr().out.splitlines() == ["1 answers forgotten", "1 answers forgotten"]
    assert TimedKey.objects.count() == 0


def actor_of(user: User) -> Actor:
    return actor_for_user(User.objects.get(pk=user.pk))


def add_an_order() -> None:
    """Put a file with one more European order in the place of the one that readers have open."""
    path = settings.OMNI_DATA_DIR / "acme" / "acme.duckdb"
    draft = path.with_name("draft.duckdb")
    shutil.copy(path, draft)
    with duckdb.connect(str(draft)) as connection:
        connection.execute("INSERT INTO orders VALUES ('EU', 'paid', 'x@example.com', now()::TIMESTAMP, 1000.0)")
    draft.replace(path)

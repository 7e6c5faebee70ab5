"""What people get: their rows, their fields, masked where the model says so; and nothing when a rule says no."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from pytest_django import Settings

from apps.access.selectors import actor_for_user
from apps.access.services import revoke_permission
from apps.accounts.models import GroupMembership, User, UserAttribute, UserGroup
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.selectors import current_version, files_of
from apps.datamodels.services import import_files
from apps.queries.line import Priority
from apps.queries.models import CachedResult, QueryRun
from apps.queries.services import answer, own_run, run_state
from apps.queries.types import Answer
from apps.semantic.errors import MissingAttributeError, UnknownDatasetError, UnknownFieldError

Ask = Callable[..., Answer]


def raw(source: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(source), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_each_person_gets_their_rows(ask: Ask, eve: User, max_: User, source: Path) -> None:
    by_status = "SELECT status, count(*), sum(price) FROM orders {} GROUP BY 1 ORDER BY 1"
    fields = ("orders.status", "orders.count", "orders.revenue")
    assert sorted(ask(eve, *fields).rows) == raw(source, by_status.format("WHERE region = 'EU'"))
    assert sorted(ask(max_, *fields).rows) == raw(source, by_status.format(""))


def test_a_missing_attribute_refuses_and_says_which(ask: Ask, nil: User, max_: User) -> None:
    assert ask(max_, "orders.count").rows == [(7,)]
    with pytest.raises(MissingAttributeError, match="region"):
        ask(nil, "orders.count")


def test_without_permission_a_data_set_is_like_one_that_does_not_exist(
    ask: Ask, eve: User, ada: User, sales: Dataset
) -> None:
    assert ask(eve, "orders.count").row_count == 1
    with pytest.raises(UnknownDatasetError) as forbidden:
        ask(ada, "orders.count")
    with pytest.raises(UnknownDatasetError) as missing:
        ask(ada, "orders.count", dataset="Nothing")
    assert forbidden.value.message.replace("Sales", "?") == missing.value.message.replace("Nothing", "?")
    assert (forbidden.value.code, forbidden.value.path) == (missing.value.code, missing.value.path)


@pytest.mark.parametrize(
    "question",
    [
        {"fields": ["orders.margin"]},
        {"fields": ["orders.margin_share"]},
        {"fields": ["orders.count"], "filters": {"orders.margin": {"greater_than": 1}}},
    ],
)
def test_a_forbidden_field_is_unknown_in_every_clause(ask: Ask, eve: User, question: dict[str, object]) -> None:
    finance = UserGroup.objects.create(name="Finance")
    with pytest.raises(UnknownFieldError) as forbidden:
        ask(eve, **question)  # type: ignore[arg-type]  # looser than the type on purpose
    text = str(question).replace("margin_share", "margin").replace("orders.margin", "orders.nothing")
    with pytest.raises(UnknownFieldError) as missing:
        ask(eve, **eval(text))
    assert forbidden.value.message.replace("margin_share", "x").replace("margin", "x") == missing.value.message.replace(
        "nothing", "x"
    )
    GroupMembership.objects.create(user=eve, group=finance)
    assert ask(eve, **question).row_count == 1  # type: ignore[arg-type]  # looser than the type on purpose


def test_a_masked_field_groups_and_filters_by_its_mask(ask: Ask, max_: User, source: Path) -> None:
    masked = ask(max_, "orders.email", "orders.count")
    assert masked.row_count == raw(source, "SELECT count(DISTINCT email) FROM orders")[0][0]
    assert not any("@" in str(row[0]) for row in masked.rows)
    assert ask(max_, "orders.count", filters={"orders.email": {"is": "p1@example.com"}}).rows == [(0,)]
    GroupMembership.objects.create(user=max_, group=UserGroup.objects.create(name="Finance"))
    assert ask(max_, "orders.count", filters={"orders.email": {"is": "p1@example.com"}}).rows == [(1,)]


def test_equal_rights_share_a_kept_answer_and_others_never_do(
    ask: Ask, eve: User, max_: User, analysts: UserGroup, make_person: Callable[..., User]
) -> None:
    first = ask(eve, "orders.revenue")
    assert not first.cache.is_hit
    assert ask(eve, "orders.revenue").cache.is_hit
    other = ask(max_, "orders.revenue")
    assert not other.cache.is_hit
    assert other.rows != first.rows
    assert other.policy_fingerprint != first.policy_fingerprint
    twin = make_person("twin@acme.example")
    GroupMembership.objects.create(user=twin, group=analysts)
    held = UserAttribute.objects.get(user=eve)
    UserAttribute.objects.create(user=twin, definition=held.definition, values=held.values)
    shared = ask(twin, "orders.revenue")
    assert shared.cache.is_hit
    assert shared.rows == first.rows


def test_a_changed_attribute_bites_on_the_next_question(ask: Ask, eve: User) -> None:
    before = ask(eve, "orders.revenue")
    UserAttribute.objects.filter(user=eve).update(values=["US"])
    after = ask(eve, "orders.revenue")
    assert not after.cache.is_hit
    assert after.rows != before.rows


def test_a_revoked_permission_bites_although_the_answer_is_kept(
    ask: Ask, eve: User, analysts: UserGroup, sales: Dataset, now: datetime
) -> None:
    assert ask(eve, "orders.revenue").row_count == 1
    revoke_permission(group=analysts, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    with pytest.raises(UnknownDatasetError):
        ask(eve, "orders.revenue")


def test_expiry_holds_with_the_purge_dead(ask: Ask, eve: User, settings: Settings) -> None:
    now = datetime.now(UTC)
    assert not ask(eve, "orders.revenue", now=now).cache.is_hit
    assert ask(eve, "orders.revenue", now=now + timedelta(seconds=settings.OMNI_CACHE_DEFAULT_AGE_S - 60)).cache.is_hit
    late = now + timedelta(seconds=settings.OMNI_CACHE_DEFAULT_AGE_S + 60)
    assert CachedResult.objects.exists()
    assert not ask(eve, "orders.revenue", now=late).cache.is_hit


def test_a_kept_answer_that_was_moved_does_not_open(ask: Ask, eve: User, max_: User) -> None:
    ask(eve, "orders.revenue")
    ask(max_, "orders.revenue")
    hers, his = CachedResult.objects.order_by("created_at")
    CachedResult.objects.filter(pk=hers.pk).update(sealed=his.sealed, timed_key_id=his.timed_key_id)
    found = ask(eve, "orders.revenue")
    assert not found.cache.is_hit
    assert found.rows == [(60.0,)]


def test_a_run_whose_model_was_published_anew_is_asked_anew(ask: Ask, eve: User, sales: Dataset, now: datetime) -> None:
    actor = actor_for_user(eve)
    assert ask(eve, "orders.revenue").rows == [(60.0,)]
    run = QueryRun.objects.get()
    kept = run_state(actor, run.pk, now=now)
    assert isinstance(kept, Answer)
    assert kept.rows == [(60.0,)]
    files = files_of(current_version(sales.data_model))
    files["orders.view.yaml"] = files["orders.view.yaml"].replace('sql: "${price}"}', 'sql: "2 * ${price}"}', 1)
    connection = sales.data_model.connection
    import_files(connection=connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    anew = run_state(actor, run.pk, now=now)
    assert isinstance(anew, Answer)
    assert anew.rows == [(120.0,)]
    files["orders.view.yaml"] = files["orders.view.yaml"].replace(
        "revenue: {", "revenue: {required_access_grants: [finance], ", 1
    )
    import_files(connection=connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    with pytest.raises(UnknownFieldError):
        run_state(actor, run.pk, now=now)


def test_a_background_run_that_is_asked_anew_stays_in_the_background(
    ask: Ask, eve: User, max_: User, now: datetime
) -> None:
    ask(eve, "orders.revenue")
    run = QueryRun.objects.get()
    QueryRun.objects.update(priority=Priority.BACKGROUND)
    CachedResult.objects.all().delete()
    UserAttribute.objects.filter(user=eve).update(values=["US"])
    anew = run_state(actor_for_user(eve), run.pk, now=now)
    assert isinstance(anew, Answer)
    assert QueryRun.objects.exclude(pk=run.pk).get().priority == Priority.BACKGROUND


def test_every_answer_is_recorded_without_its_values(ask: Ask, eve: User) -> None:
    found = ask(eve, "orders.email", "orders.revenue", filters={"orders.status": {"is": "paid"}})
    event = AuditEvent.objects.get(verb="queries.query_answered")
    assert event.actor_id == eve.pk
    assert event.facts["fingerprint"] == found.policy_fingerprint
    assert event.facts["rows"] == found.row_count
    assert "paid" not in str(event.facts)


def test_refusals_are_recorded(ask: Ask, ada: User, sales: Dataset) -> None:
    with pytest.raises(UnknownDatasetError):
        ask(ada, "orders.count")
    event = AuditEvent.objects.get(verb="queries.query_denied")
    assert (event.actor_id, event.facts["code"]) == (ada.pk, "unknown_dataset")
    assert (event.facts["permission"], event.facts["decision"], event.facts["through"]) == (
        "query_dataset",
        "denied",
        [],
    )


def test_a_run_is_its_own_persons(ask: Ask, eve: User, max_: User) -> None:
    from apps.access.selectors import actor_for_user
    from apps.queries.errors import UnknownRunError

    ask(eve, "orders.revenue")
    run = QueryRun.objects.get()
    now = datetime.now(UTC)
    assert own_run(actor_for_user(eve), run.pk, now=now) == run
    with pytest.raises(UnknownRunError):
        own_run(actor_for_user(max_), run.pk, now=now)


def test_a_question_inside_a_transaction_is_a_fault_of_ours(eve: User) -> None:
    from django.db import transaction

    from apps.access.selectors import actor_for_user

    with transaction.atomic(), pytest.raises(RuntimeError):
        answer(actor_for_user(eve), {"dataset": "Sales", "fields": ["orders.count"]}, now=datetime.now(UTC))


def test_a_spreadsheet_takes_no_cell_for_a_formula(ask: Ask, max_: User, source: Path) -> None:
    with duckdb.connect(str(source)) as connection:
        connection.execute("INSERT INTO orders VALUES ('EU', '=1+1', 'x', TIMESTAMP '2024-01-01', -5)")
    csv = ask(max_, "orders.status", "orders.revenue").to_csv().decode()
    assert "'=1+1,-5" in csv
